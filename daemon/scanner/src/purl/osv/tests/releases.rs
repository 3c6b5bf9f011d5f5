//! Releases of distributions: how they are named in URLs, qualifiers and documents.

use super::*;

#[test]
fn rpm_distributions_are_known_by_all_tool_names() {
    for (purl, ecosystem, name) in [
        ("pkg:rpm/alma/acl@2-4.el9?distro=alma-9.6", "AlmaLinux:9", "acl"),
        (
            "pkg:rpm/almalinux/acl@2-4.el9?distro=almalinux-9.6",
            "AlmaLinux:9",
            "acl",
        ),
        (
            "pkg:rpm/centos/acl@2-15.el7?distro=centos-7.9.2009",
            "Red Hat:enterprise_linux:7",
            "acl",
        ),
        (
            "pkg:rpm/azurelinux/bash@5-1.azl3?distro=azurelinux-3.0",
            "Azure Linux:3",
            "bash",
        ),
        (
            "pkg:rpm/mariner/busybox@1.35.0?distro=mariner-2.0",
            "Azure Linux:2",
            "busybox",
        ),
        (
            "pkg:rpm/cbl-mariner/curl@8-1.cm2?distro=cbl-mariner-2.0.20230407",
            "Azure Linux:2",
            "curl",
        ),
        (
            "pkg:rpm/azurelinux/openssl-libs@3-1.azl3?distro=azurelinux-3.0&upstream=openssl-3-1.azl3.src.rpm",
            "Azure Linux:3",
            "openssl",
        ),
        (
            "pkg:rpm/opensuse-leap/pam@1.3.0-150000.6.86.1?distro=opensuse-leap-15.6",
            "openSUSE:Leap 15.6",
            "pam",
        ),
        (
            "pkg:rpm/opensuse.leap/pam@1?distro=opensuse.leap-15.6",
            "openSUSE:Leap 15.6",
            "pam",
        ),
        (
            "pkg:rpm/opensuse-tumbleweed/pam@1?distro=opensuse-tumbleweed-20240826",
            "openSUSE:Tumbleweed",
            "pam",
        ),
        (
            "pkg:rpm/openeuler/bash@5-9.oe2403?distro=openEuler-24.03",
            "openEuler:24.03-LTS",
            "bash",
        ),
        (
            "pkg:rpm/openeuler/bash@5-9?distro=openEuler-22.03%20(LTS-SP1)",
            "openEuler:22.03-LTS-SP1",
            "bash",
        ),
        (
            "pkg:rpm/opensuse-microos/pam@1?distro=opensuse-microos-20240826",
            "openSUSE:Tumbleweed",
            "pam",
        ),
        (
            "pkg:rpm/openeuler/bash@5-9?distro=openeuler-22.03-lts-sp1",
            "openEuler:22.03-LTS-SP1",
            "bash",
        ),
        (
            "pkg:rpm/photon/openssl-libs@3-1.ph5?distro=photon-5.0&upstream=openssl-3-1.ph5.src.rpm",
            "Photon OS:5.0",
            "openssl",
        ),
    ] {
        assert_eq!(package(purl), some(ecosystem, name, true), "{purl}");
    }
}

#[test]
fn distro_qualifier_becomes_the_suffix() {
    assert_eq!(
        package("pkg:deb/debian/curl@1?distro=debian-12"),
        some("Debian:12", "curl", true)
    );
    assert_eq!(
        package("pkg:deb/debian/curl@1?distro=debian-12.5"),
        some("Debian:12", "curl", true)
    );
    assert_eq!(
        package("pkg:deb/debian/curl@1?distro=bookworm"),
        some("Debian:12", "curl", true)
    );
    assert_eq!(
        package("pkg:deb/ubuntu/curl@1?distro=ubuntu-22.04"),
        some("Ubuntu:22.04:LTS", "curl", true)
    );
    assert_eq!(
        package("pkg:deb/ubuntu/curl@1?distro=ubuntu-23.10"),
        some("Ubuntu:23.10", "curl", true)
    );
    assert_eq!(
        package("pkg:apk/alpine/curl@1?distro=3.18.4"),
        some("Alpine:v3.18", "curl", true)
    );
    assert_eq!(
        package("pkg:rpm/almalinux/curl@1?distro=almalinux-9.3"),
        some("AlmaLinux:9", "curl", true)
    );
}

