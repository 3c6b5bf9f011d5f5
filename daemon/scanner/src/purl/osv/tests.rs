mod foreign;
mod releases;
mod signed;

use super::*;

fn package(purl: &str) -> Option<(String, String, bool)> {
    let found = package_of(&PackageUrl::parse_lenient(purl).unwrap())?;
    Some((found.ecosystem.into_owned(), found.name, found.release_known))
}

fn some(ecosystem: &str, name: &str, known: bool) -> Option<(String, String, bool)> {
    Some((ecosystem.to_owned(), name.to_owned(), known))
}

#[test]
fn language_packages_map_to_their_registry() {
    assert_eq!(package("pkg:npm/%40hapi/hoek@1"), some("npm", "@hapi/hoek", true));
    assert_eq!(
        package("pkg:maven/org.apache/x@1"),
        some("Maven", "org.apache:x", true)
    );
    assert_eq!(
        package("pkg:golang/github.com/Azure/x@v5.1.0#v5"),
        some("Go", "github.com/azure/x/v5", true)
    );
    assert_eq!(
        package("pkg:golang/github.com/Azure/x#v5"),
        some("Go", "github.com/azure/x/v5", true)
    );
    assert_eq!(package("pkg:pypi/Foo_Bar@1"), some("PyPI", "foo-bar", true));
    assert_eq!(package("pkg:docker/alpine@3"), None);
    assert_eq!(package("pkg:deb/unknown/x@1"), None);
}

#[test]
fn distributions_are_matched_by_source_package() {
    assert_eq!(
        package("pkg:deb/debian/libssl3@3?upstream=openssl&distro=debian-12"),
        some("Debian:12", "openssl", true)
    );
    assert_eq!(
        package("pkg:apk/alpine/libcrypto3@3?upstream=openssl%403.1&distro=alpine-3.18"),
        some("Alpine:v3.18", "openssl", true)
    );
    assert_eq!(
        package("pkg:rpm/almalinux/openssl-libs@3?upstream=openssl-3.src.rpm&distro=almalinux-9"),
        some("AlmaLinux:9", "openssl-libs", true)
    );
}

#[test]
fn epochs_and_source_versions_are_found() {
    let version = |text| version_of(&PackageUrl::parse_lenient(text).unwrap());
    assert_eq!(
        version("pkg:rpm/almalinux/x@1-2.el9?epoch=3").as_deref(),
        Some("3:1-2.el9")
    );
    assert_eq!(
        version("pkg:rpm/almalinux/x@1-2.el9?epoch=(none)").as_deref(),
        Some("1-2.el9")
    );
    assert_eq!(
        version("pkg:deb/debian/gcc@4:12-1?upstream=gcc-defaults%401.203").as_deref(),
        Some("1.203")
    );
    assert_eq!(
        version("pkg:deb/debian/curl@7-1?upstream=curl").as_deref(),
        Some("7-1")
    );
    assert_eq!(version("pkg:npm/x"), None);
}

#[test]
fn package_maps_back_to_its_url() {
    let text = |ecosystem, name| purl_of(ecosystem, name).map(|purl| purl.to_string());
    assert_eq!(text("npm", "@hapi/hoek").as_deref(), Some("pkg:npm/%40hapi/hoek"));
    assert_eq!(text("Maven", "a.b:c").as_deref(), Some("pkg:maven/a.b/c"));
    assert_eq!(
        text("Debian:12", "curl").as_deref(),
        Some("pkg:deb/debian/curl?arch=source")
    );
    assert_eq!(text("Nowhere", "x"), None);
}

fn with_origin(purl: &str, origin: &Origin, stated: Option<&str>) -> (String, bool, Option<String>) {
    let purl = PackageUrl::parse_lenient(purl).unwrap();
    let found = package_from(&purl, Some(origin), None).unwrap();
    let version = version_from(&purl, Some(origin), stated);
    (found.name, found.name_known, version)
}

