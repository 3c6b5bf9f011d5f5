//! Entries that give way to an advisory of the same source: they are removed if it is about their package.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use starling_api::ServiceResult;
use starling_feeds::osv::parts::{self, FilePart};
use starling_feeds::osv::unless::{self, Packages};
use starling_protocol::{Lane, RecordId};

use super::Account;
use super::joined::is_withdrawal;
use crate::service::problem::store_problem;

impl Account<'_> {
    /// Removes the entries of this input that give way to an advisory: one of this input or, unless the input is the whole
    /// source, an earlier one. The others apply.
    pub(super) fn give_way(&mut self, is_whole: bool) -> ServiceResult<()> {
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
        let failed = |error| store_problem("reading what this site said", &error);
        let store = &self.site.data.store;
        let said = store
            .said_of(&self.source, &id, Lane::Federation, self.how.base())
            .map_err(failed)?;
        let Some(content) = said.and_then(|said| said.content) else {
            return Ok(None);
        };
        let body = store.body(&content).map_err(failed)?;
        Ok(body.as_deref().map(unless::packages_fixed_by))
    }
}
