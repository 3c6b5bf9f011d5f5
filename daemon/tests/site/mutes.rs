//! Checks of a mute before it is signed.

use starling_api_types::{ErrorCode, MuteAdd, MuteAdded, MuteListQuery, Problem};

use crate::bench::{Bench, Site, advisory, code};

/// The other fields of a mute, besides its vulnerability.
type Change = Box<dyn Fn(&mut MuteAdd)>;

fn add(
    site: &Site<'_>,
    vulnerability: &str,
    change: impl FnOnce(&mut MuteAdd),
) -> Result<MuteAdded, Problem> {
    let mut add = MuteAdd {
        vulnerability: vulnerability.to_owned(),
        forever: true,
        reason: "a test".to_owned(),
        ..MuteAdd::default()
    };
    change(&mut add);
    site.wait(site.service.add_mute(add))
}

fn site(bench: &Bench) -> Site<'_> {
    let site = bench.site("site-a");
    let records = [
        advisory("CVE-2024-1", "express", "4.18.0"),
        advisory("CVE-2024-2", "lodash", "4.18.0"),
    ];
    site.feed("mine", &records);
    site
}

#[test]
fn mute_that_can_never_match_is_refused() {
    let bench = Bench::new();
    let site = site(&bench);
    let before = site.status().knowledge_root;
    let refused: [(&str, Change, &str); 6] = [
        ("CVE-2024-*", Box::new(|_| {}), "is not the id of a vulnerability"),
        (
            "CVE-2024-1",
            Box::new(|add| add.package = Some("pkg:npm".to_owned())),
            "cannot read \"pkg:npm\"",
        ),
        (
            "CVE-2024-1",
            Box::new(|add| add.package = Some(String::new())),
            "package is empty",
        ),
        (
            "CVE-2024-1",
            Box::new(|add| add.sbom = Some("blake3:00".to_owned())),
            "is not the hash of an SBOM",
        ),
        (
            "CVE-2024-1",
            Box::new(|add| add.sbom = Some(format!("blake3:{}", "AB".repeat(32)))),
            "is not the hash of an SBOM",
        ),
        (
            "CVE-2024-1",
            Box::new(|add| {
                add.forever = false;
                add.until = Some("2001-01-01T00:00:00.000Z".parse().unwrap());
            }),
            "has passed",
        ),
    ];
    for (id, change, said) in refused {
        let problem = add(&site, id, change).unwrap_err();
        assert_eq!(problem.code, ErrorCode::BadRequest);
        assert!(problem.detail.contains(said), "{problem}");
    }
    assert_eq!(site.status().knowledge_root, before);
}

#[test]
fn mute_uses_the_spelling_of_findings() {
    let bench = Bench::new();
    let site = site(&bench);
    let added = add(&site, "cve-2024-1", |_| {}).unwrap();
    assert_eq!(added.mute.vulnerability, "CVE-2024-1");
    assert_eq!(added.warnings, Vec::<String>::new());
    let list = |id: &str| {
        let query = MuteListQuery {
            vulnerability: Some(id.to_owned()),
            removed: false,
        };
        site.wait(site.service.mutes(query))
    };
    for id in ["CVE-2024-1", "cve-2024-1", " CVE-2024-1 "] {
        assert_eq!(list(id).unwrap().mutes.len(), 1, "{id}");
    }
    assert_eq!(list("CVE-2024-2").unwrap().mutes, []);
    for id in ["CVE-2024-*", "", "no id"] {
        assert_eq!(code(list(id)), ErrorCode::BadRequest, "{id:?}");
    }
}

#[test]
fn mute_without_current_match_warns() {
    let bench = Bench::new();
    let site = site(&bench);
    let warned = |id: &str, change: &dyn Fn(&mut MuteAdd)| add(&site, id, change).unwrap().warnings;
    let unknown = warned("CVE-2024-9", &|_| {});
    assert!(unknown[0].contains("does not know CVE-2024-9"), "{unknown:?}");
    for package in [
        "pkg:npm/express",
        "pkg:npm/express@4.17.0",
        "express",
        "exp*",
        "pkg:npm/*",
    ] {
        let silent = warned("CVE-2024-1", &|add| add.package = Some(package.to_owned()));
        assert_eq!(silent, Vec::<String>::new(), "{package}");
    }
    for package in ["pkg:npm/lodash", "pkg:pypi/express", "pkg:docker/express", "lod*"] {
        let told = warned("CVE-2024-1", &|add| add.package = Some(package.to_owned()));
        assert!(told[0].contains("concerns npm/express"), "{package}: {told:?}");
    }
    let told = warned("CVE-2024-1", &|add| add.ecosystem = Some("PyPI".to_owned()));
    assert!(told[0].contains("concerns npm/express"), "{told:?}");
    assert_eq!(
        warned("CVE-2024-1", &|add| add.ecosystem = Some("np?".to_owned())),
        Vec::<String>::new()
    );
}