#[test]
fn source_beside_the_url_is_the_name_and_version() {
    let origin = Origin {
        source: Some("foo".into()),
        source_version: Some("1:1.2.3-1".into()),
        source_file: None,
        ..Origin::default()
    };
    for purl in [
        "pkg:deb/debian/libfoo2@1.2.3-1%2Bb1?distro=debian-12",
        "pkg:apk/alpine/foo-libs@1.2.3-r1?distro=3.18",
        "pkg:rpm/mageia/libfoo2@9-9?distro=mageia-9",
    ] {
        assert_eq!(
            with_origin(purl, &origin, None),
            ("foo".into(), true, Some("1:1.2.3-1".into())),
            "{purl}"
        );
    }
    // Their advisories name installed packages, and the URL has priority.
    assert_eq!(
        with_origin("pkg:rpm/redhat/foo-libs@9-9?distro=rhel-9", &origin, None),
        ("foo-libs".into(), true, Some("9-9".into()))
    );
    assert_eq!(
        with_origin(
            "pkg:deb/debian/x@2?distro=debian-12&upstream=bar%403",
            &origin,
            None
        ),
        ("bar".into(), true, Some("3".into()))
    );
}

#[test]
fn package_without_a_source_may_have_another_name() {
    let known = |purl: &str| {
        let purl = PackageUrl::parse_lenient(purl).unwrap();
        package_of(&purl).unwrap().name_known
    };
    for purl in [
        "pkg:deb/debian/libfoo2@1?distro=debian-12",
        "pkg:deb/ubuntu/libfoo2@1?distro=ubuntu-22.04",
        "pkg:apk/wolfi/libfoo2@1",
        "pkg:rpm/opensuse/libfoo2@1?distro=opensuse-leap-15.5",
        "pkg:rpm/redhat/libfoo2@1?distro=rhel-9",
        "pkg:github/owner/any",
    ] {
        assert!(!known(purl), "{purl}");
    }
    for purl in [
        "pkg:deb/debian/foo@1?distro=debian-12&arch=source",
        "pkg:deb/debian/foo@1?distro=debian-12&source=foo",
        "pkg:rpm/almalinux/foo@1?distro=almalinux-9",
        "pkg:deb/dhi/foo@1?distro=dhi-trixie",
        "pkg:npm/foo@1",
        "pkg:githubactions/owner/any",
    ] {
        assert!(known(purl), "{purl}");
    }
}

#[test]
fn epoch_is_read_from_every_place() {
    let version = |purl: &str, stated: &str| {
        let purl = PackageUrl::parse_lenient(purl).unwrap();
        version_from(&purl, None, Some(stated)).unwrap()
    };
    for (purl, stated, expected) in [
        ("pkg:rpm/redhat/a@2.3-4?epoch=1", "2.3-4", "1:2.3-4"),
        ("pkg:rpm/redhat/a@1%3A2.3-4", "2.3-4", "1:2.3-4"),
        ("pkg:rpm/redhat/a@2.3-4", "1:2.3-4", "1:2.3-4"),
        ("pkg:rpm/redhat/a@2.3", "1:2.3-4", "1:2.3-4"),
        ("pkg:deb/debian/a@2.3-4", "1:2.3-4", "1:2.3-4"),
        // Another version, no epoch, and a type without epochs.
        ("pkg:rpm/redhat/a@2.3-4", "1:2.4-4", "2.3-4"),
        ("pkg:rpm/redhat/a@2.3-4", "x:2.3-4", "2.3-4"),
        ("pkg:npm/a@2.3.4", "1:2.3.4", "2.3.4"),
    ] {
        assert_eq!(version(purl, stated), expected, "{purl} {stated}");
    }
    let origin = Origin {
        epoch: Some("3".into()),
        ..Origin::default()
    };
    assert_eq!(
        with_origin("pkg:rpm/redhat/a@2-4?distro=rhel-9", &origin, None)
            .2
            .as_deref(),
        Some("3:2-4")
    );
}

