//! What was lost with a home: claims that reached a peer without their bodies, and that the site said anew.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use starling_api_types as types;
use starling_protocol::{Source, UnixMillis};
use starling_store::Restated;

use crate::service::SiteParts;

/// Records that are named.
const NAMED: usize = 8;

/// What a site said anew after a restore, because nobody had the bodies that its claims named; kept in its note.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Lost {
    /// When it did, in milliseconds.
    at: u64,
    /// Records that are as the site had them before.
    went_back: u64,
    /// Records that were retracted.
    retracted: u64,
    sources: BTreeSet<String>,
    named: Vec<String>,
}

impl Lost {
    /// What a restatement lost; none if that is nothing.
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

    /// Both losses as one.
    pub(crate) fn and(mut self, mut later: Self) -> Self {
        later.went_back = later.went_back.saturating_add(self.went_back);
        later.retracted = later.retracted.saturating_add(self.retracted);
        later.sources.append(&mut self.sources);
        later.named.append(&mut self.named);
        later.named.truncate(NAMED);
        later
    }

    /// Says what was lost, in one sentence.
    pub(crate) fn text(&self) -> String {
        let records = self.went_back.saturating_add(self.retracted);
        let more = if records > self.named.len() as u64 {
            ", …"
        } else {
            ""
        };
        format!(
            "nobody had the bodies of {records} claims: {} records are as this site had them before, and {} were \
             retracted ({}{more})",
            self.went_back,
            self.retracted,
            self.named.join(", ")
        )
    }
}

impl SiteParts {
    /// Records that a restore lost and no full import brought back since; none if there are none.
    pub(crate) fn lost_records(&self) -> Option<types::LostRecords> {
        let lost = self.restore.lost()?;
        let is_back = |name: &String| {
            let source = name.parse::<Source>().ok();
            let feed = source.and_then(|source| self.store.feed(&source).ok().flatten());
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
            "take the sources in as a whole again, such as by `starling feeds import PATH --source {first} --complete`"
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
