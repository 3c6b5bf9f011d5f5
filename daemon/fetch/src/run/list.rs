//! Fetches the documents of a list whose row changed since the position.

use std::collections::{BTreeMap, BTreeSet};
use std::io::BufReader;
use std::time::Duration;

use super::document::{Outcome, missing};
use super::{Executor, millis};
use crate::address::Address;
use crate::error::FetchError;
use crate::http::{Answer, Body, Request, blocking};
use crate::list::{self, ListFault, Naming, Row, Rows};
use crate::names::shorten;
use crate::plan::{DocumentStep, Form, ListFormat, ListStep, Validators};
use crate::position::Seen;

/// Most documents whose validators are remembered one by one.
const MAX_REMEMBERED: usize = 50_000;
/// Longest time into the future that a list may have before that is reported.
const FUTURE_SLACK: Duration = Duration::from_secs(24 * 3600);

impl Executor<'_> {
    pub(super) async fn list_step(&mut self, step: &ListStep) -> Result<(), FetchError> {
        match self.try_list(step).await? {
            true => Ok(()),
            false => Err(missing(&step.address)),
        }
    }

    /// Same as [`Self::list_step`], but returns false if there is no such list.
    pub(super) async fn try_list(&mut self, step: &ListStep) -> Result<bool, FetchError> {
        let is_first = self.whole_due || !self.knows(step);
        let rows = match self.rows_or_missing(step, !is_first).await? {
            Listed::Rows(rows) => rows,
            Listed::Unchanged => {
                // The list did not change, so no document on it did.
                self.is_complete = false;
                return Ok(true);
            }
            Listed::Missing => return Ok(false),
        };
        refuse_empty(step, &rows)?;
        let chosen = self.choose(step, &rows, is_first);
        // If a list has no versions, every document on it is requested.
        let asks_each = matches!(step.format, ListFormat::HtmlFolders | ListFormat::Paths);
        if !is_first && !asks_each {
            self.is_complete = false;
        }
        let missing = self.listed_documents(step, chosen, is_first).await?;
        let lost = self.compare_rows(step, &rows);
        self.compare_count(step, &rows);
        self.remember(step, &rows, &missing, None);
        self.new.rows.entry(step.id.clone()).or_default().extend(lost);
        Ok(true)
    }

    /// Returns true if the position knows a list.
    pub(super) fn knows(&self, step: &ListStep) -> bool {
        match step.by_time {
            true => self.old.until_ms.contains_key(&step.id),
            false => self.old.rows.contains_key(&step.id),
        }
    }

    /// Fetches a list, unless it did not change.
    pub(super) async fn rows_or_missing(
        &mut self,
        step: &ListStep,
        conditional: bool,
    ) -> Result<Listed, FetchError> {
        let key = step.address.to_string();
        let known = self.old.documents.get(&key).cloned();
        self.lists.push(key.clone());
        // A page of folders does not show changes of the documents in them, and missing documents are requested
        // again.
        let asks_each = matches!(step.format, ListFormat::HtmlFolders | ListFormat::Paths);
        let had_missing = self.old.rows.contains_key(&missing_key(step));
        let conditional = conditional && !asks_each && !had_missing;
        let request = Request {
            address: step.address.clone(),
            form: match step.format {
                _ if step.may_be_empty => Form::TextOrEmpty,
                ListFormat::TimeThenId | ListFormat::PathThenTime | ListFormat::Paths => Form::Text,
                ListFormat::HtmlFolders => Form::Html,
                _ => Form::Json,
            },
            seen: known
                .clone()
                .filter(|seen| conditional && (seen.etag.is_some() || seen.last_modified.is_some())),
        };
        let body = match self.session.get(&request).await? {
            Answer::NotModified => return Ok(Listed::Unchanged),
            Answer::Missing => return Ok(Listed::Missing),
            Answer::Body(body) => body,
        };
        self.new.documents.insert(key, body.seen.clone());
        if conditional && known.is_some_and(|known| known.hash == body.seen.hash) {
            self.remove(vec![body.path]).await?;
            return Ok(Listed::Unchanged);
        }
        self.read_rows(step, body).await.map(Listed::Rows)
    }

    /// Reads the rows of a list, of all its pages.
    async fn read_rows(&mut self, step: &ListStep, body: Body) -> Result<Rows, FetchError> {
        let mut rows = Rows::default();
        let mut asked = BTreeSet::from([step.address.to_string()]);
        let mut next = Some((step.address.clone(), body));
        while let Some((address, body)) = next.take() {
            let page = self.page_of_rows(step, &address, body).await?;
            let link = page.next.clone();
            rows.add(page).map_err(|fault| list_error(fault, &address))?;
            let Some(link) = link else { break };
            let wrong = |what: String| FetchError::Inconsistent {
                address: address.to_string(),
                what: format!("the next page is {:?}: {what}", shorten(&link)),
            };
            let to = match &address {
                Address::Http(url) => url
                    .join(&link)
                    .map_err(|error| error.to_string())
                    .and_then(Address::of_url),
                Address::File(_) => address.parent().join(&link),
            };
            let to = to.map_err(wrong)?;
            self.session.guard.check_listed(&to)?;
            if !asked.insert(to.to_string()) || asked.len() as u64 > self.session.limits.max_pages {
                return Err(wrong("it was read already, or there are too many".to_owned()));
            }
            // The other pages may have changed even if the first one did not.
            self.new
                .documents
                .insert(step.address.to_string(), Seen::default());
            let request = Request {
                address: to.clone(),
                form: Form::Json,
                seen: None,
            };
            let Answer::Body(body) = self.session.get(&request).await? else {
                return Err(missing(&to));
            };
            next = Some((to, body));
        }
        rows.newest_of_each();
        self.check_rows(step, &rows)?;
        Ok(rows)
    }

    async fn page_of_rows(&self, step: &ListStep, address: &Address, body: Body) -> Result<Rows, FetchError> {
        let (path, of) = (body.path.clone(), step.clone());
        let read = blocking(move || {
            let naming = Naming {
                suffix: &of.suffix,
                only: &of.only,
                below: &of.below,
                files: &of.files,
            };
            list::read(
                of.format,
                &mut BufReader::new(std::fs::File::open(&path)?),
                naming,
            )
        });
        let mut rows = read.await.map_err(|fault| list_error(fault, address))?;
        rows.is_open &= !body.is_bounded;
        self.remove(vec![body.path]).await?;
        Ok(rows)
    }

    /// Reports the rows of a list that are not understood.
    fn check_rows(&mut self, step: &ListStep, rows: &Rows) -> Result<(), FetchError> {
        self.unread.rows += rows.rows.len() as u64 + rows.odd_count;
        for what in &rows.odd {
            self.session
                .note(format!("{}: a row is passed over: {what}", step.address));
        }
        if rows.odd_count > 0 {
            let named = blake3::hash(rows.odd.join("\n").as_bytes()).to_hex();
            self.not_read_unless_lasting(
                &format!("odd:{}:{}:{named}", step.id, rows.odd_count),
                rows.odd_count,
                format!("{}: {} rows are not understood", step.address, rows.odd_count),
            );
        }
        if rows.rows.is_empty() && rows.odd_count > 0 {
            return Err(FetchError::Inconsistent {
                address: step.address.to_string(),
                what: format!("none of its {} rows is understood", rows.odd_count),
            });
        }
        if rows.is_open {
            self.not_read_unless_lasting(
                &format!("open:{}", step.id),
                1,
                format!(
                    "{} came without a length, and its last line does not end: it may be cut off",
                    step.address
                ),
            );
        }
        Ok(())
    }

    /// Chooses the rows whose documents are new.
    pub(super) fn choose(&self, step: &ListStep, rows: &Rows, is_first: bool) -> Vec<Row> {
        if is_first {
            return rows.rows.clone();
        }
        let empty = BTreeMap::new();
        let known = self.old.rows.get(&step.id).unwrap_or(&empty);
        let missing = self.old.rows.get(&missing_key(step)).unwrap_or(&empty);
        let since_ms = self.since_ms(step);
        let is_new = |row: &&Row| {
            if missing.contains_key(&row.name) {
                return true;
            }
            let is_known = known.get(&row.name) == Some(&row.fingerprint) && !row.fingerprint.is_empty();
            let is_old = step.by_time && row.time_ms.is_none_or(|time_ms| time_ms < since_ms);
            !is_known && !is_old
        };
        rows.rows.iter().filter(is_new).cloned().collect()
    }

    /// Returns the time after which rows are read again.
    pub(super) fn since_ms(&self, step: &ListStep) -> u64 {
        let mark = self.old.until_ms.get(&step.id).copied().unwrap_or(0);
        mark.saturating_sub(millis(step.overlap))
    }

    /// Fetches the documents of rows. Returns the names of the missing ones.
    pub(super) async fn listed_documents(
        &mut self,
        step: &ListStep,
        rows: Vec<Row>,
        is_first: bool,
    ) -> Result<BTreeSet<String>, FetchError> {
        let limit = self.session.limits.max_documents;
        if rows.len() as u64 > limit {
            return Err(FetchError::Limit {
                address: step.address.to_string(),
                what: format!("it lists {} documents, more than {limit}", rows.len()),
            });
        }
        // A document that was missing before is requested again. If it is still missing, it does not count as an
        // outage.
        let key = missing_key(step);
        let known_missing = self.old.rows.get(&key).cloned().unwrap_or_default();
        let is_known_missing = |row: &Row| known_missing.get(&row.name) == Some(&row.fingerprint);
        let mut still_missing = BTreeMap::new();
        self.listed += rows.iter().filter(|row| !is_known_missing(row)).count() as u64;
        let expected = self.session.progress.documents + rows.len() as u64;
        self.session.progress.expected = Some(expected);
        let mut missing = BTreeSet::new();
        let remembers = rows.len() <= MAX_REMEMBERED;
        let mut folders: BTreeMap<String, bool> = BTreeMap::new();
        for row in rows {
            let address = self.address_of(step, &row)?;
            let document = DocumentStep {
                address,
                name: self.free_name(&format!("{}{}", step.prefix, row.name)),
                form: step.form,
                validators: Validators::Both,
                beside: None,
                may_be_missing: !step.files.is_empty(),
            };
            // A conditional request is needed only if the list has no version of the document.
            let is_asked = row.fingerprint.is_empty() && (!is_first || self.plan.together);
            let outcome = match (&row.sha256, &row.checksum) {
                (Some(expected), _) => self.checked_document(&document, expected).await?,
                (None, Some(sum)) => {
                    let sum = self.absolute_of(step, sum, &row)?;
                    self.summed_document(&document, &sum).await?
                }
                (None, None) => self.document(&document, is_asked).await?,
            };
            if !(remembers && row.fingerprint.is_empty()) {
                self.new.documents.remove(&document.address.to_string());
            }
            if document.may_be_missing {
                let folder = row.name.split('/').next().unwrap_or_default().to_owned();
                *folders.entry(folder).or_default() |= outcome != Outcome::Missing;
            }
            match outcome {
                Outcome::Taken { .. } => {}
                Outcome::Unchanged => self.unsent.push(document),
                Outcome::Damaged => {
                    // It is requested again as long as it is listed.
                    still_missing.insert(row.name.clone(), row.fingerprint);
                    missing.insert(row.name);
                }
                Outcome::Missing if document.may_be_missing => self.may_be_missing(&document),
                Outcome::Missing => {
                    let is_counted = !is_known_missing(&row);
                    self.count_missing(&step.address.to_string(), &row.name, is_counted)?;
                    still_missing.insert(row.name.clone(), row.fingerprint);
                    missing.insert(row.name);
                }
            }
        }
        for (folder, _) in folders.iter().filter(|(_, has_document)| !**has_document) {
            self.not_read_unless_lasting(
                &format!("folder:{}:{folder}", step.id),
                1,
                format!(
                    "{}: the folder {folder} has none of its documents (404)",
                    step.address
                ),
            );
        }
        match still_missing.is_empty() {
            true => self.new.rows.remove(&key),
            false => self.new.rows.insert(key, still_missing),
        };
        Ok(missing)
    }

    async fn checked_document(&mut self, step: &DocumentStep, expected: &str) -> Result<Outcome, FetchError> {
        let request = Request {
            address: step.address.clone(),
            form: step.form,
            seen: None,
        };
        let body = match self.session.get(&request).await? {
            Answer::Body(body) => body,
            Answer::Missing | Answer::NotModified => return Ok(Outcome::Missing),
        };
        self.check_sha256(&step.address, &body, expected, false).await?;
        let last_modified_ms = body.last_modified_ms;
        self.place(&step.address, &step.name, body, false).await?;
        Ok(Outcome::Taken { last_modified_ms })
    }

    /// Returns the address of a row, checked.
    pub(super) fn address_of(&self, step: &ListStep, row: &Row) -> Result<Address, FetchError> {
        let forbidden = |why: String| FetchError::Forbidden {
            address: shorten(row.address.as_deref().unwrap_or(&row.name)),
            why: format!("a row of {}: {why}", step.address),
        };
        let address = match &row.address {
            Some(text) => self.absolute(step, text, row).map_err(forbidden)?,
            None => step.documents.join(&row.name).map_err(forbidden)?,
        };
        self.session.guard.check_listed(&address)?;
        Ok(address)
    }

    /// Returns the address of a file that a row names beside its document, checked.
    fn absolute_of(&self, step: &ListStep, text: &str, row: &Row) -> Result<Address, FetchError> {
        let address = self
            .absolute(step, text, row)
            .map_err(|why| FetchError::Forbidden {
                address: shorten(text),
                why: format!("a row of {}: {why}", step.address),
            })?;
        self.session.guard.check_listed(&address)?;
        Ok(address)
    }

    fn absolute(&self, step: &ListStep, text: &str, row: &Row) -> Result<Address, String> {
        let Address::Http(list) = &step.address else {
            return step.documents.join(&row.name);
        };
        let url = list.join(text).map_err(|error| error.to_string())?;
        Address::of_url(url)
    }

    /// Remembers what a list said, without the documents that are missing: they are asked for again. With `most_ms`, rows
    /// after that time were not taken yet.
    pub(super) fn remember(
        &mut self,
        step: &ListStep,
        rows: &Rows,
        missing: &BTreeSet<String>,
        most_ms: Option<u64>,
    ) {
        let known = rows.rows.iter().filter(|row| !missing.contains(&row.name));
        if !step.by_time {
            let known = known
                .map(|row| (row.name.clone(), row.fingerprint.clone()))
                .collect();
            self.new.rows.insert(step.id.clone(), known);
            return;
        }
        let times = || rows.rows.iter().filter_map(|row| row.time_ms);
        if times().any(|time_ms| time_ms > self.began_ms.saturating_add(millis(FUTURE_SLACK))) {
            let text = format!(
                "{} holds times in the future: they do not move the position",
                step.address
            );
            self.session.note(text);
        }
        let before_ms = self.old.until_ms.get(&step.id).copied().unwrap_or(0);
        let most_ms = most_ms.unwrap_or(u64::MAX).min(self.began_ms);
        let newest_ms = times().filter(|time_ms| *time_ms <= most_ms).max().unwrap_or(0);
        let until_ms = newest_ms.max(before_ms.min(self.began_ms)).min(most_ms);
        let since_ms = until_ms.saturating_sub(millis(step.overlap));
        let recent = known
            .filter(|row| row.time_ms.is_some_and(|time_ms| time_ms >= since_ms))
            .map(|row| (row.name.clone(), row.fingerprint.clone()))
            .collect();
        self.new.until_ms.insert(step.id.clone(), until_ms);
        self.new.rows.insert(step.id.clone(), recent);
    }
}

