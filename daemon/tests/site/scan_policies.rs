//! Policies, mutes and VEX documents in one verdict, from every way of scanning.

use serde_json::{Value, json};
use starling_api::ScanDocuments;
use starling_api_types::{ErrorCode, MuteAdd, ScanParams};
use starling_daemon::scan_without_store;

use crate::bench::{Bench, advisory, code};
use crate::scans::{NAME, POLICY, decisions, documents, feed, params, scan};

#[test]
fn mute_applies_at_once_without_a_new_index() {
    let bench = Bench::new();
    let site = bench.site(NAME);
    feed(&site);
    drop(site);
    let before = scan(&bench, None);
    assert_eq!(decisions(&before)[0], "EX-1 warn any null");
    let index = std::fs::read(bench.home(NAME).join("match.idx")).unwrap();
    let site = bench.open(NAME);
    let add = MuteAdd {
        vulnerability: "EX-1".to_owned(),
        package: Some("pkg:npm/express".to_owned()),
        forever: true,
        reason: "not deployed".to_owned(),
        ..MuteAdd::default()
    };
    let added = site.wait(site.service.add_mute(add)).unwrap();
    assert_eq!((added.warnings.len(), added.mute.by.as_str()), (0, NAME));
    drop(site);
    // The index is still current, and its marker contains the mute: no store has to be opened.
    let cold = scan_without_store(&bench.home(NAME), &documents(None), &params());
    let cold = cold.expect("the mark is there").unwrap();
    let cold: Value = serde_json::from_str(cold.verdict.as_str()).unwrap();
    assert_eq!(decisions(&cold)[0], format!("EX-1 ignore {} null", added.mute.id));
    assert_eq!(std::fs::read(bench.home(NAME).join("match.idx")).unwrap(), index);
    let after = scan(&bench, None);
    assert_eq!(after, cold);
    assert_ne!(after["knowledge_root"], before["knowledge_root"]);
}

#[test]
fn policy_file_is_used_in_every_way_of_scanning() {
    let bench = Bench::new();
    let site = bench.site_with(NAME, "[scan]\npolicy_file = \"policy.yaml\"\n");
    feed(&site);
    drop(site);
    let file = bench.home(NAME).join("policy.yaml");
    std::fs::write(&file, POLICY).unwrap();
    let own = scan(&bench, None);
    assert_eq!(own, scan(&bench, Some(POLICY)), "given or the site's own");
    std::fs::write(&file, "format: starling-policy/1\nfial: []\n").unwrap();
    let problem = scan_without_store(&bench.home(NAME), &documents(None), &params());
    assert_eq!(code(problem.unwrap()), ErrorCode::PolicyInvalid);
}

#[test]
fn changed_configuration_needs_the_store() {
    let bench = Bench::new();
    let site = bench.site(NAME);
    // One of the two sources says that no installed package is affected.
    site.feed("acme", &[advisory("EX-1", "express", "9.0.0")]);
    site.feed("mine", &[advisory("EX-1", "express", "1.0.0")]);
    drop(site);
    assert_eq!(decisions(&scan(&bench, None)), ["EX-1 warn any null"]);

    let path = bench.home(NAME).join("starling.toml");
    let before = std::fs::read_to_string(&path).unwrap();
    let cold = || scan_without_store(&bench.home(NAME), &documents(None), &params());
    for (view, found) in [
        ("ranges = \"preferred\"\nsource_order = [\"mine\"]", 0),
        ("ranges = \"preferred\"\nsource_order = [\"acme\"]", 1),
        ("source_order = [\"mine\"]", 1),
        ("authority = { mine = [\"npm\"] }", 0),
        ("site_order = [\"site-a\"]", 1),
        ("conflict_strategy = \"prefer_local\"", 1),
    ] {
        std::fs::write(&path, format!("{before}\n[view]\n{view}\n")).unwrap();
        assert!(cold().is_none(), "{view}");
        assert_eq!(decisions(&scan(&bench, None)).len(), found, "{view}");
        assert!(cold().is_some(), "{view}");
    }
}

