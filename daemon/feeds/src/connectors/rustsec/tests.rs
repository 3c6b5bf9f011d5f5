use super::super::Kind;
use super::super::tests::{ignored, json_records, ranges, rejected, warnings};

/// Returns an advisory with these lists of versions.
fn advisory(versions: &str) -> String {
    format!(
        "```toml\n[advisory]\nid = \"RUSTSEC-2030-0001\"\npackage = \"rocket\"\naliases = [\"CVE-2030-0001\"]\ndate = \"2030-03-01\"\n\
         url = \"https://example.org/i\"\nkeywords = [\"memory\"]\ncvss = \"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H\"\n\n\
         [versions]\n{versions}\n```\n\n# Rocket burns\n\nIt does.\n\n```\ncode\n```\n"
    )
}

#[test]
fn advisory_becomes_a_record_of_a_crate() {
    let text = advisory("patched = [\">= 0.6.1\"]");
    assert_eq!(Kind::detect(text.as_bytes()).map(Kind::name), Some("rustsec"));
    let record = &json_records("rustsec", text.as_bytes())[0];
    assert_eq!(record["id"], "RUSTSEC-2030-0001");
    assert_eq!(record["summary"], "Rocket burns");
    assert_eq!(record["details"], "It does.\n\n```\ncode\n```");
    assert_eq!(record["published"], "2030-03-01T00:00:00Z");
    assert_eq!(record["severity"][0]["type"], "CVSS_V3");
    assert_eq!(record["affected"][0]["ranges"][0]["type"], "SEMVER");
    assert_eq!(
        record["database_specific"]["native"]["advisory"]["keywords"][0],
        "memory"
    );
}

/// The category says that a crate is malicious, which rates the finding.
#[test]
fn categories_of_a_crate_are_kept_with_it() {
    let text = advisory("patched = []").replace("keywords =", "categories = [\"malicious\"]\nkeywords =");
    let record = &json_records("rustsec", text.as_bytes())[0];
    assert_eq!(
        record["affected"][0]["database_specific"]["categories"],
        serde_json::json!(["malicious"])
    );
}

#[test]
fn versions_neither_patched_nor_unaffected_are_affected() {
    for (versions, expected) in [
        ("patched = [\">= 0.6.1\"]", "introduced=0.0.0-0 fixed=0.6.1"),
        ("patched = []", "introduced=0.0.0-0"),
        (
            "patched = [\">= 2.0.0\"]\nunaffected = [\"< 1.2\"]",
            "introduced=1.2.0 fixed=2.0.0",
        ),
        (
            "patched = [\"^1.2.3\", \">= 2.1.0\"]",
            "introduced=0.0.0-0 fixed=1.2.3 introduced=2.0.0-0 fixed=2.1.0",
        ),
        (
            "patched = [\">= 1.0.5, < 1.1.0\", \">= 1.1.2\"]",
            "introduced=0.0.0-0 fixed=1.0.5 introduced=1.1.0 fixed=1.1.2",
        ),
        (
            "patched = [\"~0.3.4\", \"> 0.4.1\"]",
            "introduced=0.0.0-0 fixed=0.3.4 introduced=0.4.0-0 fixed=0.4.2-0",
        ),
        ("unaffected = [\"<= 1.0.0\"]", "introduced=1.0.1-0"),
        (
            "patched = [\"= 1.0.0\"]",
            "introduced=0.0.0-0 fixed=1.0.0 introduced=1.0.1-0",
        ),
        (
            "patched = [\">= 1.0.0-rc.2\", \"= 1.0.0-beta.11\"]",
            "introduced=0.0.0-0 fixed=1.0.0-beta.11 introduced=1.0.0-beta.11.0 fixed=1.0.0-rc.2",
        ),
        ("unaffected = [\"> 0\"]", "introduced=0.0.0-0 fixed=0.0.1-0"),
        (
            "patched = [\"0.9.*\"]",
            "introduced=0.0.0-0 fixed=0.9.0 introduced=0.10.0-0",
        ),
    ] {
        let record = &json_records("rustsec", advisory(versions).as_bytes())[0];
        assert_eq!(
            ranges(record),
            [format!("crates.io rocket {expected}")],
            "{versions}"
        );
    }
    assert!(warnings("rustsec", advisory("patched = [\"banana\"]").as_bytes())[0].contains("banana"));
}

