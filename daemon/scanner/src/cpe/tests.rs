//! Names, configurations and their comparison.

mod platforms;

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn cpe(text: &str) -> Cpe {
    Cpe::parse(text).unwrap()
}

#[test]
fn both_forms_of_a_name_are_equal() {
    for (uri, formatted) in [
        (
            "cpe:/a:acme:rocket:1.0:beta1",
            "cpe:2.3:a:acme:rocket:1.0:beta1:*:*:*:*:*:*",
        ),
        (
            "CPE:/a:acme:rocket:1.0.1u:::",
            "cpe:2.3:a:acme:rocket:1.0.1u:*:*:*:*:*:*:*",
        ),
        ("cpe:/a:acme:rocket:-", "cpe:2.3:a:acme:rocket:-:*:*:*:*:*:*:*"),
        (
            "cpe:/a:acme:rocket%2blauncher",
            r"cpe:2.3:a:acme:rocket\+launcher:*:*:*:*:*:*:*:*",
        ),
        (
            "cpe:/a:acme:rocket:1.%02",
            "cpe:2.3:a:acme:rocket:1.*:*:*:*:*:*:*:*",
        ),
        (
            "cpe:/a:acme:rocket:1.%01%01",
            "cpe:2.3:a:acme:rocket:1.??:*:*:*:*:*:*:*",
        ),
        (
            "cpe:/a:acme:rocket:1.0::~~pro~windows~x64~",
            "cpe:2.3:a:acme:rocket:1.0:*:*:*:pro:windows:x64:*",
        ),
        (
            "cpe:/o:acme:os:8::appstream",
            "cpe:2.3:o:acme:os:8:*:appstream:*:*:*:*:*",
        ),
        ("cpe:/h:acme:box", "cpe:2.3:h:acme:box"),
        ("cpe:/a:Acme:Rocket", "CPE:2.3:A:ACME:ROCKET:*:*:*:*:*:*:*:*"),
    ] {
        assert_eq!(cpe(uri), cpe(formatted), "{uri}");
        assert_eq!(cpe(&cpe(uri).to_string()), cpe(uri));
    }
    // Punctuation without its backslash, and a colon at the end, as real documents have them.
    assert_eq!(
        cpe("cpe:2.3:a:acme:rocket+x:1.0+7:*:*:*:*:*:*:"),
        cpe(r"cpe:2.3:a:acme:rocket\+x:1.0\+7:*:*:*:*:*:*:*")
    );
    assert_eq!(
        cpe(r"cpe:2.3:a:a\:b:c\\d:*").product_name().as_deref(),
        Some(r"a:a\:b:c\\d")
    );
}

#[test]
fn texts_that_are_not_names_are_refused() {
    for text in [
        "",
        "cpe",
        "cpe:2.2:a:b:c",
        "pkg:npm/a@1",
        "cpe:2.3:x:a:b",
        "cpe:2.3:a:b:c*d:1",
        "cpe:2.3:a:b:c:1:2:3:4:5:6:7:8:9",
        "cpe:2.3:a:b:c\\",
        "cpe:/a:b:%zz",
        "cpe:/a:b:%f",
        "cpe:/a:b:%ff",
        "cpe:/a:b:c:1:2:3:4:5",
        "cpe:/a:b:c:1:2:~a~b~c~d~e~f",
        "cpe:2.3:a:b:c\u{0}:1",
        "cpe:2.3:a:b:?*:1",
    ] {
        assert!(Cpe::parse(text).is_err(), "{text:?}");
    }
    let long = format!("cpe:2.3:a:b:{}", "c".repeat(MAX_CPE_BYTES));
    assert!(matches!(Cpe::parse(&long), Err(CpeError::TooLong { .. })));
    // It is a name, but nothing can be looked up by it.
    for vague in [
        "cpe:2.3:a:*:c",
        "cpe:2.3:*:*:*:*:*:*:*:*:*:*:*",
        "cpe:2.3:a:b:-",
        "cpe:2.3:a:b*:c",
    ] {
        assert_eq!(cpe(vague).product_name(), None, "{vague}");
    }
}