#[test]
fn products_and_extensions_of_a_release_apply_too() {
    let also = |purl: &str| package_of(&PackageUrl::parse_lenient(purl).unwrap()).unwrap();
    let red_hat = also("pkg:rpm/redhat/curl@1?distro=rhel-9.3");
    assert_eq!(red_hat.ecosystem, "Red Hat:enterprise_linux:9");
    assert!(
        red_hat
            .also
            .contains(&"Red Hat:enterprise_linux:9::baseos".to_owned())
    );
    let old = also("pkg:rpm/redhat/curl@1?distro=rhel-7.9");
    assert!(
        old.also
            .contains(&"Red Hat:enterprise_linux:7::server".to_owned())
    );
    let ten = also("pkg:rpm/redhat/curl@1?distro=rhel-10.1");
    assert!(
        ten.also
            .contains(&"Red Hat:enterprise_linux:10.1::appstream".to_owned())
    );
    // Documents name the major release, or the minor release that was the newest when they were written.
    for other in ["10", "10::appstream", "10.0", "10.0::baseos", "10.2", "10.10"] {
        let other = format!("Red Hat:enterprise_linux:{other}");
        assert!(ten.also.contains(&other), "{other}");
    }
    let own = "Red Hat:enterprise_linux:10.1".to_owned();
    assert_eq!(ten.also.iter().filter(|other| **other == own).count(), 0);
    assert!(ten.is_known_by("Red Hat:enterprise_linux:10::appstream"));
    assert!(!ten.is_known_by("Red Hat:enterprise_linux:10.0"));
    let stream = also("pkg:rpm/centos/curl@1?distro=centos-10");
    assert!(
        stream
            .also
            .contains(&"Red Hat:enterprise_linux:10.2::crb".to_owned())
    );
    assert!(stream.is_known_by("Red Hat:enterprise_linux:10.0"));
    assert!(old.also.contains(&"Red Hat:rhel_els:7".to_owned()));
    assert!(!old.is_known_by("Red Hat:rhel_els:7"));
    assert!(!also("pkg:rpm/redhat/curl@1").release_known);
    let ubuntu = also("pkg:deb/ubuntu/curl@1?distro=ubuntu-22.04");
    assert_eq!(
        ubuntu.also,
        [
            "Ubuntu",
            "Ubuntu:22.04",
            "Ubuntu:Pro:22.04:LTS",
            "Ubuntu:Pro:22.04:LTS:Realtime:Kernel",
            "Ubuntu:Pro:Realtime:22.04:LTS",
        ]
    );
    let suse = also("pkg:rpm/suse/curl@1?distro=sles-15.5");
    assert!(
        suse.also
            .contains(&"SUSE:Linux Enterprise Module for Basesystem 15 SP5".to_owned())
    );
    // Products for subscribers only (LTSS), and add-on products, also apply to a Server.
    for name in [
        "Linux Enterprise Server 15 SP5-LTSS",
        "Linux Enterprise Server 15 SP5 LTSS",
        "Linux Enterprise Server LTSS Extended Security 15 SP5",
        "Package Hub 15 SP5",
        "Linux Enterprise Live Patching 15 SP5",
    ] {
        assert!(suse.also.contains(&format!("SUSE:{name}")), "{name}");
    }
    let hpc = also("pkg:rpm/suse/curl@1?distro=sle_hpc-15.3");
    let own = "SUSE:Linux Enterprise High Performance Computing 15 SP3-ESPOS".to_owned();
    assert!(hpc.also.contains(&own));
    let twelve = also("pkg:rpm/suse/curl@1?distro=sles-12.5");
    let legacy = "SUSE:Linux Enterprise Module for Legacy 12".to_owned();
    assert!(twelve.also.contains(&legacy));
    let named = also("pkg:rpm/suse/curl@1?distro=sles-15-SP5");
    assert_eq!(named.ecosystem, suse.ecosystem);
    let debian = also("pkg:deb/debian/curl@1?distro=debian-12");
    assert_eq!(debian.also, ["Debian", "Debian:bookworm"]);
    assert!(debian.is_known_by("Debian:bookworm") && !debian.is_known_by("Debian"));
    assert_eq!(
        also("pkg:apk/alpine/curl@1?distro=alpine-3.18.4").also,
        ["Alpine", "Alpine:3.18"]
    );
    assert!(also("pkg:npm/curl@1").also.is_empty());
    assert_eq!(also("pkg:npm/curl@1").ecosystems().collect::<Vec<_>>(), ["npm"]);
}

