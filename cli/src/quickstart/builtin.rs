//! The built-in advisories and the sample SBOM that `starling quickstart` works with.
//!
//! Fifty OSV-schema records of well-known, real vulnerabilities, written for this purpose from public facts and grouped
//! by the source that they imitate. They show typical cases of a feed: one flaw in two sources (Log4Shell in `ghsa` and
//! `nvd`), two sources that disagree (the score of CVE-2020-11023), one flaw in three ecosystems (Terrapin), malware
//! without a CVE or a score. They are an example, not a feed: nobody updates them.

/// One embedded record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Advisory {
    /// The source to import it under, such as `ghsa`; also the folder's name.
    pub(crate) source: &'static str,
    /// The OSV `id`; also the file's name without `.json`.
    pub(crate) id: &'static str,
    /// The OSV document as a person writes it: indented, not canonical.
    pub(crate) json: &'static str,
}

/// Returns all embedded records, sorted by source and id; each pair of source and id is unique.
pub(crate) const fn advisories() -> &'static [Advisory] {
    ADVISORIES
}

/// A CycloneDX 1.6 SBOM that has vulnerable, fixed, unknown and version-less components.
pub(crate) const SAMPLE_SBOM: &str = include_str!("sample-sbom.json");

macro_rules! advisory {
    ($source:literal, $id:literal) => {
        Advisory {
            source: $source,
            id: $id,
            json: include_str!(concat!("advisories/", $source, "/", $id, ".json")),
        }
    };
}