fn value() -> impl Strategy<Value = Value> {
    let wild =
        || prop_oneof![3 => Just(Wild::None), 1 => Just(Wild::Any), 1 => (1..4_u16).prop_map(Wild::UpTo)];
    let text = r"[a-z0-9._~:*?!\\+é -]{1,8}";
    prop_oneof![
        Just(Value::Any),
        Just(Value::Na),
        (text, wild(), wild()).prop_map(|(text, before, after)| Value::Text { text, before, after }),
    ]
}

proptest! {
    #[test]
    fn written_names_read_back(
        part in prop::sample::select(vec!["a", "o", "h"]),
        values in prop::collection::vec(value(), 10),
    ) {
        let mut all = vec![Value::of_text(part)];
        all.extend(values);
        let name = Cpe::from_values(all.try_into().unwrap());
        prop_assert_eq!(Cpe::parse(&name.to_string()).unwrap(), name);
    }

    #[test]
    fn no_text_panics(text in r"(cpe:2\.3:|cpe:/)?.{0,40}", body in ".{0,60}") {
        let _ = Cpe::parse(&text);
        let _ = configurations(body.as_bytes());
    }
}

/// Returns the body of an NVD record with these configurations.
fn record(configurations: &serde_json::Value) -> Vec<u8> {
    let body =
        json!({"id": "CVE-2024-1", "database_specific": {"native": {"configurations": configurations}}});
    serde_json::to_vec(&body).unwrap()
}

fn verdict(body: &[u8], name: &str, distro: Option<&str>) -> CpeVerdict {
    let (product, subject) = CpeSubject::new(cpe(name), None).unwrap();
    let statements = configurations(body).about(&product);
    let system = distro.and_then(OperatingSystem::of_distro);
    judge(&statements, &subject, system)
}

/// Returns `a` for affected, `n` for not affected, `?` for undecided.
fn word(verdict: &CpeVerdict) -> char {
    match verdict {
        CpeVerdict::Affected(_) => 'a',
        CpeVerdict::NotAffected => 'n',
        CpeVerdict::Undecided => '?',
    }
}

#[test]
fn ranges_and_values_are_compared() {
    let says = |leaf: serde_json::Value, names: &[&str]| {
        let body = record(&json!([{"nodes": [{"operator": "OR", "negate": false, "cpeMatch": [leaf]}]}]));
        let all = names.iter().map(|rest| {
            let name = format!("cpe:2.3:a:acme:rocket:{rest}");
            word(&verdict(&body, &name, None))
        });
        all.collect::<String>()
    };
    let any = "cpe:2.3:a:acme:rocket:*:*:*:*:*:*:*:*";
    let range = json!({"vulnerable": true, "criteria": any, "versionStartIncluding": "1.2", "versionEndExcluding": "1.4"});
    let names = ["1.1.9", "1.2", "1.3.9", "1.4", "*", "-", "x", "1.3foo", "1.4:rc1"];
    assert_eq!(says(range, &names), "naan???a?");
    let excluded = json!({"vulnerable": true, "criteria": any, "versionStartExcluding": "1.2", "versionEndIncluding": "1.4"});
    assert_eq!(says(excluded, &["1.2", "1.2.0.1", "1.4", "1.4.1"]), "naan");
    let all = json!({"vulnerable": true, "criteria": any});
    assert_eq!(says(all, &["1", "*", "-", "x"]), "aaaa");
    let none = json!({"vulnerable": true, "criteria": "cpe:2.3:a:acme:rocket:-:*:*:*:*:*:*:*"});
    assert_eq!(says(none, &["1", "*", "-"]), "n?a");
    let one = json!({"vulnerable": true, "criteria": "cpe:2.3:a:acme:rocket:1.0:beta1:*:*:*:*:*:*"});
    assert_eq!(
        says(
            one,
            &[
                "1.0:beta1",
                "1.0:beta2",
                "1.0:-",
                "1.0",
                "1.0.0:beta1",
                "1.1",
                "*",
                "-"
            ]
        ),
        "ann?an?n"
    );
    let release = json!({"vulnerable": true, "criteria": "cpe:2.3:a:acme:rocket:1.0:-:*:*:*:*:*:*"});
    assert_eq!(says(release, &["1.0", "1.0:-", "1.0:beta1"]), "aan");
    let pattern = json!({"vulnerable": true, "criteria": "cpe:2.3:a:acme:rocket:1.*:*:*:*:*:*:*:*"});
    assert_eq!(says(pattern, &["1.7", "2.0", "*"]), "an?");
    let target = json!({"vulnerable": true, "criteria": "cpe:2.3:a:acme:rocket:*:*:*:*:*:wordpress:*:*"});
    assert_eq!(
        says(
            target,
            &["1", "1:*:*:*:*:wordpress", "1:*:*:*:*:drupal", "1:*:*:*:*:-"]
        ),
        "aann"
    );
    let not = json!({"vulnerable": false, "criteria": any});
    assert_eq!(says(not, &["1"]), "n");
}

