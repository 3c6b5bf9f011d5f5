//! Losses of a restore: claims that reached a peer without their bodies, and that the site restated.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use starling_api_types as types;
use starling_protocol::{Source, UnixMillis};
use starling_store::Restated;

use crate::service::SiteParts;

/// Most records listed.
const NAMED: usize = 8;

/// Claims restated after a restore, because no site had their bodies; stored in the site's note.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Lost {
    /// The time of the restatement, in milliseconds.
    at: u64,
    /// Records set back to an earlier version.
    went_back: u64,
    /// Records that were retracted.
    retracted: u64,
    sources: BTreeSet<String>,
    named: Vec<String>,
}

impl Lost {
    /// Returns the losses of a restatement; `None` if there are none.
    pub(crate) fn of(restated: &Restated, at: UnixMillis) -> Option<Self> {
        if restated.is_empty() {
            return None;
        }
        Some(Self {
            at: at.as_millis(),
            went_back: restated.went_back,
            retracted: restated.retracted,
            sources: restated.sources.iter().map(ToString::to_string).collect(),
            named: restated.named.iter().map(ToString::to_string).collect(),
        })
    }

    /// Combines two losses.
    pub(crate) fn and(mut self, mut later: Self) -> Self {
        later.went_back = later.went_back.saturating_add(self.went_back);
        later.retracted = later.retracted.saturating_add(self.retracted);
        later.sources.append(&mut self.sources);
        later.named.append(&mut self.named);
        later.named.truncate(NAMED);
        later
    }

    /// Describes the losses in one sentence.
    pub(crate) fn text(&self) -> String {
        let records = self.went_back.saturating_add(self.retracted);
        let more = if records > self.named.len() as u64 {
            ", …"
        } else {
            ""
        };
        format!(
            "no site had the bodies of {records} claims: {} records were set back to their earlier version, and {} were \
             retracted ({}{more})",
            self.went_back,
            self.retracted,
            self.named.join(", ")
        )
    }
}

impl SiteParts {
    /// Returns the records that a restore lost and no complete import has brought back; `None` if there are none.
    pub(crate) fn lost_records(&self) -> Option<types::LostRecords> {
        let lost = self.identity.restore.lost()?;
        let is_back = |name: &String| {
            let source = name.parse::<Source>().ok();
            let feed = source.and_then(|source| self.data.store.feed(&source).ok().flatten());
            let checked = feed.and_then(|feed| feed.checked_at);
            checked.is_some_and(|at| at.as_millis() > lost.at)
        };
        let sources: Vec<String> = lost
            .sources
            .iter()
            .filter(|name| !is_back(name))
            .cloned()
            .collect();
        let first = sources.first()?;
        let advice = format!(
            "import the sources completely again, for example with `starling feeds import PATH --source {first} --complete`"
        );
        Some(types::LostRecords {
            since: UnixMillis::saturating(lost.at).into(),
            went_back: lost.went_back,
            retracted: lost.retracted,
            what: lost.text(),
            sources,
            advice,
        })
    }
}
