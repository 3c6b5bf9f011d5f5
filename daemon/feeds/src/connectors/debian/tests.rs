use super::super::Kind;
use super::super::tests::{ignored, json_records, ranges, rejected, warnings};

const TRACKER: &str = r#"{"rocket":{"CVE-2030-0001":{"description":"A flaw.","scope":"local","releases":{
 "bookworm":{"status":"resolved","repositories":{"bookworm":"1.0-1"},"fixed_version":"1.0-1+deb12u1","urgency":"low**"},
 "bullseye":{"status":"open","repositories":{"bullseye":"0.9-1"},"urgency":"not yet assigned","nodsa":"Minor issue","nodsa_reason":""},
 "buster":{"status":"open","urgency":"end-of-life"},
 "trixie":{"status":"resolved","fixed_version":"0","urgency":"unimportant"},
 "forky":{"status":"undetermined","urgency":"medium"},
 "sid":{"status":"open","urgency":"low"},"strange":{"status":"open"}}}},
"sled":{"CVE-2030-0001":{"description":"A flaw.","releases":{"bookworm":{"status":"open","nodsa":"x","nodsa_reason":"ignored","urgency":"high"},"bullseye":{"status":"odd"}}},
 "TEMP-0000000-0CA7E3":{"releases":{"bookworm":{"status":"open","urgency":"low"}}},"BAD/../1":{"releases":{}}}}"#;

#[test]
fn export_by_package_becomes_records_by_vulnerability() {
    assert_eq!(Kind::detect(TRACKER.as_bytes()).map(Kind::name), Some("debian"));
    let records = json_records("debian", TRACKER.as_bytes());
    let record = &records[0];
    assert_eq!(record["id"], "DEBIAN-CVE-2030-0001");
    assert_eq!(record["upstream"], serde_json::json!(["CVE-2030-0001"]));
    assert_eq!(record["details"], "A flaw.");
    assert_eq!(
        ranges(record),
        [
            "Debian:12 rocket introduced=0 fixed=1.0-1+deb12u1",
            "Debian:11 rocket introduced=0",
            "Debian:10 rocket introduced=0",
            "Debian:14 rocket introduced=0",
            "Debian:12 sled introduced=0",
            "Debian:11 sled",
        ],
        "version 0 was never affected"
    );
    let states: Vec<&str> = record["affected"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["database_specific"]["fix_state"].as_str().unwrap_or("-"))
        .collect();
    assert_eq!(
        states,
        [
            "-",
            "deferred",
            "end_of_life",
            "undetermined",
            "will_not_fix",
            "-"
        ]
    );
    assert_eq!(record["affected"][0]["ecosystem_specific"]["urgency"], "low**");
    let native = &record["database_specific"]["native"]["packages"];
    assert_eq!(native["rocket"]["releases"]["trixie"]["fixed_version"], "0");
    assert_eq!(records[1]["id"], "TEMP-0000000-0CA7E3");
    assert!(
        records[1]["upstream"].is_null(),
        "a temporary id is the name of nothing else"
    );
    assert_eq!(
        warnings("debian", TRACKER.as_bytes()),
        [
            "rocket: unknown release \"strange\"",
            "sled in bullseye: status \"odd\" is not understood",
        ]
    );
    assert!(rejected("debian", TRACKER.as_bytes())[0].contains("BAD/../1"));
}

#[test]
fn unknown_fixed_version_leaves_the_package_undecided() {
    for version in ["<unfixed>", "banana", "1.2 3", "1.2,1.3"] {
        let text = TRACKER.replace("1.0-1+deb12u1", version);
        assert_eq!(
            ranges(&json_records("debian", text.as_bytes())[0])[0],
            "Debian:12 rocket",
            "{version}"
        );
        assert!(
            warnings("debian", text.as_bytes())[0].contains(&format!("\"{version}\" is not understood")),
            "{version}"
        );
    }
}

