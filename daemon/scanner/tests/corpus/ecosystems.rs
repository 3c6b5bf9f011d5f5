//! The ecosystems of the published OSV schema are exactly those that this program knows.

use std::collections::BTreeSet;

use serde_json::Value;
use starling_scanner::ecosystem::ECOSYSTEMS;

use crate::support::archive;

#[test]
fn known_ecosystems_are_those_of_the_schema() {
    let Some(files) = archive("suites/osv-schema") else {
        return;
    };
    let ours: BTreeSet<String> = ECOSYSTEMS.iter().map(|known| known.name.to_owned()).collect();
    let schema: Value = serde_json::from_slice(files.bytes("validation/schema.json")).unwrap();
    let named = schema["$defs"]["ecosystemName"]["enum"].as_array().unwrap();
    let named: BTreeSet<String> = named
        .iter()
        .map(|name| name.as_str().unwrap().to_owned())
        .collect();
    assert_eq!(ours, named);
    let described: Value = serde_json::from_slice(files.bytes("osv-schema/ecosystems.json")).unwrap();
    let described: BTreeSet<String> = described.as_object().unwrap().keys().cloned().collect();
    assert_eq!(ours, described);
}