#[test]
fn given_policy_replaces_both_site_policies() {
    let bench = Bench::new();
    let site = bench.site_with(
        NAME,
        "[scan]\npolicy_file = \"policy.yaml\"\nrego_file = \"policy.rego\"\n",
    );
    feed(&site);
    drop(site);
    let home = bench.home(NAME);
    let rego = |id: &str| format!("package starling\ndeny contains {{\"finding\": 0, \"id\": \"{id}\"}}\n");
    std::fs::write(home.join("policy.yaml"), "format: starling-policy/1\nname: own\n").unwrap();
    std::fs::write(home.join("policy.rego"), rego("own")).unwrap();
    let judged = |policy: Option<String>, rego: Option<String>| {
        let documents = ScanDocuments {
            policy: policy.map(Into::into),
            rego: rego.map(Into::into),
            ..documents(None)
        };
        let params = ScanParams {
            fail_on_unused: false,
            ..params()
        };
        let site = bench.open(NAME);
        let envelope = site.wait(site.service.scan(documents, params)).unwrap();
        let body: Value = serde_json::from_str(envelope.verdict.as_str()).unwrap();
        (body["policy_version"].clone(), body["rego"]["version"].clone())
    };
    let (own_yaml, own_rego) = judged(None, None);
    assert!(own_yaml.is_string() && own_rego.is_string());
    // With one language given, the site's own policy in the other language is not used either.
    let (yaml, none) = judged(Some(POLICY.to_owned()), None);
    assert!(
        yaml.is_string() && yaml != own_yaml && none.is_null(),
        "{yaml} {none}"
    );
    for (policy, beside) in [(Some(rego("given")), None), (None, Some(rego("given")))] {
        let (none, given) = judged(policy, beside);
        assert!(
            none.is_null() && given.is_string() && given != own_rego,
            "{none} {given}"
        );
    }
    let (yaml_again, given) = judged(Some(POLICY.to_owned()), Some(rego("given")));
    assert!(yaml_again == yaml && given.is_string() && given != own_rego);
}

#[test]
fn stored_vex_document_applies_like_a_given_one() {
    let bench = Bench::new();
    let site = bench.site(NAME);
    feed(&site);
    let given = documents(None);
    let by_hand = site.wait(site.service.scan(given.clone(), params())).unwrap();
    let bare = ScanDocuments {
        vex: Vec::new(),
        ..given.clone()
    };
    let added = site.wait(site.service.add_vex(given.vex[0].clone())).unwrap();
    assert_eq!((added.statements, added.format.as_str()), (1, "OpenVEX"));
    let open = site.wait(site.service.scan(bare.clone(), params())).unwrap();
    assert_eq!(open.verdict, by_hand.verdict);
    assert!(
        open.verdict.as_str().contains(&added.hash.to_string()),
        "it is named"
    );
    drop(site);
    let home = bench.home(NAME);
    let cold = || scan_without_store(&home, &bare, &params()).unwrap();
    assert_eq!(cold().unwrap().verdict, open.verdict);
    let site = bench.open(NAME);
    let twice = site.wait(site.service.scan(given.clone(), params())).unwrap();
    assert_eq!(twice.verdict, open.verdict, "given and kept, it counts once");
    let removed = site.wait(site.service.remove_vex(&added.hash)).unwrap();
    assert_eq!(removed.hash, added.hash);
    assert_eq!(
        code(site.wait(site.service.remove_vex(&added.hash))),
        ErrorCode::VexNotFound
    );
    drop(site);
    assert_ne!(
        cold().unwrap().verdict,
        open.verdict,
        "a deleted document no longer applies"
    );
}

#[test]
fn storing_and_order_of_vex_do_not_matter() {
    let bench = Bench::new();
    let site = bench.site(NAME);
    feed(&site);
    let said = |author: &str, status: &str| -> bytes::Bytes {
        let statement = json!({"vulnerability": {"name": "EX-4"}, "products": [{"@id": "pkg:npm/lodash"}],
            "status": status, "justification": "component_not_present"});
        let document =
            json!({"@context": "https://openvex.dev/ns/v0.2.0", "author": author, "statements": [statement]});
        document.to_string().into()
    };
    let said = [
        said("one", "not_affected"),
        said("other", "affected"),
        said("third", "fixed"),
    ];
    let scan = |given: &[usize]| {
        let documents = ScanDocuments {
            vex: given.iter().map(|index| said[*index].clone()).collect(),
            ..documents(None)
        };
        site.wait(site.service.scan(documents, params())).unwrap().verdict
    };
    let verdict = scan(&[0, 1, 2]);
    assert_eq!(scan(&[2, 1, 0, 1]), verdict);
    for (kept, document) in said.iter().enumerate() {
        let hash = site.wait(site.service.add_vex(document.clone())).unwrap().hash;
        for given in [[0, 1, 2], [2, 0, 1], [1, 2, 0]] {
            assert_eq!(scan(&given), verdict, "{given:?} besides {kept}");
            let others: Vec<usize> = given.into_iter().filter(|index| *index != kept).collect();
            assert_eq!(scan(&others), verdict, "{others:?} besides {kept}");
        }
        site.wait(site.service.remove_vex(&hash)).unwrap();
    }
}