#[test]
fn assumptions_about_a_component_are_named() {
    let body = record(&json!([{"nodes": [{"operator": "OR", "cpeMatch": [
        {"vulnerable": true, "criteria": "cpe:2.3:a:acme:rocket:*:*:*:*:*:node.js:*:*", "versionEndIncluding": "2"}]}]}]));
    let CpeVerdict::Affected(rules) = verdict(&body, "cpe:2.3:a:acme:rocket:1", None) else {
        panic!("not affected");
    };
    assert_eq!(rules[0].assumed, ["target_sw"]);
    assert_eq!(rules[0].criteria, r"cpe:2.3:a:acme:rocket:*:*:*:*:*:node.js:*:*");
    assert_eq!(
        rules[0].until,
        Some(crate::osv::Event::LastAffected("2".to_owned()))
    );
}

#[test]
fn every_form_of_configuration_is_read() {
    let products = |native: serde_json::Value| {
        let body = json!({"id": "X", "database_specific": {"native": native}});
        products(&serde_json::to_vec(&body).unwrap())
    };
    let names = |native| products(native).0.into_iter().collect::<Vec<_>>();
    let node =
        json!({"operator": "OR", "cpeMatch": [{"vulnerable": true, "criteria": "cpe:2.3:a:acme:rocket:1"}]});
    let nested = json!({"operator": "AND", "children": [node, {"operator": "OR", "cpe_match": [
        {"vulnerable": false, "cpe23Uri": "cpe:2.3:o:acme:os:1"}]}]});
    for native in [
        json!({"configurations": [{"nodes": [node]}]}),
        json!({"configurations": [nested]}),
        json!({"cna": {"cpeApplicability": [{"nodes": [node]}]}}),
        json!({"cna": {}, "adp": [{"cpeApplicability": [{"nodes": [node]}]}]}),
        json!({"adp": [{"affected": [{"cpes": ["cpe:2.3:a:acme:rocket:*"], "versions": [{"version": "1", "status": "affected"}]}]}]}),
        json!({"vulnerable-configuration": [{"cncpe": [{"@operator": "or", "@negate": "false",
            "cncpe-lang": [{"@name": "CPE:/a:acme:rocket:1.0.1u:::"}]}]}]}),
    ] {
        assert_eq!(names(native.clone()), ["a:acme:rocket"], "{native}");
    }
    // A package of a collection: the name is of the collection.
    let package = json!({"cna": {"affected": [{"packageName": "grub2", "cpes": ["cpe:/o:acme:rocket:8"], "defaultStatus": "affected"}]}});
    assert!(names(package).is_empty());
    let vague = json!({"configurations": [{"nodes": [{"cpeMatch": [
        {"criteria": "cpe:2.3:a:*:rocket:1"}, {"criteria": "nonsense"}]}]}]});
    assert_eq!(products(vague), (Default::default(), true));
    assert!(
        names(json!({"configurations": "x", "cna": 7, "adp": [null], "vulnerable-configuration": {}}))
            .is_empty()
    );
}

