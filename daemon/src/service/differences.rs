//! Peers whose copy of a log differs from this site's copy, up to the same claim.

use starling_api_types as types;
use starling_sync::{LogKey, TipDifference};

use super::SiteParts;
use crate::sync_task::Difference;

impl SiteParts {
    /// Returns the logs whose copies at peers differ, as last compared. Only a daemon compares.
    pub(crate) fn differences(&self) -> Vec<types::LogDifference> {
        let found = self.live.peer_status.differences();
        let shown = found.iter().map(|((peer, log), found)| types::LogDifference {
            peer: self.slug_of(peer),
            author: self.slug_of(&log.0),
            site: log.0.into(),
            lane: log.1.into(),
            number: found.number.0,
            difference: self.difference_text(peer, log, found),
            found_at: found.found_at.into(),
        });
        shown.collect()
    }

    /// Describes how a peer's log and this site's differ, and what to do.
    pub(crate) fn difference_text(
        &self,
        peer: &starling_protocol::SiteId,
        log: &LogKey,
        found: &Difference,
    ) -> String {
        let name = |site: &starling_protocol::SiteId| {
            self.slug_of(site)
                .map_or_else(|| site.to_string(), |slug| slug.to_string())
        };
        let (peer, author, number) = (name(peer), name(&log.0), found.number);
        let what = match found.what {
            TipDifference::History => format!(
                "{peer} says that it holds another history of {author}, and has not proven it: ask its operator. If the author \
                 signed two, a fork proof follows and the author is frozen"
            ),
            TipDifference::RowsHere => format!(
                "this site's rows of {author} do not add up to the root that its last delta signs, and those of {peer} \
                 may: run `starling doctor --rebuild` here"
            ),
            TipDifference::RowsThere => format!(
                "the rows of {author} at {peer} do not add up to the root that its last delta signs, and those here do: \
                 run `starling doctor --rebuild` there"
            ),
        };
        format!("both hold claim {number}, and {what}")
    }
}