#[test]
fn go_toolchain_is_known_under_every_name() {
    for (purl, name, version) in [
        ("pkg:golang/std@go1.24.2", "stdlib", "1.24.2"),
        ("pkg:golang/std@1.24.2", "stdlib", "1.24.2"),
        ("pkg:golang/stdlib@go1.26.6-X:boringcrypto", "stdlib", "1.26.6"),
        ("pkg:golang/stdlib@1.26.6-X%3Anodwarf5", "stdlib", "1.26.6"),
        (
            "pkg:golang/stdlib@go1.22.5%20X:aliastypeparams",
            "stdlib",
            "1.22.5",
        ),
        (
            "pkg:golang/stdlib@1.22.5%20%28Red%20Hat%201.22.5-1.el9%29",
            "stdlib",
            "1.22.5",
        ),
        ("pkg:golang/toolchain@go1.22.1-bigcorp", "toolchain", "1.22.1"),
        ("pkg:golang/stdlib@go1.21rc2", "stdlib", "1.21.0-rc.2"),
        ("pkg:golang/stdlib@1.21.0-rc.3", "stdlib", "1.21.0-rc.3"),
        ("pkg:golang/stdlib@1.21.0-0", "stdlib", "1.21.0-0"),
        ("pkg:golang/stdlib@devel", "stdlib", "devel"),
        (
            "pkg:golang/golang.org/toolchain@v0.0.1-go1.24.2.linux-amd64",
            "toolchain",
            "1.24.2",
        ),
        (
            "pkg:golang/golang.org/toolchain@0.0.1-go1.21rc2.linux-amd64",
            "toolchain",
            "1.21.0-rc.2",
        ),
        ("pkg:golang/github.com/golang/go@go1.24.2", "stdlib", "1.24.2"),
        (
            "pkg:golang/example.com/std@v1.0.0-x",
            "example.com/std",
            "v1.0.0-x",
        ),
    ] {
        let read = PackageUrl::parse_lenient(purl).unwrap();
        assert_eq!(package_of(&read).unwrap().name, name, "{purl}");
        assert_eq!(version_of(&read).as_deref(), Some(version), "{purl}");
    }
}

#[test]
fn repositories_are_distinguished_by_the_url() {
    let from = |purl: &str, ecosystem: &str| {
        let purl = PackageUrl::parse_lenient(purl).unwrap();
        package_of(&purl).unwrap().is_from(ecosystem)
    };
    let drupal = "Packagist:https://packages.drupal.org/8";
    assert!(from("pkg:composer/drupal/token@1", drupal));
    for address in [
        "https://packages.drupal.org/8",
        "http://Packages.Drupal.org/8/",
        "packages.drupal.org/8",
    ] {
        let purl = format!("pkg:composer/drupal/token@1?repository_url={address}");
        assert!(from(&purl, drupal), "{address}");
    }
    assert!(!from(
        "pkg:composer/drupal/token@1?repository_url=https://packages.drupal.org/7",
        drupal
    ));
    assert!(!from("pkg:composer/drupal/token@1", "Packagist"));
    let back = purl_of(drupal, "drupal/token").unwrap();
    assert_eq!(
        back.to_string(),
        "pkg:composer/drupal/token?repository_url=https:%2F%2Fpackages.drupal.org%2F8"
    );
}

