//! Package URLs as older versions and other tools write them.

use super::*;

#[test]
#[expect(clippy::too_many_lines, reason = "a table: one row for each form")]
fn old_and_foreign_urls_name_their_ecosystem() {
    for (purl, ecosystem, name) in [
        (
            "pkg:alpine/foo@1?upstream=bar&distro=alpine-3.16.2",
            "Alpine:v3.16",
            "bar",
        ),
        (
            "pkg:alpine/foo@1?upstream=bar&distro=wolfi-20230201",
            "Wolfi",
            "bar",
        ),
        ("pkg:deb/ubuntu/foo@1?distro=jammy", "Ubuntu:22.04:LTS", "foo"),
        (
            "pkg:deb/ubuntu/foo@1?distro=ubuntu-oracular",
            "Ubuntu:24.10",
            "foo",
        ),
        (
            "pkg:deb/debian/foo@1?distro=debian-trixie%2Fsid",
            "Debian:13",
            "foo",
        ),
        (
            "pkg:deb/debian/foo@1?os_distro=bookworm&os_name=debian&os_version=12",
            "Debian:12",
            "foo",
        ),
        ("pkg:deb/foo@1?distro=noble", "Ubuntu:24.04:LTS", "foo"),
        (
            "pkg:rpm/foo@1?distro=rhel-9.2",
            "Red Hat:enterprise_linux:9",
            "foo",
        ),
        (
            "pkg:rpm/suse/foo@1?distro=sle-micro-5.3",
            "SUSE:Linux Enterprise Micro 5.3",
            "foo",
        ),
        (
            "pkg:rpm/sle-micro/foo@1?distro=sle-micro-5.3",
            "SUSE:Linux Enterprise Micro 5.3",
            "foo",
        ),
        (
            "pkg:rpm/suse/foo@1?distro=sl-micro-6.0",
            "SUSE:Linux Micro 6.0",
            "foo",
        ),
        (
            "pkg:rpm/opensuse/foo@1?distro=opensuse-leap-micro-5.5",
            "openSUSE:Leap Micro 5.5",
            "foo",
        ),
        (
            "pkg:rpm/opensuse-leap-micro/foo@1?distro=leap-micro-5.5",
            "openSUSE:Leap Micro 5.5",
            "foo",
        ),
        ("pkg:k8s/k8s.io%2Fkubelet@1.30.0", "Kubernetes", "k8s.io/kubelet"),
        ("pkg:github/acme/do-it@v4", "GitHub Actions", "acme/do-it"),
        (
            "pkg:github/acme/do-it/sub/path@v4",
            "GitHub Actions",
            "acme/do-it",
        ),
    ] {
        assert_eq!(package(purl), some(ecosystem, name, true), "{purl}");
    }
    let bare = PackageUrl::parse_lenient("pkg:rpm/foo@1").unwrap();
    assert_eq!(package_of(&bare), None);
    assert_eq!(
        package_in(&bare, Some("rocky-9.3")).unwrap().ecosystem,
        "Rocky Linux:9"
    );
    let sap = package_in(&bare, Some("sles_sap-15.4")).unwrap();
    assert_eq!(
        sap.ecosystem,
        "SUSE:Linux Enterprise Server for SAP Applications 15 SP4"
    );
    let server = "SUSE:Linux Enterprise Server 15 SP4";
    assert!(sap.also.iter().any(|also| also == server) && sap.is_known_by(server));
}