/// Returns the key under which a position keeps the missing documents of a list.
fn missing_key(step: &ListStep) -> String {
    format!("missing:{}", step.id)
}

/// The result of requesting a list.
pub(super) enum Listed {
    Rows(Rows),
    Unchanged,
    Missing,
}

/// Refuses a list without a row: it does not mean that everything is gone.
pub(super) fn refuse_empty(step: &ListStep, rows: &Rows) -> Result<(), FetchError> {
    // A log whose runs changed nothing has no rows either, and is accepted.
    match rows.rows.is_empty() && (rows.oldest_ms.is_none() || step.format != ListFormat::CveDeltaLog) {
        true => Err(FetchError::Inconsistent {
            address: step.address.to_string(),
            what: "it lists no document at all".to_owned(),
        }),
        false => Ok(()),
    }
}

/// Returns the error for a list that cannot be read.
pub(super) fn list_error(fault: ListFault, address: &Address) -> FetchError {
    let address = address.to_string();
    match fault {
        ListFault::TooLong => FetchError::Limit {
            address,
            what: format!(
                "the list has more than {} rows or {} bytes",
                list::MAX_ROWS,
                list::MAX_LIST_BYTES
            ),
        },
        ListFault::Broken(what) => FetchError::Inconsistent { address, what },
        ListFault::Io(source) => FetchError::Disk {
            path: "a fetched list".into(),
            action: "read",
            source,
        },
    }
}
