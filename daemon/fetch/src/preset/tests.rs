use super::*;
use crate::plan::{Plan, Step};

fn plan(name: &str, address: Option<&str>, parameter: Option<&str>) -> Result<Plan, PlanError> {
    preset(name).expect("a preset").plan(address, parameter)
}

#[test]
fn presets_are_sorted_and_each_names_a_kind() {
    let names: Vec<&str> = presets().iter().map(|preset| preset.name).collect();
    let mut sorted = names.clone();
    sorted.sort_unstable();
    sorted.dedup();
    assert_eq!(names, sorted);
    for preset in presets() {
        let kind: Result<starling_feeds::connectors::Kind, _> = preset.kind.parse();
        assert!(kind.is_ok(), "{}", preset.name);
        assert!(
            !preset.schedule.is_empty() && !preset.licence.is_empty(),
            "{}",
            preset.name
        );
    }
}

#[test]
fn every_open_preset_makes_a_plan_and_takes_a_mirror() {
    for preset in presets() {
        match preset.access {
            Access::Open | Access::KeyHelps | Access::KeyNeeded => {
                let own = preset.plan(None, None).expect(preset.name);
                assert!(own.uses_https(), "{}", preset.name);
                let mirror = preset
                    .plan(Some("https://mirror.example/feeds/"), None)
                    .expect(preset.name);
                for address in mirror.own_addresses() {
                    assert_eq!(
                        address.host(),
                        Some("mirror.example"),
                        "{}: {address}",
                        preset.name
                    );
                }
                assert_ne!(own.fingerprint(), mirror.fingerprint(), "{}", preset.name);
            }
            Access::AddressNeeded | Access::LocalOnly => {
                let error = preset.plan(None, None).expect_err(preset.name);
                assert!(matches!(error, PlanError::AddressNeeded { .. }), "{error}");
            }
        }
    }
}

#[test]
fn source_behind_a_login_takes_a_folder_only() {
    for name in ["cnnvd", "cnvd"] {
        let error = plan(name, Some("https://mirror.example/x"), None).expect_err(name);
        assert!(error.to_string().contains("logged in"), "{error}");
        let local = plan(name, Some("/media/usb/cn"), None).expect(name);
        assert!(matches!(local.steps[0], Step::Folder(_)));
    }
}

#[test]
fn parameter_that_is_not_understood_is_refused() {
    for (name, parameter) in [
        ("kev", "x"),
        ("osv", "Alpine:v3.17"),
        ("osv", "../../etc"),
        ("redhat", "oval"),
        ("amazon", "1"),
        ("ghsa-api", "all"),
    ] {
        let error = plan(name, None, Some(parameter)).expect_err(name);
        assert!(matches!(error, PlanError::Parameter { .. }), "{error}");
    }
}

#[test]
fn parameter_changes_the_plans_fingerprint() {
    for (name, parameter) in [
        ("ghsa-api", "malware"),
        ("fedora", "F43"),
        ("osv", "npm"),
        ("redhat", "advisories"),
    ] {
        let one = plan(name, None, None).expect(name).fingerprint();
        let other = plan(name, None, Some(parameter)).expect(name).fingerprint();
        assert_ne!(one, other, "{name}");
    }
}

#[test]
fn mirror_may_be_the_file_itself() {
    let file = plan(
        "kev",
        Some("/media/usb/known_exploited_vulnerabilities.json"),
        None,
    )
    .expect("a plan");
    let folder = plan("kev", Some("/media/usb"), None).expect("a plan");
    let first = |plan: &Plan| match &plan.steps[0] {
        Step::Document(step) => step.address.to_string(),
        other => panic!("{other:?}"),
    };
    assert_eq!(first(&file), first(&folder));
}

/// An address with another file name was treated as a folder: the name of the document was appended.
#[test]
fn file_of_a_mirror_may_have_another_name() {
    for (name, address) in [
        ("kev", "https://mirror.example/cisa/kev.json"),
        ("kev", "/media/usb/kev.JSON"),
        ("epss", "https://mirror.example/epss.csv.gz"),
        ("pypa", "https://mirror.example/advisory-database-main.tar.gz"),
        ("debian", "https://security-tracker.debian.org/tracker/data/json"),
        ("debian", "https://mirror.example/debian.json"),
    ] {
        let plan = plan(name, Some(address), None).expect(address);
        match &plan.steps[0] {
            Step::Document(step) => assert_eq!(step.address.to_string(), address),
            other => panic!("{other:?}"),
        }
    }
    let plan = plan("kev", Some("https://mirror.example/cisa/"), None).expect("a plan");
    let Step::Document(step) = &plan.steps[0] else {
        panic!("{plan:?}")
    };
    assert!(
        step.address
            .to_string()
            .ends_with("/cisa/known_exploited_vulnerabilities.json")
    );
}

#[test]
fn file_that_cannot_be_meant_is_refused() {
    for (name, address, word) in [
        ("osv", "https://mirror.example/all.zip", "several documents"),
        (
            "nvd-feeds",
            "/media/usb/nvdcve-2.0-2024.json.gz",
            "several documents",
        ),
        ("cve", "https://mirror.example/main.tar.gz", "several documents"),
        ("epss", "https://mirror.example/epss.csv", ".gz"),
        ("kev", "https://mirror.example/kev.csv", ".json"),
    ] {
        let error = plan(name, Some(address), None).expect_err(address).to_string();
        assert!(error.contains(word) && error.contains(address), "{error}");
    }
}

#[test]
fn preset_is_found_by_the_name_of_its_file() {
    let found = |address| preset_of_file(address).map(|preset| preset.name);
    assert_eq!(
        found("http://127.0.0.1:8080/x/known_exploited_vulnerabilities.json?y=/z"),
        Some("kev")
    );
    assert_eq!(found("/media/usb/vulxml.zip"), Some("bdu"));
    for address in [
        "https://example.org/security.json",
        "https://example.org/main.tar.gz",
        "https://example.org/data/json",
        "https://example.org/",
        "x",
    ] {
        assert_eq!(found(address), None, "{address}");
    }
}

#[test]
fn documentation_lists_every_preset() {
    let page = include_str!("../../../../docs/sources/README.md");
    for preset in presets() {
        let row = format!("| `{}` | `{}` | {} |", preset.name, preset.kind, preset.schedule);
        assert!(page.contains(&row), "docs/sources/README.md lacks {row}");
    }
}

#[test]
fn mirror_whose_question_would_be_dropped_is_refused() {
    for name in ["osv", "alpine", "nvd", "kev", "redhat"] {
        let preset = preset(name).expect("a preset");
        let error = preset
            .plan(Some("https://mirror.example/x?token=s3cret"), None)
            .expect_err("refused");
        let text = error.to_string();
        assert!(
            text.contains("would not be sent") && !text.contains("s3cret"),
            "{text}"
        );
    }
    let kev = preset("kev").expect("a preset");
    let whole = "https://mirror.example/known_exploited_vulnerabilities.json?token=1";
    assert!(kev.plan(Some(whole), None).is_ok(), "the file itself");
}