const ADVISORIES: &[Advisory] = &[
    advisory!("alpine", "ALPINE-CVE-2018-25032"),
    advisory!("debian", "DSA-2896-1"),
    advisory!("debian", "DSA-3032-1"),
    advisory!("debian", "DSA-4839-1"),
    advisory!("debian", "DSA-5514-1"),
    advisory!("debian", "DSA-5649-1"),
    advisory!("ghsa", "GHSA-333g-rpr4-7hxq"),
    advisory!("ghsa", "GHSA-35jh-r3h4-6jhm"),
    advisory!("ghsa", "GHSA-36p3-wjmg-h94x"),
    advisory!("ghsa", "GHSA-4374-p667-p6c8"),
    advisory!("ghsa", "GHSA-45x7-px36-x8w8"),
    advisory!("ghsa", "GHSA-4rgh-jx4f-qfcq"),
    advisory!("ghsa", "GHSA-599f-7c49-w659"),
    advisory!("ghsa", "GHSA-5crp-9r3c-p9vr"),
    advisory!("ghsa", "GHSA-67hx-6x53-jw92"),
    advisory!("ghsa", "GHSA-7rjr-3q55-vv33"),
    advisory!("ghsa", "GHSA-86g5-2wh3-gc9j"),
    advisory!("ghsa", "GHSA-cr5j-953j-xw5p"),
    advisory!("ghsa", "GHSA-ghhp-997w-qr28"),
    advisory!("ghsa", "GHSA-h5c8-rqwp-cp95"),
    advisory!("ghsa", "GHSA-hrpp-h998-j3pp"),
    advisory!("ghsa", "GHSA-hxqx-xwvh-44m2"),
    advisory!("ghsa", "GHSA-j8r2-6x86-q33q"),
    advisory!("ghsa", "GHSA-jf85-cpcp-j695"),
    advisory!("ghsa", "GHSA-jfh8-c2jp-5v3q"),
    advisory!("ghsa", "GHSA-jpcq-cgw6-v4j6"),
    advisory!("ghsa", "GHSA-m5pq-gvj9-9vr8"),
    advisory!("ghsa", "GHSA-mh6f-8j2x-4483"),
    advisory!("ghsa", "GHSA-p8f7-22gq-m7j9"),
    advisory!("ghsa", "GHSA-pjwm-rvh2-c87w"),
    advisory!("ghsa", "GHSA-ppp9-7jff-5vj2"),
    advisory!("ghsa", "GHSA-rv95-896h-c2vc"),
    advisory!("ghsa", "GHSA-xvch-5gv4-984h"),
    advisory!("go", "GO-2021-0113"),
    advisory!("go", "GO-2023-2102"),
    advisory!("haskell", "HSEC-2023-0001"),
    advisory!("nvd", "CVE-2016-10033"),
    advisory!("nvd", "CVE-2017-5638"),
    advisory!("nvd", "CVE-2017-9841"),
    advisory!("nvd", "CVE-2020-11023"),
    advisory!("nvd", "CVE-2021-3129"),
    advisory!("nvd", "CVE-2021-44228"),
    advisory!("pypa", "PYSEC-2021-142"),
    advisory!("pypa", "PYSEC-2022-190"),
    advisory!("pypa", "PYSEC-2023-192"),
    advisory!("pypa", "PYSEC-2023-62"),
    advisory!("pypa", "PYSEC-2023-74"),
    advisory!("rustsec", "RUSTSEC-2020-0071"),
    advisory!("rustsec", "RUSTSEC-2022-0013"),
    advisory!("rustsec", "RUSTSEC-2023-0044"),
];

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::path::Path;

    use serde_json::Value;

    use super::{SAMPLE_SBOM, advisories};

    fn parsed() -> Vec<(&'static str, &'static str, Value)> {
        advisories()
            .iter()
            .map(|a| {
                let value = serde_json::from_str(a.json)
                    .unwrap_or_else(|e| panic!("{}/{} is not JSON: {e}", a.source, a.id));
                (a.source, a.id, value)
            })
            .collect()
    }

    fn strings<'a>(value: &'a Value, key: &str) -> Vec<&'a str> {
        value[key]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect()
    }

    /// Returns true for RFC 3339 in UTC without fractions, the only form in these records.
    fn is_utc_time(text: &str) -> bool {
        text.len() == 20
            && text.bytes().enumerate().all(|(i, b)| match i {
                4 | 7 => b == b'-',
                10 => b == b'T',
                13 | 16 => b == b':',
                19 => b == b'Z',
                _ => b.is_ascii_digit(),
            })
    }

    #[test]
    fn table_lists_every_file_once_and_sorted() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/quickstart/advisories");
        let mut files = Vec::new();
        for source in std::fs::read_dir(root).expect("the folder is in the repository") {
            let source = source.expect("readable");
            for file in std::fs::read_dir(source.path()).expect("a folder per source") {
                let name = file.expect("readable").file_name().into_string().expect("UTF-8");
                let source = source.file_name().into_string().expect("UTF-8");
                files.push((source, name.strip_suffix(".json").expect("only JSON").to_owned()));
            }
        }
        files.sort();
        let table: Vec<_> = advisories()
            .iter()
            .map(|a| (a.source.to_owned(), a.id.to_owned()))
            .collect();
        assert_eq!(table, files);
    }

    #[test]
    fn every_record_matches_the_osv_schema() {
        for (source, id, record) in parsed() {
            let at = format!("{source}/{id}");
            assert_eq!(record["id"], id, "{at}");
            for key in ["schema_version", "summary", "details"] {
                assert!(record[key].as_str().is_some_and(|s| !s.is_empty()), "{at}: {key}");
            }
            for key in ["modified", "published"] {
                assert!(record[key].as_str().is_some_and(is_utc_time), "{at}: {key}");
            }
            assert!(
                record["summary"].as_str().is_some_and(|s| s.len() <= 120),
                "{at}: summary"
            );
            assert!(!record["references"].as_array().expect("list").is_empty(), "{at}");
            for reference in record["references"].as_array().expect("list") {
                assert!(
                    reference["url"]
                        .as_str()
                        .is_some_and(|u| u.starts_with("https://")),
                    "{at}"
                );
                assert!(reference["type"].is_string(), "{at}");
            }
            for severity in record["severity"].as_array().into_iter().flatten() {
                let (kind, score) = (severity["type"].as_str(), severity["score"].as_str());
                match (kind, score) {
                    (Some("CVSS_V3"), Some(vector)) => assert!(vector.starts_with("CVSS:3."), "{at}"),
                    (Some("CVSS_V2"), Some(vector)) => assert!(vector.starts_with("AV:"), "{at}"),
                    other => panic!("{at}: severity {other:?}"),
                }
            }
        }
    }

    #[test]
    fn every_affected_entry_has_package_and_versions() {
        for (source, id, record) in parsed() {
            let at = format!("{source}/{id}");
            let affected = record["affected"].as_array().expect("list");
            assert!(!affected.is_empty(), "{at}");
            for entry in affected {
                for key in ["ecosystem", "name", "purl"] {
                    assert!(
                        entry["package"][key].as_str().is_some_and(|s| !s.is_empty()),
                        "{at}: {key}"
                    );
                }
                let ranges = entry["ranges"].as_array();
                assert!(ranges.is_some() || !strings(entry, "versions").is_empty(), "{at}");
                for range in ranges.into_iter().flatten() {
                    let kind = range["type"].as_str();
                    assert!(matches!(kind, Some("SEMVER" | "ECOSYSTEM")), "{at}: {kind:?}");
                    // Introduced and fixed alternate: no interval is open or empty.
                    let events = range["events"].as_array().expect("list");
                    assert_eq!(events.len() % 2, 0, "{at}");
                    for pair in events.chunks(2) {
                        assert!(
                            pair[0]["introduced"].is_string() && pair[1]["fixed"].is_string(),
                            "{at}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn records_cover_ecosystems_sources_and_shared_flaws() {
        let records = parsed();
        let mut ecosystems = BTreeSet::new();
        let mut sources_of_cve: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
        for (source, id, record) in &records {
            for entry in record["affected"].as_array().expect("list") {
                let name = entry["package"]["ecosystem"].as_str().expect("text");
                ecosystems.insert(name.split(':').next().expect("never empty").to_owned());
            }
            for name in strings(record, "aliases").into_iter().chain([*id]) {
                if name.starts_with("CVE-") {
                    sources_of_cve.entry(name.to_owned()).or_default().insert(source);
                }
            }
        }
        assert!(ecosystems.len() >= 8, "{ecosystems:?}");
        assert!(sources_of_cve.len() >= 30, "{}", sources_of_cve.len());
        let shared: Vec<_> = sources_of_cve
            .iter()
            .filter(|(_, s)| s.len() > 1)
            .map(|(c, _)| c)
            .collect();
        assert!(shared.len() >= 5, "too little to merge: {shared:?}");
    }

    #[test]
    fn sample_sbom_has_a_component_of_each_kind() {
        let bom: Value = serde_json::from_str(SAMPLE_SBOM).expect("JSON");
        assert_eq!(bom["bomFormat"], "CycloneDX");
        let components = bom["components"].as_array().expect("list");
        assert!(components.len() >= 25);
        let mut refs = BTreeSet::new();
        for component in components {
            assert!(component["name"].is_string() && component["type"].is_string());
            assert!(
                refs.insert(component["bom-ref"].as_str().expect("text")),
                "bom-ref twice"
            );
        }
        let affected: BTreeSet<String> = parsed()
            .iter()
            .flat_map(|(_, _, r)| r["affected"].as_array().expect("list").clone())
            .map(|a| a["package"]["purl"].as_str().expect("text").to_owned())
            .collect();
        let purls: Vec<&str> = components.iter().filter_map(|c| c["purl"].as_str()).collect();
        let named = |purl: &str| affected.contains(purl.split(['@', '?']).next().expect("never empty"));
        assert!(
            purls.iter().any(|p| named(p)),
            "no component that an advisory names"
        );
        assert!(
            purls.iter().any(|p| !named(p)),
            "only components that an advisory names"
        );
        assert!(
            purls.iter().any(|p| !p.contains('@')),
            "no component without a version"
        );
        assert!(
            components.iter().any(|c| c["purl"].is_null()),
            "no component without a purl"
        );
    }
}