#[test]
fn versions_of_cve_records_are_read_or_left_in_doubt() {
    let says = |entry: serde_json::Value, version: &str| {
        let mut entry = entry;
        entry["cpes"] = json!(["cpe:2.3:a:acme:rocket:-:*:*:*:*:*:*:*"]);
        let body = json!({"id": "X", "database_specific": {"native": {"cna": {"affected": [entry]}}}});
        let body = serde_json::to_vec(&body).unwrap();
        word(&verdict(&body, &format!("cpe:2.3:a:acme:rocket:{version}"), None))
    };
    let list = |versions: serde_json::Value| json!({"versions": versions, "defaultStatus": "unaffected"});
    for (entry, answers) in [
        (
            list(json!([{"status": "affected", "version": "0", "lessThan": "2.0", "versionType": "custom"}])),
            "an",
        ),
        (
            list(json!([{"status": "affected", "version": "1.0", "lessThanOrEqual": "1.5"}])),
            "an",
        ),
        (list(json!([{"status": "affected", "version": "1.5"}])), "an"),
        (
            list(json!([{"status": "affected", "version": "1.0", "lessThan": "*"}])),
            "aa",
        ),
        (list(json!([{"status": "affected", "version": "*"}])), "aa"),
        (
            list(json!([{"status": "affected", "version": "1.0", "lessThan": "*",
            "changes": [{"at": "2.0", "status": "unaffected"}]}])),
            "an",
        ),
        (list(json!([{"status": "affected", "version": "n/a"}])), "??"),
        (list(json!([{"status": "affected", "version": "before 2"}])), "??"),
        (
            list(json!([{"status": "affected", "version": "abc", "versionType": "git"}])),
            "??",
        ),
        (list(json!([{"status": "unaffected", "version": "3"}])), "nn"),
        (
            list(json!([{"status": "unaffected", "version": "0", "lessThan": "*",
            "changes": [{"at": "1.2", "status": "affected"}]}])),
            "??",
        ),
        (list(json!([{"status": "unknown", "version": "1.5"}])), "??"),
        (json!({"versions": [], "defaultStatus": "affected"}), "aa"),
        (
            json!({"versions": [{"status": "unaffected", "version": "2"}], "defaultStatus": "affected"}),
            "??",
        ),
        (json!({"versions": []}), "??"),
    ] {
        let found: String = ["1.5", "2.1"]
            .map(|version| says(entry.clone(), version))
            .into_iter()
            .collect();
        assert_eq!(found, answers, "{entry}");
    }
}

#[test]
fn negated_and_too_large_configurations_are_undecided() {
    let leaf = json!({"vulnerable": true, "criteria": "cpe:2.3:a:acme:rocket:1"});
    let negated = record(&json!([{"nodes": [{"operator": "OR", "negate": true, "cpeMatch": [leaf]}]}]));
    for version in ["1", "2"] {
        let name = format!("cpe:2.3:a:acme:rocket:{version}");
        assert_eq!(word(&verdict(&negated, &name, None)), '?');
    }
    let mut deep = json!({"operator": "OR", "cpeMatch": [leaf]});
    for _ in 0..MAX_DEPTH {
        deep = json!({"operator": "AND", "cpeMatch": [leaf], "nodes": [deep]});
    }
    let deep = record(&json!([deep]));
    assert_eq!(word(&verdict(&deep, "cpe:2.3:a:acme:rocket:2", None)), '?');
    assert_eq!(word(&verdict(&deep, "cpe:2.3:a:acme:rocket:1", None)), 'a');
    assert!(products(&deep).1);
}

#[test]
fn hostile_configurations_take_bounded_time_and_memory() {
    // Each name must hold with all others, which would be their square.
    let leaves: Vec<_> = (0..MAX_NODES)
        .map(|n| json!({"vulnerable": true, "criteria": format!("cpe:2.3:a:acme:rocket:{n}")}))
        .collect();
    let body = record(&json!([{"nodes": [{"operator": "AND", "cpeMatch": leaves}]}]));
    let read = configurations(&body);
    assert!(read.size() <= MAX_NODES);
    let statements = read.about("a:acme:rocket");
    let names = statements
        .iter()
        .flat_map(|one| &one.platforms)
        .flat_map(|one| &one.names);
    assert!(names.map(String::len).sum::<usize>() <= 2 * 1024 * 1024);
    assert!(statements.iter().any(|one| one.is_cut));
    assert_eq!(word(&verdict(&body, "cpe:2.3:a:acme:rocket:x", None)), '?');
}

