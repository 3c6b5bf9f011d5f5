//! What the name of a file or of a part of a document says about the record in it.

use starling_protocol::RecordId;

use super::super::feed_runs::document_of;
/// Returns true if a name is that of a line of NDJSON or of a part of a document: the same name may have another record in
/// the next input.
pub(super) fn is_part(name: &str) -> bool {
    document_of(name).is_some()
}

/// Returns the record id that a file's name stands for: its stem, as in OSV feeds.
pub(in crate::service) fn id_of_file(name: &str) -> Option<RecordId> {
    let file = name.rsplit('/').next()?;
    let stem = file.rsplit_once('.').map_or(file, |(stem, _)| stem);
    stem.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn record_id_is_the_stem_of_the_file_name() {
        assert_eq!(
            id_of_file("vulns/x/PYSEC-2021-1.yaml").unwrap().as_str(),
            "PYSEC-2021-1"
        );
        assert_eq!(id_of_file("ALSA-2025:1.json").unwrap().as_str(), "ALSA-2025:1");
    }
}
