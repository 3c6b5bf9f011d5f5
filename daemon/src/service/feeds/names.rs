//! What the name of a file or of a part of a document says about the record in it.

use starling_protocol::RecordId;

use super::super::feed_runs::document_of;
/// Returns true if a name is of a line of NDJSON or of a part of a document: it may hold another record next time.
pub(super) fn is_part(name: &str) -> bool {
    document_of(name).is_some()
}

/// The record id that a file's name stands for: its stem. OSV feeds name their files so.
pub(in crate::service) fn id_of_file(name: &str) -> Option<RecordId> {
    let file = name.rsplit('/').next()?;
    let stem = file.rsplit_once('.').map_or(file, |(stem, _)| stem);
    stem.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_files_name_tells_which_record_it_was_meant_to_hold() {
        assert_eq!(
            id_of_file("vulns/x/PYSEC-2021-1.yaml").unwrap().as_str(),
            "PYSEC-2021-1"
        );
        assert_eq!(id_of_file("ALSA-2025:1.json").unwrap().as_str(), "ALSA-2025:1");
    }
}