#[test]
fn release_is_known_only_by_its_own_ecosystems() {
    for (purl, known_by) in [
        ("pkg:npm/curl@1", "npm"),
        (
            "pkg:deb/debian/curl@1?distro=debian-12",
            "Debian:12, Debian:bookworm",
        ),
        (
            "pkg:deb/ubuntu/curl@1?distro=ubuntu-22.04",
            "Ubuntu:22.04:LTS, Ubuntu:22.04",
        ),
        ("pkg:golang/k8s.io/apiserver@v0.30.0", "Go"),
        (
            "pkg:deb/dhi/curl@8?distro=dhi-13",
            "Docker Hardened Images:Debian:trixie, Docker Hardened Images:Debian:13, DHI:Debian:13, \
             DHI:Debian:trixie",
        ),
        (
            "pkg:freebsd/curl@8?arch=FreeBSD:14:amd64",
            "FreeBSD:ports:14, FreeBSD:ports",
        ),
        (
            "pkg:rpm/suse/curl@1?distro=sle-micro-5.3",
            "SUSE:Linux Enterprise Micro 5.3",
        ),
    ] {
        let package = package_of(&PackageUrl::parse_lenient(purl).unwrap()).unwrap();
        let found = package
            .ecosystems()
            .filter(|ecosystem| package.is_known_by(ecosystem));
        assert_eq!(found.collect::<Vec<_>>().join(", "), known_by, "{purl}");
    }
    for (purl, own, parts) in [
        (
            "pkg:rpm/redhat/curl@1?distro=rhel-9.3",
            "Red Hat:enterprise_linux:9",
            12,
        ),
        (
            "pkg:rpm/suse/curl@1?distro=sles-15.5",
            "SUSE:Linux Enterprise Server 15 SP5",
            30,
        ),
    ] {
        let package = package_of(&PackageUrl::parse_lenient(purl).unwrap()).unwrap();
        let known = package
            .ecosystems()
            .filter(|ecosystem| package.is_known_by(ecosystem));
        assert_eq!(known.count(), 1 + parts, "{purl}");
        assert!(package.is_known_by(own) && !package.is_known_by(own.split(':').next().unwrap()));
        assert!(!package.is_known_by("SUSE:Linux Enterprise Module for Package Hub 15 SP5"));
    }
}

