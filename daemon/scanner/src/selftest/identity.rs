//! Package URLs, compared with the specification's own cases, and their mapping to OSV packages with osv.dev's.

use serde_json::Value;

use super::{SuiteFiles, Tally, rows, text};
use crate::name::{ecosystem_base, normalise_name};
use crate::purl::osv::{package_of, purl_of};
use crate::purl::{PackageUrl, PurlParts};

fn parts(value: &Value) -> PurlParts<'_> {
    let field = |key: &str| value[key].as_str();
    PurlParts {
        ty: text(value, "type"),
        namespace: field("namespace"),
        name: text(value, "name"),
        version: field("version"),
        qualifiers: value["qualifiers"]
            .as_object()
            .into_iter()
            .flatten()
            .filter_map(|(k, v)| Some((k.as_str(), v.as_str()?)))
            .collect(),
        subpath: field("subpath"),
    }
}

fn same(purl: &PackageUrl, expected: &Value) -> bool {
    let mut parts = parts(expected);
    parts.qualifiers.sort_unstable();
    purl.ty() == parts.ty
        && purl.namespace() == parts.namespace
        && purl.name() == parts.name
        && purl.version() == parts.version
        && purl.subpath() == parts.subpath
        && purl.qualifiers().eq(parts.qualifiers)
}

pub(super) fn purl_spec(suite: &SuiteFiles, tally: &mut Tally) {
    for (name, bytes) in suite.files().filter(|(name, _)| name.contains("/tests/")) {
        let table: Value = serde_json::from_slice(bytes).unwrap_or(Value::Null);
        if !table["tests"].is_array() {
            tally.check(false, || format!("{name} has no tests"));
        }
        for case in rows(&table["tests"]) {
            let (input, expected) = (&case["input"], &case["expected_output"]);
            let given = input.as_str().unwrap_or("");
            let is_expected_text = |purl: &PackageUrl| Some(purl.to_string().as_str()) == expected.as_str();
            // `None` if it is refused, else true if the result is that of the case.
            let found = match text(case, "test_type") {
                "parse" => PackageUrl::parse(given).ok().map(|purl| same(&purl, expected)),
                "build" => PackageUrl::build(&parts(input))
                    .ok()
                    .as_ref()
                    .map(is_expected_text),
                // "validate" parses and writes again; the recommended cases read non-canonical texts.
                "validate" => PackageUrl::parse_lenient(given)
                    .ok()
                    .as_ref()
                    .map(is_expected_text),
                _ => Some(false),
            };
            let passed = match case["expected_failure"].as_bool() {
                Some(true) => found.is_none(),
                Some(false) => found == Some(true),
                None => false,
            };
            tally.check(passed, || case.to_string());
        }
    }
}

pub(super) fn osv_purl_map(suite: &SuiteFiles, tally: &mut Tally) {
    for case in rows(&suite.json("purl_helpers.json")) {
        let arg = |i: usize| text(&case["args"], i);
        let expected = &case["expected"];
        if text(case, "fn") == "package_to_purl" {
            let found = purl_of(arg(0), arg(1)).map(|purl| purl.to_string());
            tally.check(found.as_deref() == expected.as_str(), || {
                format!("{case}: {found:?}")
            });
            continue;
        }
        let Ok(purl) = PackageUrl::parse_lenient(arg(0)) else {
            tally.check(false, || format!("{case}: the URL is refused"));
            continue;
        };
        let found = package_of(&purl);
        // Theirs has no release suffix and keeps the spelling; ours adds the suffix and folds the spelling.
        let passed = match (&found, expected.is_null()) {
            (None, absent) => absent,
            (Some(_), true) => false,
            (Some(package), false) => {
                let ecosystem = text(expected, 0);
                ecosystem_base(&package.ecosystem) == ecosystem
                    && package.name == normalise_name(ecosystem, text(expected, 1))
                    && purl.version() == expected[2].as_str()
            }
        };
        tally.check(passed, || format!("{case}: {found:?}"));
    }
}
