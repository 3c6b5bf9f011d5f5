//! Removes conditional entries: an entry of `affected` that names an advisory of the same source is removed if that
//! advisory is about the entry's package.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use starling_api::ServiceResult;
use starling_feeds::osv::About;
use starling_feeds::osv::parts::{self, FilePart};
use starling_feeds::osv::unless::{self, Packages};
use starling_protocol::{ContentHash, Lane, RecordId};
use starling_store::FoundRecord;

use super::joined::is_withdrawal;
use super::{Account, Seen};
use crate::service::problem::store_problem;

impl Account<'_> {
    /// Removes the conditional entries of this input whose advisory is about their package. The advisory can be in this input
    /// or, unless the input is the whole source, in an earlier one. All other conditional entries stay.
    pub(super) fn give_way(&mut self, is_whole: bool) -> ServiceResult<()> {
        if !is_whole {
            self.bring_in_conditional()?;
        }
        let mut known: BTreeMap<String, Option<Packages>> = BTreeMap::new();
        for id in std::mem::take(&mut self.conditional) {
            let Some(content) = self.seen.get(&id).map(|seen| seen.record.content) else {
                continue;
            };
            let body = self.body_of(&content)?;
            for advisory in unless::named_in(&body) {
                if let Entry::Vacant(entry) = known.entry(advisory) {
                    let packages = self.packages_fixed_by(entry.key(), is_whole)?;
                    entry.insert(packages);
                }
            }
            let left = |body: &[u8]| unless::without_fixed(body, |id| known.get(id)?.as_ref());
            let changed = match parts::split(&body) {
                None => left(&body),
                Some(parts) => {
                    let parts = parts.into_iter().map(|part| FilePart {
                        body: left(&part.body).unwrap_or(part.body),
                        file: part.file,
                    });
                    parts::join(parts.collect(), is_withdrawal).filter(|joined| *joined != body)
                }
            };
            if let Some(changed) = changed {
                self.put(&id, changed)?;
            }
        }
        let mut unknown = known.iter().filter(|(_, packages)| packages.is_none());
        if let Some((first, _)) = unknown.next() {
            self.warn(format!(
                "{} advisories that fix packages in some releases are not known, such as {first}: until they are imported with \
                 the list that names them, these packages count as affected",
                1 + unknown.count()
            ));
        }
        Ok(())
    }

    /// Adds stated records to this input that have entries conditional on one of its advisories: a list of advisories can be
    /// imported after the list of vulnerabilities that names them.
    fn bring_in_conditional(&mut self) -> ServiceResult<()> {
        let mut found: BTreeMap<RecordId, FoundRecord> = BTreeMap::new();
        for (advisory, seen) in &self.seen {
            if !unless::is_advisory(advisory.as_str()) {
                continue;
            }
            let body = self.body_of(&seen.record.content)?;
            for id in unless::may_name(advisory.as_str(), &body) {
                let Ok(id) = id.parse::<RecordId>() else { continue };
                if self.seen.contains_key(&id) || found.contains_key(&id) {
                    continue;
                }
                let Some((content, body)) = self.stated(&id)? else {
                    continue;
                };
                if unless::named_in(&body).contains(advisory.as_str()) {
                    let size = u32::try_from(body.len()).unwrap_or(u32::MAX);
                    found.insert(id, FoundRecord { content, size });
                }
            }
        }
        for (id, record) in found {
            let body = self.body_of(&record.content)?;
            let seen = Seen {
                record,
                modified: None,
                name: id.to_string(),
                reach: self.met.why_not(&About::of_body(&body), &body),
            };
            self.conditional.insert(id.clone());
            self.seen.insert(id, seen);
        }
        Ok(())
    }

    /// Returns the hash and the body of a record as this site states it.
    fn stated(&self, id: &RecordId) -> ServiceResult<Option<(ContentHash, Vec<u8>)>> {
        let failed = |error| store_problem("reading what this site said", &error);
        let store = &self.site.data.store;
        let said = store
            .said_of(&self.source, id, Lane::Federation, self.how.base())
            .map_err(failed)?;
        let Some(content) = said.and_then(|said| said.content) else {
            return Ok(None);
        };
        let body = store.body(&content).map_err(failed)?;
        Ok(body.map(|body| (content, body)))
    }

    /// Returns the packages of an advisory; `None` if it is not known.
    fn packages_fixed_by(&self, advisory: &str, is_whole: bool) -> ServiceResult<Option<Packages>> {
        let Ok(id) = advisory.parse::<RecordId>() else {
            return Ok(None);
        };
        if let Some(seen) = self.seen.get(&id) {
            let body = self.body_of(&seen.record.content)?;
            return Ok(Some(unless::packages_fixed_by(&body)));
        }
        if is_whole {
            return Ok(None);
        }
        let stated = self.stated(&id)?;
        Ok(stated.map(|(_, body)| unless::packages_fixed_by(&body)))
    }
}