#[test]
fn truncated_export_gives_its_complete_entries() {
    let cut = &TRACKER.as_bytes()[..TRACKER.find("\"sled\"").unwrap() + 20];
    assert_eq!(json_records("debian", cut).len(), 1);
    assert!(rejected("debian", cut)[0].contains("breaks off"));
    let more = format!("{TRACKER} {{}}");
    assert!(rejected("debian", more.as_bytes())[0].contains("more follows the end"));
}

const CVE_LIST: &str = "CVE-2030-XXXX [something bad]\n\t- rocket 1.2-1\n\
CVE-2030-0002 (A flaw in rocket ...)\n\t{DSA-9001-1}\n\t- rocket 2.0-1 (low; bug #1)\n\t[buster] - rocket <end-of-life> (see DSA 1)\n\tNOTE: https://example.org/x more\n\
CVE-2030-0003 (A flaw in sled ...)\n        - sled <unfixed> (unimportant)\n        [bookworm] - sled <not-affected> (Vulnerable code not present)\n        [strange] - sled 1\n        - sled-ng 3-1\n        what\n\
CVE-2030-0004\n\tRESERVED\nCVE-2030-0005\n\tREJECTED\nCVE-2030-0006 (x)\n\tNOT-FOR-US: Acme\nCVE-2030/../7 (x)\n\t- p 1\n";

#[test]
fn list_of_vulnerabilities_becomes_records_about_releases() {
    assert_eq!(Kind::detect(CVE_LIST.as_bytes()).map(Kind::name), Some("debian"));
    let records = json_records("debian", CVE_LIST.as_bytes());
    let (first, records) = records.split_first().unwrap();
    assert_eq!(first["id"], "TEMP-0000000-F850CD", "the tracker's own");
    assert_eq!(first["details"], "something bad");
    assert_eq!(ranges(first)[0], "Debian:11 rocket introduced=0 fixed=1.2-1");
    assert_eq!(records[0]["id"], "DEBIAN-CVE-2030-0002");
    assert_eq!(
        ranges(&records[0]),
        [
            "Debian:11 rocket introduced=0 fixed=2.0-1",
            "Debian:12 rocket introduced=0 fixed=2.0-1",
            "Debian:13 rocket introduced=0 fixed=2.0-1",
            "Debian:14 rocket introduced=0 fixed=2.0-1",
            "Debian:buster rocket introduced=0",
        ]
    );
    assert_eq!(
        records[0]["affected"][0]["database_specific"]["unless_fixed_by"],
        serde_json::json!(["DSA-9001-1"]),
        "its advisory may have fixed some of them"
    );
    assert!(records[0]["affected"][4]["database_specific"]["unless_fixed_by"].is_null());
    assert_eq!(records[0]["related"], serde_json::json!(["DSA-9001-1"]));
    assert_eq!(records[0]["references"][0]["url"], "https://example.org/x");
    assert_eq!(
        ranges(&records[1]),
        [
            "Debian:11 sled introduced=0",
            "Debian:13 sled introduced=0",
            "Debian:14 sled introduced=0",
            "Debian:11 sled-ng introduced=0 fixed=3-1",
            "Debian:12 sled-ng introduced=0 fixed=3-1",
            "Debian:13 sled-ng introduced=0 fixed=3-1",
            "Debian:14 sled-ng introduced=0 fixed=3-1",
        ]
    );
    assert_eq!(records[2]["id"], "DEBIAN-CVE-2030-0005");
    assert!(records[2]["affected"].is_null());
    assert_eq!(records.len(), 3);
    assert_eq!(ignored("debian", CVE_LIST.as_bytes()).len(), 2);
    assert!(rejected("debian", CVE_LIST.as_bytes())[0].contains("not the id"));
    let warnings = warnings("debian", CVE_LIST.as_bytes());
    assert!(warnings[0].contains("\"what\" is not understood"));
    assert!(warnings[1].contains("strange"));
}