#[test]
fn name_outside_the_registrys_form_is_unknown() {
    let of = |purl: &str| package_of(&PackageUrl::parse_lenient(purl).unwrap()).unwrap();
    for purl in [
        "pkg:pypi/org/foo@1",
        "pkg:maven/foo@1",
        "pkg:composer/foo@1",
        "pkg:conan/user/foo@1?channel=stable",
        "pkg:hex/org/foo@1",
        "pkg:nuget/org/foo@1",
        "pkg:npm/%2540acme/foo@1",
        "pkg:npm/npm:foo@1",
        "pkg:npm/./foo@1",
        "pkg:npm/../foo@1",
        "pkg:npm/.foo@1",
        "pkg:composer/./foo@1",
        "pkg:golang/github.com/acme/../foo@1",
        "pkg:npm/foo@1.5.0@2",
        "pkg:npm/foo%E2%80%8B@1",
        "pkg:maven/org.acme/foo:jar@1",
        "pkg:maven/org/acme/foo@1",
        "pkg:golang/app@1",
        "pkg:golang/net/http@v2.0.0",
        "pkg:golang/https:/github.com/acme/foo@1",
        "pkg:julia/Foo.jl@1",
        "pkg:swift/acme/foo@1",
        "pkg:pypi/foo%20bar@1",
    ] {
        assert!(!of(purl).name_known, "{purl}");
    }
    for (purl, name) in [
        ("pkg:maven/org.acme/foo@1", "org.acme:foo"),
        ("pkg:maven/org.acme:foo@1", "org.acme:foo"),
        ("pkg:npm/scope/foo@1", "@scope/foo"),
        ("pkg:npm/%40scope/foo@1", "@scope/foo"),
        ("pkg:golang/stdlib@1", "stdlib"),
        ("pkg:golang/crypto/tls@1.19.13", "stdlib"),
        ("pkg:golang/io@go1.19.13", "stdlib"),
        ("pkg:golang/vendor/golang.org/x/net/http2/hpack@1.19.13", "stdlib"),
        ("pkg:golang/cmd/go@1.19.13", "toolchain"),
        ("pkg:golang/github.com/!azure/foo@1", "github.com/azure/foo"),
        ("pkg:golang/gopkg.in/yaml.v3@1", "gopkg.in/yaml.v3"),
        ("pkg:pypi/Foo[extra]@1", "foo"),
        ("pkg:pypi/foo%5Ba%2Cb%5D@1", "foo"),
        ("pkg:nuget/Foo.Bar@1", "foo.bar"),
        ("pkg:opam/conf-g++@1", "conf-g++"),
        ("pkg:brew/openssl%403@1", "openssl@3"),
        ("pkg:deb/debian/foo:amd64@1?upstream=foo", "foo"),
    ] {
        let package = of(purl);
        assert!(package.name_known && package.name == name, "{purl}: {package:?}");
    }
}

#[test]
fn packages_of_gos_library_have_its_releases() {
    let of = |text: &str| version_of(&PackageUrl::parse_lenient(text).unwrap());
    assert_eq!(
        of("pkg:golang/crypto/tls@go1.21rc2").as_deref(),
        Some("1.21.0-rc.2")
    );
    assert_eq!(
        of("pkg:golang/crypto.example/tls@go1.21rc2").as_deref(),
        Some("go1.21rc2")
    );
}

#[test]
fn two_different_sources_leave_the_name_unknown() {
    let of = |qualifiers: &str| {
        let purl = format!("pkg:deb/debian/libfoo1@1.2-1?distro=debian-12&{qualifiers}");
        let package = package_of(&PackageUrl::parse_lenient(&purl).unwrap()).unwrap();
        (package.name, package.name_known)
    };
    assert_eq!(of("upstream=foo&source=bar"), ("libfoo1".to_owned(), false));
    assert_eq!(of("upstream=foo%401.2-1&source=foo"), ("foo".to_owned(), true));
    assert_eq!(of("source=foo"), ("foo".to_owned(), true));
}

#[test]
fn source_is_read_as_dpkg_writes_it_or_unknown() {
    let of = |upstream: &str| {
        let text = format!("pkg:deb/debian/libfoo2@3?distro=debian-12&upstream={upstream}");
        let purl = PackageUrl::parse_lenient(&text).unwrap();
        let package = package_of(&purl).unwrap();
        (package.name, package.name_known, version_of(&purl).unwrap())
    };
    let known = |name: &str, version: &str| (name.to_owned(), true, version.to_owned());
    assert_eq!(of("foo%20(1.2-1)"), known("foo", "1.2-1"));
    assert_eq!(of("foo%401.2-1"), known("foo", "1.2-1"));
    assert_eq!(of("foo"), known("foo", "3"));
    for unreadable in ["foo%2C%20bar", "foo%3Dbar", "foo%2Fbar"] {
        assert!(!of(unreadable).1, "{unreadable}");
    }
}

