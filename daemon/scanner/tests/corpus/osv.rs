//! Every advisory of the corpus is readable, and its enumerated versions match it.

use starling_scanner::matching::{Subject, evaluate};
use starling_scanner::osv::Record;

use crate::support::{Tally, archive};

const ARCHIVES: [&str; 9] = [
    "rustsec-osv",
    "bitnami",
    "almalinux",
    "julia",
    "drupal",
    "haskell",
    "homebrew",
    "psf",
    "osvdev-20250228-go-hex-upto2022",
];

#[test]
fn enumerated_versions_of_every_record_are_affected() {
    let mut tally = Tally::default();
    for name in ARCHIVES {
        let Some(files) = archive(&format!("advisories/{name}")) else {
            return;
        };
        for (path, bytes) in files.files().filter(|(path, _)| path.ends_with(".json")) {
            let record = match Record::from_json(bytes) {
                Ok(record) => record,
                Err(error) => {
                    tally.check(false, || format!("{path}: {error:?}"));
                    continue;
                }
            };
            for affected in &record.affected {
                let ecosystem = affected.package.as_ref().map_or("", |p| p.ecosystem.as_str());
                let hit = |version: &str| evaluate(affected, &Subject::new(ecosystem, version)).is_affected();
                // The first and the last are enough: some records list thousands.
                let listed = [affected.versions.first(), affected.versions.last()];
                let missed = listed.into_iter().flatten().find(|version| !hit(&version.0));
                tally.check(missed.is_none(), || format!("{path}: {missed:?}"));
            }
        }
    }
    tally.finish("advisories", 80_000);
}