#[test]
fn rpm_releases_map_to_osv_names() {
    for (purl, ecosystem) in [
        (
            "pkg:rpm/openeuler/curl@1?distro=openEuler-22.03-LTS-SP1",
            "openEuler:22.03-LTS-SP1",
        ),
        (
            "pkg:rpm/opensuse/curl@1?distro=opensuse-leap-15.5",
            "openSUSE:Leap 15.5",
        ),
        (
            "pkg:rpm/opensuse/curl@1?distro=opensuse-tumbleweed-20240101",
            "openSUSE:Tumbleweed",
        ),
        (
            "pkg:rpm/suse/curl@1?distro=sles-15.3",
            "SUSE:Linux Enterprise Server 15 SP3",
        ),
        (
            "pkg:rpm/suse/curl@1?distro=sles-12",
            "SUSE:Linux Enterprise Server 12",
        ),
        (
            "pkg:rpm/suse/curl@1?distro=sles-16.0",
            "SUSE:Linux Enterprise Server 16.0",
        ),
        (
            "pkg:rpm/suse/curl@1?distro=sles_sap-16.1",
            "SUSE:Linux Enterprise Server for SAP applications 16.1",
        ),
        ("pkg:rpm/mageia/curl@1?distro=mageia-9", "Mageia:9"),
        ("pkg:rpm/photon/curl@1?distro=photon-5.0", "Photon OS:5.0"),
    ] {
        assert_eq!(package(purl), some(ecosystem, "curl", true));
    }
}

#[test]
fn documents_distribution_applies_if_the_url_has_none() {
    let on = |purl: &str, distro: &str| {
        let purl = PackageUrl::parse_lenient(purl).unwrap();
        let found = package_in(&purl, Some(distro)).unwrap();
        (found.ecosystem, found.release_known)
    };
    for (purl, distro, ecosystem) in [
        ("pkg:deb/debian/curl@1", "debian-12", "Debian:12"),
        (
            "pkg:rpm/suse/curl@1",
            "sles-15.3",
            "SUSE:Linux Enterprise Server 15 SP3",
        ),
        ("pkg:rpm/rocky/curl@1", "rocky-9.3", "Rocky Linux:9"),
        ("pkg:rpm/rockylinux/curl@1", "rocky-9.3", "Rocky Linux:9"),
        ("pkg:rpm/amazonlinux/curl@1", "amzn-2023", "Amazon Linux:2023"),
        ("pkg:rpm/amzn/curl@1", "amzn-2023", "Amazon Linux:2023"),
        ("pkg:rpm/amazon/curl@1", "amazon-2 (Karoo)", "Amazon Linux:2"),
        ("pkg:rpm/amazon/curl@1", "amzn-2018.03", "Amazon Linux:1"),
        ("pkg:rpm/ol/curl@1", "ol-8.5", "Oracle Linux:8"),
        ("pkg:rpm/oracle/curl@1", "oracle-9", "Oracle Linux:9"),
        ("pkg:rpm/fedora/curl@1", "fedora-40", "Fedora:40"),
        (
            "pkg:rpm/opensuse/curl@1",
            "opensuse-leap-15.5",
            "openSUSE:Leap 15.5",
        ),
        ("pkg:deb/debian/curl@1?distro=debian-11", "debian-12", "Debian:11"),
    ] {
        assert_eq!(on(purl, distro), (ecosystem.into(), true));
    }
    assert_eq!(
        on("pkg:deb/debian/curl@1", "ubuntu-22.04"),
        ("Debian".into(), false)
    );
}