#[test]
fn advisory_does_not_excuse_a_line_without_fix() {
    for state in ["<unfixed>", "<undetermined>", "<removed>"] {
        let text =
            format!("CVE-2030-0002 (x)\n\t{{DSA-9001-1}}\n\t- rocket {state}\n\t[bookworm] - rocket 1\n");
        assert_eq!(
            ranges(&json_records("debian", text.as_bytes())[0]),
            [
                "Debian:11 rocket introduced=0",
                "Debian:13 rocket introduced=0",
                "Debian:14 rocket introduced=0",
                "Debian:12 rocket introduced=0 fixed=1",
            ],
            "{state}"
        );
        assert!(warnings("debian", text.as_bytes()).is_empty(), "{state}");
    }
}

#[test]
fn entry_without_readable_lines_is_refused() {
    for text in [
        "CVE-2030-0002 (x)\n\t- rocket <strange>\n\t- sled <odd>\n",
        "[19 Jul 2030] DSA-9001-1 rocket - security update\n\t[bookworm] - rocket <strange>\n\t- sled 1\n",
    ] {
        let refused = rejected("debian", text.as_bytes());
        assert!(
            refused[0].contains("no line is understood") && refused[0].contains("strange"),
            "{refused:?}"
        );
        assert!(ignored("debian", text.as_bytes()).is_empty());
    }
}

const ADVISORIES: &str = "[19 Jul 2030] DSA-9001-2 rocket - regression update\n\t[bookworm] - rocket 1.0-1+deb12u2\n\
[July 3rd, 2030] DSA-9001-1 rocket - security update\n\t{CVE-2030-0002 CVE-2030-0003 }\n\t[bookworm] - rocket 1.0-1+deb12u1\n\t[bullseye] - rocket 0.9-1+deb11u1\n\
[19 Jul 2030] MALFORMED HEADER\n\t{CVE-2030-0009}\n[18 Apr 2030] DSA-9000-1 jessie end-of-life\n\tNOTE: end\n";

#[test]
fn later_edition_keeps_the_vulnerabilities() {
    assert_eq!(
        Kind::detect(ADVISORIES.as_bytes()).map(Kind::name),
        Some("debian")
    );
    let records = json_records("debian", ADVISORIES.as_bytes());
    assert_eq!(records[0]["id"], "DSA-9001-2");
    assert_eq!(
        records[0]["upstream"],
        serde_json::json!(["CVE-2030-0002", "CVE-2030-0003"])
    );
    assert_eq!(records[0]["published"], "2030-07-19T00:00:00Z");
    assert_eq!(records[1]["published"], "2030-07-03T00:00:00Z");
    assert_eq!(
        ranges(&records[1]),
        [
            "Debian:12 rocket introduced=0 fixed=1.0-1+deb12u1",
            "Debian:11 rocket introduced=0 fixed=0.9-1+deb11u1",
        ]
    );
    assert!(rejected("debian", ADVISORIES.as_bytes())[0].contains("MALFORMED"));
    assert!(ignored("debian", ADVISORIES.as_bytes())[0].contains("names no package"));
}

#[test]
fn line_with_an_unknown_word_leaves_its_package_undecided() {
    let text = "CVE-2030-0002 (x)\n\t- rocket <not-affected>\n\t[bookworm] - rocket <strange> (x)\n";
    assert_eq!(
        ranges(&json_records("debian", text.as_bytes())[0]),
        ["Debian:12 rocket"]
    );
    assert!(warnings("debian", text.as_bytes())[0].contains("is not understood"));
    let text = "[19 Jul 2030] DSA-9001-1 rocket - security update\n\t[bookworm] - rocket 1\n\t[bullseye] - rocket <strange>\n";
    assert_eq!(
        ranges(&json_records("debian", text.as_bytes())[0]),
        ["Debian:12 rocket introduced=0 fixed=1", "Debian:11 rocket"]
    );
}

#[test]
fn advisory_without_an_edition_is_not_another_ones() {
    let text = "[01 Mar 2004] DSA-452 old - x\n\t[woody] - old 1\n[01 Feb 2004] DSA-451 new - x\n\t{CVE-2004-0001}\n\t[woody] - new 1\n";
    let records = json_records("debian", text.as_bytes());
    assert!(records[0]["upstream"].is_null());
    assert_eq!(records[1]["upstream"], serde_json::json!(["CVE-2004-0001"]));
}

