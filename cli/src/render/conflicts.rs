//! Renders records about which authors disagree.

use starling_api_types::{ConflictList, RecordConflict};

use super::table::Table;
use super::{Lines, author, cut, moment, or_dash, section};

/// Widest content summary.
const SUMMARY_WIDTH: usize = 60;

/// Renders `starling conflicts list`.
pub(crate) fn conflicts(list: &ConflictList) -> String {
    if list.conflicts.is_empty() {
        return "no record waits for a decision, and none was decided".to_owned();
    }
    let mut table = Table::new(["SOURCE", "RECORD", "STATE", "CLAIMS", "DECIDED BY"]).numbers(&["CLAIMS"]);
    for conflict in &list.conflicts {
        table.row([
            conflict.source.to_string(),
            conflict.record.clone(),
            conflict.state.as_str().to_owned(),
            conflict.claims.len().to_string(),
            or_dash(conflict.decision.as_ref().map(|decision| &decision.by)),
        ]);
    }
    table.to_string()
}

/// Renders `starling conflicts show` and `resolve`.
pub(crate) fn conflict(conflict: &RecordConflict) -> String {
    let mut lines = Lines::default()
        .add("record", format!("{} {}", conflict.source, conflict.record))
        .add("state", conflict.state.as_str());
    if let Some(decision) = &conflict.decision {
        lines = lines
            .add("decided for", decision.content)
            .add("by", format!("{} at {}", decision.by, decision.decided_at))
            .add("reason", &decision.reason);
    }
    let mut text = lines.to_string();
    // `conflicts resolve --content` needs the complete hash.
    let mut claims = Table::new(["SITE", "CLAIMED AT", "CONTENT", "SUMMARY"])
        .shrinks("SUMMARY", 16)
        .never_cuts("CONTENT");
    for claim in &conflict.claims {
        let summary = claim.summary.as_deref().unwrap_or("-");
        let withdrawn = if claim.withdrawn { "withdrawn: " } else { "" };
        claims.row([
            author(claim.site_id.as_ref(), &claim.site),
            moment(claim.claimed_at),
            claim
                .content
                .map_or_else(|| "absent".to_owned(), |content| content.to_string()),
            cut(&format!("{withdrawn}{summary}"), SUMMARY_WIDTH),
        ]);
    }
    section(&mut text, "Claims", &claims);
    text
}
