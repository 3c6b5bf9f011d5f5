//! Packages whose source adds signatures to what another source built, and Ubuntu's builds for some systems.

use super::*;

#[test]
fn signed_kernel_is_judged_by_the_source_of_the_kernel() {
    let no_origin = Origin::default();
    for (purl, name, version) in [
        (
            "pkg:deb/debian/linux-image-6.1.0-13-amd64@6.1.55-1?distro=debian-12&upstream=linux-signed-amd64%406.1.55%2B1",
            "linux",
            "6.1.55-1",
        ),
        (
            "pkg:deb/debian/linux-image-5.10.0-0-arm64@5.10.209-2~deb10u1?distro=debian-10&upstream=linux-signed-5.10-arm64%285.10.209%2B2%29",
            "linux-5.10",
            "5.10.209-2~deb10u1",
        ),
        (
            "pkg:deb/ubuntu/linux-image-5.15.0-91-generic@5.15.0-91.101?distro=ubuntu-22.04&upstream=linux-signed",
            "linux",
            "5.15.0-91.101",
        ),
        (
            "pkg:deb/ubuntu/linux-image-6.2.0-1-aws@6.2.0-1.1?distro=ubuntu-22.04&upstream=linux-signed-aws-6.2",
            "linux-aws-6.2",
            "6.2.0-1.1",
        ),
        (
            "pkg:rpm/azurelinux/kernel@6.6.35.1-1.azl3?distro=azurelinux-3.0&upstream=kernel-signed-x64-6.6.35.1-1.azl3.src.rpm",
            "kernel",
            "6.6.35.1-1.azl3",
        ),
        (
            "pkg:deb/ubuntu/grub-efi-amd64-signed@1.187.6%2B2.06-2ubuntu14.4?distro=ubuntu-22.04&upstream=grub2-signed%401.187.6",
            "grub2-signed",
            "1.187.6",
        ),
    ] {
        let found = with_origin(purl, &no_origin, None);
        assert_eq!(
            (found.0.as_str(), found.2.as_deref()),
            (name, Some(version)),
            "{purl}"
        );
        assert_eq!(found.1, !name.ends_with("-signed"), "{purl}");
    }
    let beside = Origin {
        source: Some("linux-signed-amd64".into()),
        source_version: Some("6.1.55+1".into()),
        source_file: None,
        ..Origin::default()
    };
    let image = "pkg:deb/debian/linux-image-6.1.0-13-amd64@6.1.55-1?distro=debian-12";
    assert_eq!(
        with_origin(image, &beside, None),
        ("linux".into(), true, Some("6.1.55-1".into()))
    );
}

#[test]
fn build_of_ubuntu_for_some_systems_is_found_by_its_name() {
    let also = |name: &str, source: &str| {
        let purl = format!("pkg:deb/ubuntu/{name}@1?distro=ubuntu-20.04&upstream={source}");
        package_of(&PackageUrl::parse_lenient(&purl).unwrap())
            .unwrap()
            .also
    };
    let certified = "Ubuntu:Pro:FIPS-updates:20.04:LTS".to_owned();
    assert!(also("linux-image-5.4.0-1-fips", "linux-signed-fips").contains(&certified));
    assert!(!also("libssl1.1", "openssl").contains(&certified));
    for certified in ["Ubuntu:Pro:FIPS:20.04:LTS", "Ubuntu:Pro:FIPS-preview:20.04:LTS"] {
        assert!(also("linux-image-5.4.0-1-fips", "linux-fips").contains(&certified.to_owned()));
    }
    let unit = "Ubuntu:20.04:LTS:for:NVIDIA:BlueField".to_owned();
    assert!(also("linux-image-5.4.0-1-bluefield", "linux-bluefield").contains(&unit));
}

#[test]
fn source_of_another_version_in_a_url_is_compared_by_its_own() {
    let version = |text: &str| version_of(&PackageUrl::parse_lenient(text).unwrap());
    for host in ["azurelinux", "mageia", "openeuler", "photon"] {
        let purl = format!("pkg:rpm/{host}/python3-setuptools@69.0.3-9?distro={host}-5.0&epoch=1&upstream=");
        assert_eq!(
            version(&format!("{purl}python3-3.12.3-9.src.rpm")).as_deref(),
            Some("3.12.3-9"),
            "{host}"
        );
        assert_eq!(
            version(&format!("{purl}python3-setuptools-69.0.3-9.src.rpm")).as_deref(),
            Some("1:69.0.3-9"),
            "{host}"
        );
    }
    let of_either = "pkg:rpm/rocky/a@2-3?distro=rocky-9.1&upstream=b-4-5.src.rpm";
    assert_eq!(version(of_either).as_deref(), Some("2-3"));
}