#[test]
fn line_of_another_form_is_reported() {
    for line in ["-rocket 1", "bookworm] - rocket 1", "rocket <unfixed>"] {
        let text = format!("CVE-2030-0002 (x)\n\t- sled 1\n\t{line}\n");
        let warnings = warnings("debian", text.as_bytes());
        assert_eq!(warnings, [format!("the line \"{line}\" is not understood")]);
        let text = format!("CVE-2030-0002 (x)\n\t{line}\n");
        assert!(rejected("debian", text.as_bytes())[0].contains("no line is understood"));
    }
}

#[test]
fn line_without_a_readable_state_leaves_its_package_undecided() {
    for state in ["<unfixed (bug #1)", "1.2-3; bug #1", "=1.2"] {
        let text = format!("CVE-2030-0002 (x)\n\t- sled <not-affected>\n\t[Bookworm] - rocket {state}\n");
        assert_eq!(
            ranges(&json_records("debian", text.as_bytes())[0]),
            ["Debian:12 rocket"],
            "{state}"
        );
        assert!(
            warnings("debian", text.as_bytes())[0].contains("is not understood"),
            "{state}"
        );
    }
}

#[test]
fn package_removed_from_a_release_is_not_fixed_there() {
    let text = "CVE-2030-0002 (x)\n\t- rocket <not-affected>\n\t[bookworm] - rocket <removed>\n";
    assert_eq!(
        ranges(&json_records("debian", text.as_bytes())[0]),
        ["Debian:12 rocket introduced=0"]
    );
}

#[test]
fn release_without_planned_advisory_ends_at_unstable_version() {
    for (word, state) in [
        ("no-dsa", "deferred"),
        ("postponed", "deferred"),
        ("ignored", "will_not_fix"),
    ] {
        let text = format!(
            "CVE-2030-0002 (x)\n\t{{DLA-9001-1}}\n\t- rocket 5.10.38-1\n\t[bullseye] - rocket <{word}> (Minor issue)\n\t[buster] - rocket <{word}> (x)\n\t[bookworm] - rocket <not-affected>\n"
        );
        let record = &json_records("debian", text.as_bytes())[0];
        assert_eq!(
            ranges(record),
            [
                "Debian:13 rocket introduced=0 fixed=5.10.38-1",
                "Debian:14 rocket introduced=0 fixed=5.10.38-1",
                "Debian:11 rocket introduced=0 limit=5.10.38-1",
                "Debian:buster rocket introduced=0 limit=5.10.38-1",
            ]
        );
        let planned = &record["affected"][2]["database_specific"];
        assert_eq!(planned["fix_state"], state);
        assert_eq!(planned["unless_fixed_by"], serde_json::json!(["DLA-9001-1"]));
    }
    // Unstable has no fix, or does not say so.
    for unstable in [
        "- rocket <unfixed>",
        "- rocket <undetermined>",
        "- rocket <not-affected>",
        "- rocket 1\n\t- rocket <unfixed>",
        "- sled 1",
    ] {
        let text = format!("CVE-2030-0002 (x)\n\t{unstable}\n\t[bullseye] - rocket <postponed> (x)\n");
        assert!(
            ranges(&json_records("debian", text.as_bytes())[0])
                .contains(&"Debian:11 rocket introduced=0".to_owned()),
            "{unstable}"
        );
    }
}

#[test]
fn lines_about_the_work_on_the_list_are_passed_over() {
    let text = "begin claimed by jmm\nCVE-2030-0002 (x)\n\t- rocket 1\n--\nend claimed by jmm\nSTOP: checked\nTEMP-0000000-0CA7E3 (y)\n\t[bullseye] - rocket 2\n";
    let records = json_records("debian", text.as_bytes());
    assert_eq!(records.len(), 2);
    assert!(rejected("debian", text.as_bytes()).is_empty());
    assert_eq!(records[1]["id"], "TEMP-0000000-0CA7E3");
    assert!(records[1]["upstream"].is_null());
}