#[test]
fn debian_package_may_have_its_architecture_in_the_name() {
    assert_eq!(
        package("pkg:deb/debian/libfoo2:amd64@1?distro=debian-12"),
        some("Debian:12", "libfoo2", true)
    );
    assert_eq!(
        package("pkg:rpm/redhat/foo-libs.x86_64@1?distro=rhel-9"),
        some("Red Hat:enterprise_linux:9", "foo-libs", true)
    );
}

#[test]
fn hardened_images_have_two_names() {
    let of = |purl: &str| package_of(&PackageUrl::parse_lenient(purl).unwrap()).unwrap();
    let alpine = of("pkg:apk/dhi/curl@1?distro=dhi-3.24");
    let debian = of("pkg:deb/dhi/curl@1?distro=dhi-13");
    for (package, name) in [
        (&alpine, "DHI:Alpine:3.24"),
        (&alpine, "DHI"),
        (&debian, "DHI:Debian:trixie"),
        (&debian, "DHI:Debian:13"),
    ] {
        assert!(
            package.also.iter().any(|also| also == name),
            "{name}: {:?}",
            package.also
        );
    }
    assert!(alpine.is_known_by("DHI:Alpine:3.24") && !alpine.is_known_by("DHI:Alpine:3.23"));
    assert_eq!(
        purl_of("DHI:Alpine:3.24", "curl").unwrap().namespace(),
        Some("dhi")
    );
}

#[test]
fn package_of_fedora_and_rocky_has_its_source_beside_it() {
    let of = |text: &str| {
        let package = package_of(&PackageUrl::parse_lenient(text).unwrap()).unwrap();
        let source = package
            .source
            .map(|source| (source.name, source.version, source.epoch_known));
        (package.name, package.name_known, source)
    };
    let source = |version: Option<&str>, is_known| Some(("b".into(), version.map(str::to_owned), is_known));
    for (purl, known, expected) in [
        (
            "pkg:rpm/fedora/a@1:2-3?distro=fedora-40&upstream=b-2-3.src.rpm",
            true,
            source(None, true),
        ),
        (
            "pkg:rpm/rocky/a@2-3?distro=rocky-9.1&upstream=b-4-5.src.rpm",
            true,
            source(Some("4-5"), false),
        ),
        (
            "pkg:rpm/rocky/a@2-3?distro=rocky-9.1&upstream=b",
            true,
            source(None, true),
        ),
        (
            "pkg:rpm/rocky/a@2-3?distro=rocky-9.1&upstream=a-2-3.src.rpm",
            true,
            None,
        ),
        ("pkg:rpm/rocky/a@2-3?distro=rocky-9.1", false, None),
        (
            "pkg:rpm/amzn/a@2-3?distro=amzn-2023&upstream=b-4-5.src.rpm",
            true,
            None,
        ),
        // Errata of AlmaLinux leave out some packages of a source, but name no source.
        (
            "pkg:rpm/almalinux/a@2-3?distro=almalinux-9.1&upstream=b-4-5.src.rpm",
            true,
            source(Some("4-5"), false),
        ),
        ("pkg:rpm/almalinux/a@2-3?distro=almalinux-9.1", true, None),
    ] {
        assert_eq!(of(purl), ("a".to_owned(), known, expected), "{purl}");
    }
}

#[test]
fn action_in_a_folder_has_the_repository_and_its_path_as_names() {
    for purl in [
        "pkg:githubactions/acme/tools/Lint/fix@v4",
        "pkg:github/acme/tools@v4#lint/fix",
    ] {
        let package = package_of(&PackageUrl::parse_lenient(purl).unwrap()).unwrap();
        let names: Vec<&str> = package.own_names().collect();
        assert_eq!(names, ["acme/tools", "acme/tools/lint/fix"], "{purl}");
    }
    let whole = package_of(&PackageUrl::parse_lenient("pkg:githubactions/acme/tools@v4").unwrap()).unwrap();
    assert_eq!(whole.own_names().collect::<Vec<_>>(), ["acme/tools"]);
}
