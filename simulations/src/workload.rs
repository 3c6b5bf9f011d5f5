//! The publications of sites: small advisories that change at times.

use starling_protocol::{RecordId, Source};

use crate::scenario::Traffic;

/// The sources about which authors make claims.
const SOURCES: [&str; 3] = ["ghsa", "osv", "pypa"];

/// Records by id, with their canonical bodies.
pub(crate) type Records = Vec<(RecordId, Vec<u8>)>;

/// Draws one publication of an author.
pub(crate) fn publication(
    traffic: &Traffic,
    author: usize,
    rng: &mut fastrand::Rng,
) -> Option<(Source, Records)> {
    let source: Source = SOURCES[rng.usize(0..SOURCES.len())].parse().ok()?;
    let mut records = std::collections::BTreeMap::new();
    for _ in 0..traffic.records.draw(rng) {
        let number = rng.u64(0..traffic.ids);
        // Half of the ids are shared, so that several sites make claims about the same records.
        let name = if number.is_multiple_of(2) {
            format!("SIM-{number}")
        } else {
            format!("SIM-{author}-{number}")
        };
        let length = traffic.text_bytes.draw(rng);
        let text: String = (0..length).map(|_| char::from(b'a' + rng.u8(0..26))).collect();
        // Only keys in order: the canonical form.
        let body = format!(
            r#"{{"affected":[{{"package":{{"ecosystem":"PyPI","name":"sim-{number}"}},"ranges":[]}}],"details":"{text}","id":"{name}"}}"#
        );
        records.insert(name.parse().ok()?, body.into_bytes());
    }
    Some((source, records.into_iter().collect()))
}
