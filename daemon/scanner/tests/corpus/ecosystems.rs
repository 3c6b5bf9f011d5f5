//! The mapping between package URLs and OSV packages against osv.dev's own tests.

use starling_scanner::name::{ecosystem_base, normalise_name};
use starling_scanner::purl::PackageUrl;
use starling_scanner::purl::osv::{package_of, purl_of};

use crate::support::{Tally, archive};

#[test]
fn osv_purl_map() {
    let Some(suite) = archive("suites/osv-purl-map") else {
        return;
    };
    let mut tally = Tally::default();
    for case in suite.json("purl_helpers.json").as_array().unwrap() {
        let arg = |i: usize| case["args"][i].as_str().unwrap();
        match case["fn"].as_str().unwrap() {
            "package_to_purl" => {
                let found = purl_of(arg(0), arg(1)).map(|purl| purl.to_string());
                tally.check(found.as_deref() == case["expected"].as_str(), || {
                    format!("{case}: {found:?}")
                });
            }
            _ => {
                let purl = PackageUrl::parse_lenient(arg(0)).unwrap();
                let found = package_of(&purl);
                let expected = &case["expected"];
                // Theirs has no release suffix and keeps the spelling; ours adds the one and folds the other.
                let passed = match (&found, expected.is_null()) {
                    (None, absent) => absent,
                    (Some(_), true) => false,
                    (Some(package), false) => {
                        let ecosystem = expected[0].as_str().unwrap();
                        ecosystem_base(&package.ecosystem) == ecosystem
                            && package.name == normalise_name(ecosystem, expected[1].as_str().unwrap())
                            && purl.version() == expected[2].as_str()
                    }
                };
                tally.check(passed, || format!("{case}: {found:?}"));
            }
        }
    }
    tally.finish("osv-purl-map", 94);
}
