//! Names of platforms in configurations: which systems they rule out, and which they do not.

use super::*;

#[test]
fn platforms_are_assumed_unless_the_system_is_another() {
    let with = |platforms: &[&str]| {
        let platforms: Vec<_> = platforms
            .iter()
            .map(|name| json!({"vulnerable": false, "criteria": name}))
            .collect();
        record(&json!([{"operator": "AND", "nodes": [
            {"operator": "OR", "cpeMatch": [{"vulnerable": true, "criteria": "cpe:2.3:a:acme:rocket:*"}]},
            {"operator": "OR", "cpeMatch": platforms}]}]))
    };
    let name = "cpe:2.3:a:acme:rocket:1";
    let windows = "cpe:2.3:o:microsoft:windows:-";
    let (linux, debian) = (
        "cpe:2.3:o:linux:linux_kernel:-",
        "cpe:2.3:o:debian:debian_linux:9.0",
    );
    for (platforms, distro, expected) in [
        (&[windows][..], None, 'a'),
        (&[windows], Some("debian-12"), 'n'),
        (&[windows], Some("plan9-4"), 'a'),
        (&[windows, linux], Some("debian-12"), 'a'),
        (&[debian], Some("debian-12"), 'a'),
        (&[debian], Some("alpine-3.19"), 'n'),
        (&["cpe:2.3:h:acme:box:-"], Some("debian-12"), 'a'),
        (&["cpe:2.3:a:php:php:*"], Some("debian-12"), 'a'),
        (
            &["cpe:2.3:o:apple:mac_os_x:*", windows],
            Some("ubuntu-22.04"),
            'n',
        ),
        (&["cpe:2.3:o:redhat:enterprise_linux:8.0"], Some("rocky-8"), 'a'),
    ] {
        let verdict = verdict(&with(platforms), name, distro);
        assert_eq!(word(&verdict), expected, "{platforms:?} {distro:?}");
        if let CpeVerdict::Affected(rules) = verdict {
            assert_eq!(rules[0].running_on.len(), 1);
        }
    }
}

#[test]
fn platform_that_is_negated_or_unreadable_rules_no_system_out() {
    let platforms = |other: &str| {
        let body = format!(
            r#"{{"database_specific":{{"native":{{"configurations":[{{"operator":"AND","nodes":[
                {{"operator":"OR","cpeMatch":[{{"vulnerable":true,"criteria":"cpe:2.3:a:acme:rocket:*:*:*:*:*:*:*:*"}}]}},
                {other}]}}]}}}}}}"#
        );
        let found = super::configurations(body.as_bytes()).about("a:acme:rocket");
        found
            .into_iter()
            .flat_map(|one| one.platforms)
            .collect::<Vec<_>>()
    };
    let windows = r#"{"criteria":"cpe:2.3:o:microsoft:windows:-:*:*:*:*:*:*:*"}"#;
    let plain = platforms(&format!(r#"{{"operator":"OR","cpeMatch":[{windows}]}}"#));
    assert_eq!(plain[0].others, 0);
    let negated = platforms(&format!(
        r#"{{"operator":"OR","negate":true,"cpeMatch":[{windows}]}}"#
    ));
    assert_eq!((negated[0].names.len(), negated[0].others), (0, 1));
    let unreadable = platforms(&format!(
        r#"{{"operator":"OR","cpeMatch":[{windows},{{"criteria":"cpe:2.3:o:linux:linux_kernel:5.*.1"}}]}}"#
    ));
    assert_eq!((unreadable[0].names.len(), unreadable[0].others), (1, 1));
    let long = "x".repeat(5_000);
    let too_long = platforms(&format!(
        r#"{{"operator":"OR","cpeMatch":[{{"criteria":"cpe:2.3:o:acme:{long}:-:*:*:*:*:*:*:*"}}]}}"#
    ));
    assert_eq!((too_long[0].names.len(), too_long[0].others), (0, 1));
}

#[test]
fn platforms_beyond_the_most_are_counted_and_rule_no_system_out() {
    let platform = |n: usize| {
        format!(
            r#"{{"operator":"OR","cpeMatch":[{{"vulnerable":false,"criteria":"cpe:2.3:h:acme:box{n}:-:*:*:*:*:*:*:*"}}]}}"#
        )
    };
    let with = |count: usize| {
        let platforms: Vec<_> = (0..count).map(platform).collect();
        let body = format!(
            r#"{{"database_specific":{{"native":{{"configurations":[{{"operator":"AND","nodes":[{{"operator":"OR","cpeMatch":[
                {{"vulnerable":true,"criteria":"cpe:2.3:a:acme:rocket:1.0:*:*:*:*:*:*:*"}}]}},{}]}}]}}}}}}"#,
            platforms.join(",")
        );
        let (_, subject) = CpeSubject::new(cpe("cpe:2.3:a:acme:rocket:1.0:*:*:*:*:*:*:*"), None).unwrap();
        let statements = super::configurations(body.as_bytes()).about("a:acme:rocket");
        match judge(&statements, &subject, OperatingSystem::of_distro("debian-12")) {
            CpeVerdict::Affected(rules) => rules[0].running_on.clone(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(with(MAX_PLATFORMS).len(), MAX_PLATFORMS);
    assert!(with(MAX_PLATFORMS).iter().all(|name| name.contains("box")));
    let cut = with(MAX_PLATFORMS + 6);
    assert_eq!(cut.len(), MAX_PLATFORMS);
    assert_eq!(cut.last().unwrap(), "7 more platforms that are not named here");
}

#[test]
fn only_false_calls_a_name_a_platform() {
    let is_named = |vulnerable: &str| {
        let body = format!(
            r#"{{"database_specific":{{"native":{{"configurations":[{{"nodes":[{{"cpeMatch":[
                {{{vulnerable}"criteria":"cpe:2.3:a:acme:rocket:1.0:*:*:*:*:*:*:*"}}]}}]}}]}}}}}}"#
        );
        !super::products(body.as_bytes()).0.is_empty()
    };
    for affected in [
        "",
        r#""vulnerable":true,"#,
        r#""vulnerable":null,"#,
        r#""vulnerable":1,"#,
    ] {
        assert!(is_named(affected), "{affected}");
    }
    for platform in [r#""vulnerable":false,"#, r#""vulnerable":"False","#] {
        assert!(!is_named(platform), "{platform}");
    }
}