#[test]
fn unusable_names_are_reported() {
    let unusable = |leaves: &str| {
        let body = format!(
            r#"{{"database_specific":{{"native":{{"configurations":[{{"nodes":[{{"cpeMatch":[{leaves}]}}]}}]}}}}}}"#
        );
        super::configurations(body.as_bytes()).unusable()
    };
    let leaf = |name: &str| format!(r#"{{"vulnerable":true,"criteria":"{name}"}}"#);
    let good = leaf("cpe:2.3:a:acme:rocket:1.0:*:*:*:*:*:*:*");
    assert_eq!(unusable(&good), None);
    assert_eq!(
        unusable(&format!(
            "{good},{}",
            leaf("cpe:2.3:a:*:rocket:1.0:*:*:*:*:*:*:*")
        ))
        .unwrap(),
        r#"the CPE name "cpe:2.3:a:*:rocket:1.0:*:*:*:*:*:*:*" cannot be looked up"#
    );
    assert_eq!(
        unusable(&format!("{},{},{{}}", leaf("rocket"), leaf("cpe:2.3:x:y"))).unwrap(),
        r#"3 CPE names cannot be looked up, the first is "rocket""#
    );
    let listed = r#"{"database_specific":{"native":{"cna":{"affected":[{"cpes":["cpe:?"],"defaultStatus":"affected"}]}}}}"#;
    let told = super::configurations(listed.as_bytes()).unusable().unwrap();
    assert!(told.contains("cpe:?"), "{told}");
}

#[test]
fn update_in_the_version_matches_the_update_attribute() {
    for (criteria, name, expected) in [
        ("1.0:sp1", "1.0-sp1", 'a'),
        ("1.0:sp1", "1.0_SP1:*", 'a'),
        ("1.0:sp1", "1.0sp1:-", 'n'),
        ("1.0:sp1", "1.0-sp2", 'n'),
        ("1.0:sp1", "1.0", '?'),
        ("1.0-sp1:*", "1.0:sp1", 'a'),
        ("1.0_sp1:-", "1.0:sp1", 'a'),
        ("1.0-sp1:*", "1.0:sp2", 'n'),
        ("1.0-rc1:*", "1.0:rc1", 'a'),
    ] {
        let body = record(&json!([{ "nodes": [{ "operator": "OR", "cpeMatch": [
            { "vulnerable": true, "criteria": format!("cpe:2.3:a:acme:rocket:{criteria}") }] }] }]));
        let found = verdict(&body, &format!("cpe:2.3:a:acme:rocket:{name}"), None);
        assert_eq!(word(&found), expected, "{criteria} {name}");
    }
}

#[test]
fn names_that_the_nvd_repeats_of_a_cna_are_looked_up() {
    let body = r#"{"database_specific":{"native":{"affected":[{"source":"cna","affectedData":[
        {"cpes":["cpe:2.3:a:acme:rocket:*:*:*:*:*:*:*:*"],"defaultStatus":"unaffected",
         "versions":[{"version":"1.0","lessThan":"2.0","status":"affected"}]},
        {"cpes":["cpe:/o:acme:linux:9"],"packageName":"rocket","collectionURL":"https://example.org","defaultStatus":"affected"}]}]}}}"#;
    let (products, _) = super::products(body.as_bytes());
    assert_eq!(products.into_iter().collect::<Vec<_>>(), ["a:acme:rocket"]);
    let of = |version: &str| {
        word(&verdict(
            body.as_bytes(),
            &format!("cpe:2.3:a:acme:rocket:{version}"),
            None,
        ))
    };
    assert_eq!((of("1.5"), of("2.0")), ('a', 'n'));
}