#[test]
fn broken_front_matter_is_refused() {
    for (text, why) in [
        ("```toml\n[advisory]\n", "expected a block"),
        ("```toml\n[advisory\n```\n", "reading TOML"),
        ("```toml\n[advisory]\nid = \"X\"\n```\n", "not the id"),
        (
            "```toml\n[advisory]\nid = \"RUSTSEC-../1\"\npackage = \"p\"\n```\n",
            "parts of a path",
        ),
    ] {
        assert!(rejected("rustsec", text.as_bytes())[0].contains(why), "{text}");
    }
}

#[test]
fn lines_may_end_as_on_windows() {
    let text = advisory("patched = [\">= 0.6.1\"]");
    let records = json_records("rustsec", text.replace('\n', "\r\n").as_bytes());
    assert_eq!(
        ranges(&records[0]),
        ranges(&json_records("rustsec", text.as_bytes())[0])
    );
}

#[test]
fn lists_of_early_formats_are_read_and_others_reported() {
    let text = advisory("").replace(
        "[versions]",
        "patched_versions = [\">= 2.0.0\"]\nunaffected_versions = [\"< 1.0.0\"]",
    );
    let records = json_records("rustsec", text.as_bytes());
    assert_eq!(
        ranges(&records[0]),
        ["crates.io rocket introduced=1.0.0 fixed=2.0.0"]
    );
    for versions in ["patched = \">= 2.0.0\"", "patched = [2.0]"] {
        let text = advisory(versions);
        let records = json_records("rustsec", text.as_bytes());
        assert_eq!(ranges(&records[0]), ["crates.io rocket introduced=0.0.0-0"]);
        assert_eq!(
            warnings("rustsec", text.as_bytes()),
            ["patched: expected a list of requirements"]
        );
    }
}

#[test]
fn template_is_not_an_advisory() {
    let text = advisory("patched = []").replace("RUSTSEC-2030-0001", "RUSTSEC-0000-0000");
    assert_eq!(
        ignored("rustsec", text.as_bytes()),
        [": the template of an advisory"]
    );
}

#[test]
fn yanked_advisory_is_withdrawn() {
    let of = |line: &str| advisory("patched = []").replace("keywords", &format!("{line}\nkeywords"));
    let withdrawn = |text: &str| json_records("rustsec", text.as_bytes())[0]["withdrawn"].clone();
    assert_eq!(withdrawn(&of("yanked = true")), "2030-03-01T00:00:00Z");
    assert!(withdrawn(&of("yanked = false")).is_null());
    let both = of("yanked = true\nwithdrawn = \"2030-04-01\"");
    assert_eq!(withdrawn(&both), "2030-04-01T00:00:00Z");
    assert_eq!(
        warnings("rustsec", of("yanked = true").as_bytes()),
        ["the advisory is taken back without a time"]
    );
}

#[test]
fn advisories_of_the_first_years_are_toml() {
    let text = "# old\n[advisory]\nid = \"RUSTSEC-2030-0002\"\npackage = \"rocket\"\ndate = \"2030-03-01\"\ntitle = \"Rocket burns\"\n\
                description = \"\"\"\nIt does.\n\"\"\"\npatched_versions = [\">= 1.2.0\"]\ndwf = [\"CVE-2030-0002\"]\n";
    assert_eq!(Kind::detect(text.as_bytes()).map(Kind::name), Some("rustsec"));
    let record = &json_records("rustsec", text.as_bytes())[0];
    assert_eq!(record["summary"], "Rocket burns");
    assert_eq!(record["details"], "It does.");
    assert_eq!(record["aliases"], serde_json::json!(["CVE-2030-0002"]));
    assert_eq!(
        ranges(record),
        ["crates.io rocket introduced=0.0.0-0 fixed=1.2.0"]
    );
    let table = text.replace("# old\n[advisory]", "[[advisory]]");
    let all = format!("{table}\n{}", table.replace("0002", "0003"));
    assert_eq!(Kind::detect(all.as_bytes()).map(Kind::name), Some("rustsec"));
    let records = json_records("rustsec", all.as_bytes());
    assert_eq!(records[0], *record);
    assert_eq!(records[1]["id"], "RUSTSEC-2030-0003");
    let other = "[advisories]\nignore = [\"RUSTSEC-2030-0002\"]\n";
    assert_eq!(
        Kind::detect(other.as_bytes()),
        None,
        "the configuration of a tool"
    );
}

