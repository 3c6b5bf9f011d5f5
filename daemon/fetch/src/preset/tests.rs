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