#[test]
fn hardened_images_and_ports_use_every_release_spelling() {
    let found = |purl: &str| {
        let package = package_of(&PackageUrl::parse_lenient(purl).unwrap()).unwrap();
        let ecosystems = package.ecosystems().map(str::to_owned).collect::<Vec<_>>();
        (ecosystems.join(", "), package.name, package.release_known)
    };
    let docker = "Docker Hardened Images";
    let alpine = format!("{docker}:Alpine:3.24, {docker}:Alpine, {docker}, DHI:Alpine, DHI, DHI:Alpine:3.24");
    let debian = format!(
        "{docker}:Debian:trixie, {docker}:Debian, {docker}, {docker}:Debian:13, DHI:Debian, DHI, DHI:Debian:13, \
         DHI:Debian:trixie"
    );
    for (purl, ecosystems, name) in [
        (
            "pkg:apk/dhi/libcrypto3@3?distro=dhi-3.24&upstream=openssl",
            alpine.as_str(),
            "libcrypto3",
        ),
        (
            "pkg:apk/dhi/curl@8?os_distro=alpine&os_name=dhi&os_version=3.24",
            alpine.as_str(),
            "curl",
        ),
        ("pkg:deb/dhi/curl@8?distro=dhi-13", debian.as_str(), "curl"),
        ("pkg:deb/dhi/curl@8?distro=dhi-trixie", debian.as_str(), "curl"),
        (
            "pkg:freebsd/curl@8.9.1?arch=FreeBSD:14:amd64&origin=www/curl",
            "FreeBSD:ports:14, FreeBSD:ports, FreeBSD",
            "curl",
        ),
        ("pkg:freebsd/curl@8.9.1", "FreeBSD:ports, FreeBSD", "curl"),
        (
            "pkg:golang/k8s.io/apiserver@v0.30.0",
            "Go, Kubernetes",
            "k8s.io/apiserver",
        ),
        ("pkg:apk/cleanstart/nginx@1?arch=x86_64", "CleanStart", "nginx"),
    ] {
        assert_eq!(
            found(purl),
            (ecosystems.to_owned(), name.to_owned(), true),
            "{purl}"
        );
    }
    assert!(!found("pkg:apk/dhi/curl@8").2);
    assert_eq!(purl_of("FreeBSD:kernel", "x"), None);
    assert_eq!(
        purl_of("FreeBSD:ports:14", "x").unwrap().to_string(),
        "pkg:freebsd/x"
    );
}

#[test]
fn missing_distro_is_reported() {
    assert_eq!(package("pkg:deb/debian/curl@1"), some("Debian", "curl", false));
    assert_eq!(package("pkg:apk/wolfi/curl@1"), some("Wolfi", "curl", true));
}

#[test]
fn alpine_before_its_branch_is_edge() {
    for distro in ["edge", "alpine-edge", "alpine-3.24_alpha20260101"] {
        let purl = format!("pkg:apk/alpine/curl@1?distro={distro}&arch=source");
        assert_eq!(package(&purl), some("Alpine:edge", "curl", true), "{distro}");
    }
}

#[test]
fn suse_package_has_its_own_name_and_that_of_its_source() {
    let of = |purl: &str| package_of(&PackageUrl::parse_lenient(purl).unwrap()).unwrap();
    let source = "upstream=openssl-3-3.5.0-160000.1.1.src.rpm";
    for distro in [
        "suse/libopenssl3@VERSION?distro=sles-16.0",
        "opensuse/libopenssl3@VERSION?distro=opensuse-leap-16.0",
    ] {
        for version in ["3.5.0-160000.1.1", "17-2.1"] {
            let package = of(&format!(
                "pkg:rpm/{}&{source}",
                distro.replace("VERSION", version)
            ));
            let found = package.source.unwrap();
            assert_eq!(
                (package.name.as_str(), found.name.as_str()),
                ("libopenssl3", "openssl-3")
            );
            assert!(package.name_known && found.epoch_known, "SUSE has no epochs");
        }
    }
}

/// A derived distribution has its own release numbers: `linuxmint-21` is not Ubuntu 21.
#[test]
fn release_of_derived_distribution_is_not_used() {
    for purl in [
        "pkg:deb/debian/curl@1?distro=lmde-6&arch=source",
        "pkg:deb/debian/curl@1?distro=raspbian-12&arch=source",
        "pkg:deb/debian/curl@1?distro=Devuan-4&arch=source",
    ] {
        assert_eq!(package(purl), some("Debian", "curl", false), "{purl}");
    }
    let mint = "pkg:deb/ubuntu/curl@1?distro=linuxmint-21.04&arch=source";
    assert_eq!(package(mint), some("Ubuntu", "curl", false));
    for purl in [
        "pkg:deb/curl@1?distro=raspbian-bookworm",
        "pkg:deb/linuxmint/curl@1?distro=linuxmint-21",
        "pkg:deb/kali/curl@1?distro=kali-2024.1",
    ] {
        assert_eq!(package(purl), None, "{purl}");
    }
    // `mxyz` begins with the id of a derived distribution (`mx`), but is not one.
    let other = "pkg:deb/debian/curl@1?distro=mxyz-12&arch=source";
    assert_eq!(package(other), some("Debian:12", "curl", true));
}

