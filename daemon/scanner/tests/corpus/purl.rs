//! Package URLs against the specification's own cases.

use serde_json::Value;
use starling_scanner::purl::{PackageUrl, PurlParts};

use crate::support::{Tally, archive};

fn parts(value: &Value) -> PurlParts<'_> {
    let field = |key: &str| value[key].as_str();
    PurlParts {
        ty: field("type").unwrap_or(""),
        namespace: field("namespace"),
        name: field("name").unwrap_or(""),
        version: field("version"),
        qualifiers: value["qualifiers"]
            .as_object()
            .map(|map| {
                map.iter()
                    .filter_map(|(k, v)| Some((k.as_str(), v.as_str()?)))
                    .collect()
            })
            .unwrap_or_default(),
        subpath: field("subpath"),
    }
}

fn same(purl: &PackageUrl, expected: &Value) -> bool {
    let parts = parts(expected);
    let mut qualifiers = parts.qualifiers.clone();
    qualifiers.sort_unstable();
    purl.ty() == parts.ty
        && purl.namespace() == parts.namespace
        && purl.name() == parts.name
        && purl.version() == parts.version
        && purl.subpath() == parts.subpath
        && purl.qualifiers().collect::<Vec<_>>() == qualifiers
}

#[test]
fn purl_spec() {
    let Some(suite) = archive("suites/purl-spec") else {
        return;
    };
    let mut tally = Tally::default();
    for (name, bytes) in suite.files().filter(|(name, _)| name.contains("/tests/")) {
        let table: Value = serde_json::from_slice(bytes).unwrap_or_else(|e| panic!("{name}: {e}"));
        for case in table["tests"].as_array().unwrap() {
            let must_fail = case["expected_failure"].as_bool().unwrap();
            let input = &case["input"];
            let passed = match case["test_type"].as_str().unwrap() {
                "parse" => match PackageUrl::parse(input.as_str().unwrap()) {
                    Ok(purl) => !must_fail && same(&purl, &case["expected_output"]),
                    Err(_) => must_fail,
                },
                "build" => match PackageUrl::build(&parts(input)) {
                    Ok(purl) => {
                        !must_fail && Some(purl.to_string().as_str()) == case["expected_output"].as_str()
                    }
                    Err(_) => must_fail,
                },
                // "validate" reads and writes again; the recommended cases read what is not canonical.
                "validate" => match PackageUrl::parse_lenient(input.as_str().unwrap()) {
                    Ok(purl) => {
                        !must_fail && Some(purl.to_string().as_str()) == case["expected_output"].as_str()
                    }
                    Err(_) => must_fail,
                },
                other => panic!("{other}"),
            };
            tally.check(passed, || case.to_string());
        }
    }
    tally.finish("purl-spec", 586);
}