#[test]
fn single_names_are_read_and_other_values_reported() {
    let text = advisory("patched = []").replace("[\"CVE-2030-0001\"]", "\"CVE-2030-0001\"");
    let record = &json_records("rustsec", text.as_bytes())[0];
    assert_eq!(record["aliases"], serde_json::json!(["CVE-2030-0001"]));
    let text = advisory("patched = []")
        .replace("[\"CVE-2030-0001\"]", "[\"CVE-2030-0001\", 7]\nrelated = 7")
        .replace(
            "cvss = \"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H\"",
            "cvss = 9.8",
        );
    let record = &json_records("rustsec", text.as_bytes())[0];
    assert_eq!(record["aliases"], serde_json::json!(["CVE-2030-0001"]));
    assert_eq!(
        warnings("rustsec", text.as_bytes()),
        [
            "aliases: expected a list of texts",
            "related: expected a list of texts",
            "not a CVSS vector: \"9.8\""
        ]
    );
}

#[test]
fn advisory_about_the_language_has_no_entry() {
    let of = |text: &str, name: &str| {
        let mut found = Vec::new();
        let kind: Kind = "rustsec".parse().unwrap();
        kind.read(text.as_bytes(), name, &mut |part| {
            if let crate::osv::Outcome::Record(record) = part.outcome {
                let warned: Vec<String> = record.warnings.iter().map(ToString::to_string).collect();
                found.push((
                    record.id.to_string(),
                    record.about.ecosystems.len(),
                    warned.concat(),
                ));
            }
        });
        found.remove(0)
    };
    let text = advisory("patched = []");
    let warned = "rocket is not a crate, and has no entry".to_owned();
    let named = text.replace("id = \"RUSTSEC-2030-0001\"", "id = \"CVE-2030-0001\"");
    assert_eq!(
        of(&named, "x.md"),
        ("CVE-2030-0001".to_owned(), 0, warned.clone())
    );
    let id = "RUSTSEC-2030-0001".to_owned();
    let part = text.replace("\"rocket\"", "\"cargo\"");
    let of_part = "cargo is not a crate, and has no entry".to_owned();
    assert_eq!(
        of(&part, "advisory-db-main/rust/cargo/x.md"),
        (id.clone(), 0, of_part)
    );
    let stated = text.replace("date =", "collection = \"rust\"\ndate =");
    assert_eq!(of(&stated, "x.md"), (id.clone(), 0, warned));
    for (text, name) in [
        (&text, "crates/rocket/x.md"),
        (&text, "rust/rocket/x.md"),
        (&part, "crates/cargo/x.md"),
        (&text, "crates/rust/x.md"),
        (
            &part.replace("date =", "collection = \"crates\"\ndate ="),
            "rust/cargo/x.md",
        ),
    ] {
        assert_eq!(of(text, name), (id.clone(), 1, String::new()), "{name}");
    }
}

#[test]
fn affected_functions_are_listed_as_in_rustsec_records() {
    let text = advisory("patched = []").replace(
        "[versions]",
        "[affected]\nos = [\"windows\"]\nfunctions = { \"rocket::launch\" = [\"< 1.0.0\"] }\n[versions]",
    );
    let record = &json_records("rustsec", text.as_bytes())[0];
    assert_eq!(
        record["affected"][0]["ecosystem_specific"]["affects"],
        serde_json::json!({"arch": [], "functions": ["rocket::launch"], "os": ["windows"]})
    );
}