#[test]
fn separate_red_hat_products_apply_to_rhel_7_hosts() {
    let also = |distro: &str| {
        let purl = format!("pkg:rpm/redhat/rh-ruby27-ruby@1?distro={distro}");
        package_of(&PackageUrl::parse_lenient(&purl).unwrap())
            .unwrap()
            .also
    };
    for ecosystem in [
        "Red Hat:rhel_software_collections:3::el7",
        "Red Hat:rhel_software_collections:3",
        "Red Hat:rhel_extras:7",
        "Red Hat:rhel_dotnet:6.0::el7",
    ] {
        assert!(also("rhel-7.9").iter().any(|own| own == ecosystem), "{ecosystem}");
        assert!(
            !also("rhel-8.9").iter().any(|own| own == ecosystem),
            "{ecosystem}"
        );
        assert!(crate::reach::is_met(ecosystem), "{ecosystem}");
    }
}

#[test]
fn every_product_that_a_release_can_install_applies() {
    for (distro, ecosystems) in [
        (
            "suse/x@1?distro=sles-15.1",
            &[
                "SUSE:Linux Enterprise Module for Legacy Software 15 SP1",
                "SUSE:Linux Enterprise Module for Open Buildservice Development Tools 15 SP1",
                "SUSE:Linux Enterprise Module for Package Hub 15 SP1",
                "SUSE:Linux Enterprise Module for Realtime packages 15 SP1",
                "SUSE:Linux Enterprise Module for SAP Applications 15 SP1",
                "SUSE:Real Time Module 15 SP1",
                "SUSE:Linux Enterprise Server Business Critical Linux 15 SP1",
                "SUSE:Enterprise Storage 6",
                "SUSE:Manager Server 4.0",
            ][..],
        ),
        (
            "suse/x@1?distro=sles-12.3",
            &[
                "SUSE:Linux Enterprise Module for Legacy Software 12",
                "SUSE:Linux Enterprise Module for Web Scripting 12",
                "SUSE:Linux Enterprise Server 12 SP3-LTSS-TERADATA",
                "SUSE:Linux Enterprise Server Teradata 12 SP3",
                "SUSE:Package Hub 12",
            ],
        ),
        (
            "suse/x@1?distro=sl-micro-6.0",
            &["SUSE:Linux Enterprise Micro 6.0", "SUSE:Linux Micro Extras 6.0"],
        ),
        (
            "suse/x@1?distro=sle-micro-5.4",
            &["SUSE:Linux Enterprise Micro for Rancher 5.4"],
        ),
        (
            "opensuse/x@1?distro=opensuse-leap-15.5",
            &["openSUSE:Leap 15.5 NonFree", "openSUSE:Backports SLE-15-SP5"],
        ),
        (
            "redhat/x@1?distro=rhel-7.9",
            &[
                "Red Hat:rhel_extras:7",
                "Red Hat:rhel_extras_oracle_java:7",
                "Red Hat:rhel_software_collections:3",
                "Red Hat:rhel_software_collections:3::el7",
            ],
        ),
    ] {
        let purl = PackageUrl::parse_lenient(&format!("pkg:rpm/{distro}")).unwrap();
        let also = package_of(&purl).unwrap().also;
        for ecosystem in ecosystems {
            assert!(
                also.iter().any(|other| other == ecosystem),
                "{distro}: {ecosystem}"
            );
        }
    }
}
