//! Fetches an archive of everything, and the documents that changed since it was made.
//!
//! A run is one of two. It takes the archive, with the changes that came after it in place of the archive's own
//! documents: then it is the complete source. Or it takes the changes since the position alone.

use std::collections::BTreeSet;
use std::path::Path;

use super::Executor;
use super::document::{Outcome, missing};
use super::list::{Listed, refuse_empty};
use crate::archive;
use crate::error::FetchError;
use crate::fetched::Gone;
use crate::http::blocking;
use crate::list::{Row, Rows};
use crate::names::check_part;
use crate::plan::{DocumentStep, ListFormat, ListStep, Pointer, SnapshotStep};

/// Longest text that names the newest archive, in bytes.
const MAX_POINTER_BYTES: u64 = 4 << 10;

/// The changes that one run fetches.
struct Part {
    taken: Vec<Row>,
    /// Names of the changes that are left to the next runs.
    left: BTreeSet<String>,
    /// The time up to which all changes were fetched, if some are left.
    until_ms: Option<u64>,
}

/// Returns the key under which a position keeps the number of changes that are left to the next runs.
fn left_key(step: &SnapshotStep) -> String {
    format!("left:{}", step.changes.id)
}

impl Executor<'_> {
    pub(super) async fn snapshot_step(&mut self, step: &SnapshotStep) -> Result<(), FetchError> {
        if self.whole_due || !self.knows(&step.changes) {
            return self.archive(step).await;
        }
        let rows = match self.rows_or_missing(&step.changes, true).await? {
            Listed::Rows(rows) => rows,
            Listed::Unchanged => {
                self.is_complete = false;
                return self.deletions(step).await;
            }
            Listed::Missing if self.is_list_lost(step) => return Ok(()),
            Listed::Missing => return self.archive_alone(step).await,
        };
        refuse_empty(&step.changes, &rows)?;
        let since_ms = self.since_ms(&step.changes);
        if step.changes.by_time && rows.oldest_ms.is_some_and(|oldest_ms| oldest_ms > since_ms) {
            let text = format!(
                "{} does not reach back to the last run: the archive is fetched",
                step.changes.address
            );
            self.session.note(text);
            return self.archive(step).await;
        }
        let chosen = self.choose(&step.changes, &rows, false);
        // Of what an archive did not bring, each run takes a part.
        let is_continued = self.old.counts.contains_key(&left_key(step));
        if chosen.len() > step.max_changes && !is_continued {
            let text = format!(
                "{} documents changed: the archive is fetched instead",
                chosen.len()
            );
            self.session.note(text);
            return self.archive(step).await;
        }
        self.is_complete = false;
        self.compare_count(&step.changes, &rows);
        let part = self.first_changes(step, chosen);
        let mut left = self.listed_documents(&step.changes, part.taken, false).await?;
        left.extend(part.left);
        self.remember(&step.changes, &rows, &left, part.until_ms);
        self.deletions(step).await
    }

    /// Takes the archive, and what changed after it was made. If its list is not understood, the archive would put older
    /// documents in the place of newer ones: then nothing of it is taken.
    async fn archive(&mut self, step: &SnapshotStep) -> Result<(), FetchError> {
        let (old, new, first) = (self.old.clone(), self.new.clone(), self.got.len());
        if self.archive_with_list(step).await? {
            return Ok(());
        }
        self.drop_after(first).await?;
        let odd_since_ms = std::mem::take(&mut self.new.odd_since_ms);
        (self.old, self.new) = (old, new);
        self.new.odd_since_ms = odd_since_ms;
        self.is_complete = false;
        Ok(())
    }

    /// Returns false if the archive must not be used.
    async fn archive_with_list(&mut self, step: &SnapshotStep) -> Result<bool, FetchError> {
        // Documents from an earlier run may be newer than the archive.
        let is_first = !self.knows(&step.changes);
        let was_listed = self.is_listed(step);
        let whole = self.pointed(step).await?;
        let last_modified_ms = match self.document(&whole, false).await? {
            Outcome::Taken { last_modified_ms } => last_modified_ms,
            Outcome::Unchanged | Outcome::Missing | Outcome::Damaged => return Err(missing(&whole.address)),
        };
        let made_ms = self.made_ms(last_modified_ms);
        let is_older = self.is_older(step, made_ms);
        self.begin_at(step, made_ms);
        let not_read = self.unread.count();
        let rows = match self.rows_or_missing(&step.changes, false).await? {
            Listed::Rows(rows) => rows,
            Listed::Unchanged | Listed::Missing => {
                if was_listed && self.is_lost(step) {
                    return Ok(false);
                }
                self.note_without_list(step);
                return Ok(!is_older || self.is_older_taken(step, &whole));
            }
        };
        refuse_empty(&step.changes, &rows)?;
        self.compare_count(&step.changes, &rows);
        let is_log = step.changes.format == ListFormat::CveDeltaLog;
        if is_log && rows.oldest_ms.is_some_and(|oldest_ms| oldest_ms > made_ms) {
            self.not_read(format!(
                "{} does not reach back to when the archive was made",
                step.changes.address
            ));
            return Ok(is_first);
        }
        if !is_first && self.unread.count() > not_read {
            return Ok(false);
        }
        self.take_changes(step, &rows, is_first).await?;
        Ok(true)
    }

    /// Fetches the documents that changed after the archive was made. The archive is the last document placed.
    async fn take_changes(
        &mut self,
        step: &SnapshotStep,
        rows: &Rows,
        is_first: bool,
    ) -> Result<(), FetchError> {
        let archive = self.got.len() - 1;
        let chosen = self.newer_than_archive(&step.changes, rows);
        let part = self.first_changes(step, chosen);
        let was_complete = self.is_complete;
        let mut replaced: BTreeSet<String> = part.taken.iter().map(|row| row.name.clone()).collect();
        let mut absent = self.listed_documents(&step.changes, part.taken, true).await?;
        if is_first {
            // If the document of a change is missing, the archive's version stays.
            self.is_complete = was_complete;
            replaced.retain(|name| !absent.contains(name));
        } else {
            // The document in the folder may be newer than the archive's.
            replaced.extend(part.left.iter().cloned());
        }
        self.is_complete &= part.left.is_empty();
        absent.extend(part.left);
        self.remember(&step.changes, rows, &absent, part.until_ms);
        replaced.extend(self.deleted_rows(step).await?.into_iter().map(|row| row.name));
        self.leave_out(archive, replaced).await
    }

    /// Selects as many changes as a run may fetch, the oldest first. The next runs fetch the rest.
    fn first_changes(&mut self, step: &SnapshotStep, mut chosen: Vec<Row>) -> Part {
        let key = left_key(step);
        if chosen.len() <= step.max_changes {
            self.new.counts.remove(&key);
            return Part {
                taken: chosen,
                left: BTreeSet::new(),
                until_ms: None,
            };
        }
        chosen.sort_by(|a, b| (a.time_ms, &a.name).cmp(&(b.time_ms, &b.name)));
        let rest = chosen.split_off(step.max_changes);
        self.new.counts.insert(key, rest.len() as u64);
        self.more = true;
        self.session.note(format!(
            "{} of {} changed documents are taken: the next run takes more",
            chosen.len(),
            chosen.len() + rest.len()
        ));
        Part {
            until_ms: chosen.last().and_then(|row| row.time_ms),
            taken: chosen,
            left: rest.into_iter().map(|row| row.name).collect(),
        }
    }

    /// Returns the time when an archive was made. Without a stated time, it may be one day old.
    fn made_ms(&self, last_modified_ms: Option<u64>) -> u64 {
        const DAY_MS: u64 = 24 * 3600 * 1000;
        last_modified_ms
            .unwrap_or(self.began_ms.saturating_sub(DAY_MS))
            .min(self.began_ms)
    }

    /// From now on rows are compared with this archive, whatever was fetched before.
    fn begin_at(&mut self, step: &SnapshotStep, made_ms: u64) {
        self.old.until_ms.insert(step.changes.id.clone(), made_ms);
        self.old.rows.remove(&step.changes.id);
        self.old.documents.remove(&step.changes.address.to_string());
        self.new.until_ms.insert(step.changes.id.clone(), made_ms);
        self.new.rows.remove(&step.changes.id);
    }

    /// Uses an archive without a list of changes, as many mirrors and media have.
    async fn archive_alone(&mut self, step: &SnapshotStep) -> Result<(), FetchError> {
        self.note_without_list(step);
        let first = self.got.len();
        let whole = self.pointed(step).await?;
        let seen = self.new.documents.get(&whole.address.to_string()).cloned();
        match self.document(&whole, true).await? {
            Outcome::Taken { last_modified_ms } => {
                let made_ms = self.made_ms(last_modified_ms);
                if self.is_older(step, made_ms) && !self.is_older_taken(step, &whole) {
                    self.drop_after(first).await?;
                    let key = whole.address.to_string();
                    self.new.documents.insert(key, seen.unwrap_or_default());
                    return Ok(());
                }
                self.begin_at(step, made_ms);
            }
            Outcome::Unchanged => self.unsent.push(whole),
            Outcome::Missing | Outcome::Damaged => return Err(missing(&whole.address)),
        }
        Ok(())
    }

    /// Returns true if an archive was made before the time up to which the source was read.
    fn is_older(&self, step: &SnapshotStep, made_ms: u64) -> bool {
        let mark_ms = self.old.until_ms.get(&step.changes.id).copied();
        mark_ms.is_some_and(|mark_ms| made_ms < mark_ms.min(self.began_ms))
    }

    /// Reports an archive that is older than the position. Returns true if that lasts, so that the archive is used.
    fn is_older_taken(&mut self, step: &SnapshotStep, whole: &DocumentStep) -> bool {
        let text = format!("{} is older than what was read before", whole.address);
        let is_lasting = self.is_lasting(&format!("older:{}", step.changes.id));
        match is_lasting {
            true => self.session.note(text),
            false => self.not_read(text),
        }
        is_lasting
    }

    /// Returns true if an earlier run found the list of changes.
    fn is_listed(&self, step: &SnapshotStep) -> bool {
        self.old.documents.contains_key(&step.changes.address.to_string())
    }

    fn is_list_lost(&mut self, step: &SnapshotStep) -> bool {
        self.is_listed(step) && self.is_lost(step)
    }

    /// Names a list of changes that was there. Returns false if it is missing for so long that the archive is read
    /// without it.
    fn is_lost(&mut self, step: &SnapshotStep) -> bool {
        let address = step.changes.address.to_string();
        if self.is_lasting(&format!("list:{}", step.changes.id)) {
            self.new.documents.remove(&address);
            return false;
        }
        self.not_read(format!(
            "{address} was there and is missing now (404): what changed is not known"
        ));
        true
    }

    fn note_without_list(&mut self, step: &SnapshotStep) {
        let text = format!("{} is missing: the archive alone is read", step.changes.address);
        self.session.note(text);
    }

    fn newer_than_archive(&self, step: &ListStep, rows: &Rows) -> Vec<Row> {
        match step.by_time {
            true => self.choose(step, rows, false),
            // Rows can have times even if the list is not ordered by them.
            false => {
                let since_ms = self.since_ms(step);
                let is_newer = |row: &&Row| row.time_ms.is_some_and(|time_ms| time_ms >= since_ms);
                rows.rows.iter().filter(is_newer).cloned().collect()
            }
        }
    }

    /// Returns the archive, after its name was looked up.
    async fn pointed(&mut self, step: &SnapshotStep) -> Result<DocumentStep, FetchError> {
        let Pointer::TextFile(pointer) = &step.pointer else {
            return Ok(step.whole.clone());
        };
        let text = self.small_text(pointer, MAX_POINTER_BYTES).await?;
        let name = text.trim();
        let unexpected = |why: String| FetchError::Unexpected {
            address: pointer.to_string(),
            expected: "the name of an archive",
            found: why,
        };
        check_part(name).map_err(unexpected)?;
        let address = step.whole.address.join(name).map_err(unexpected)?;
        // The archive keeps its name in the folder: the names of what is in it stay from one to the next.
        Ok(DocumentStep {
            address,
            ..step.whole.clone()
        })
    }

    /// Names what was deleted since the position.
    async fn deletions(&mut self, step: &SnapshotStep) -> Result<(), FetchError> {
        let rows = self.deleted_rows(step).await?;
        let Some(list) = &step.deletions else {
            return Ok(());
        };
        for row in rows {
            self.gone.push(Gone {
                address: list
                    .documents
                    .join(&row.name)
                    .map(|address| address.to_string())
                    .unwrap_or_default(),
                name: format!("{}{}", step.changes.prefix, row.name),
                reason: format!("{} lists it", list.address),
            });
        }
        Ok(())
    }

    async fn deleted_rows(&mut self, step: &SnapshotStep) -> Result<Vec<Row>, FetchError> {
        let Some(list) = &step.deletions else {
            return Ok(Vec::new());
        };
        let is_first = !self.knows(list);
        let rows = match self.rows_or_missing(list, !is_first).await? {
            Listed::Rows(rows) => rows,
            Listed::Unchanged => return Ok(Vec::new()),
            Listed::Missing => {
                let text = format!(
                    "{} is missing: deletions are found with the next archive",
                    list.address
                );
                match is_first {
                    true => self.session.note(text),
                    false => self.not_read_unless_lasting(&format!("list:{}", list.id), 1, text),
                }
                return Ok(Vec::new());
            }
        };
        if is_first {
            // Documents deleted before the archive was made are not in it.
            let made_ms = self.old.until_ms.get(&step.changes.id).copied().unwrap_or(0);
            self.old.until_ms.insert(list.id.clone(), made_ms);
        }
        let chosen = self.choose(list, &rows, false);
        self.remember(list, &rows, &BTreeSet::new(), None);
        Ok(chosen)
    }

    /// Rewrites the archive without some documents.
    async fn leave_out(&mut self, archive: usize, names: BTreeSet<String>) -> Result<(), FetchError> {
        let Some(got) = self.got.get(archive) else {
            return Ok(());
        };
        if names.is_empty() {
            return Ok(());
        }
        let path = got.document.path.clone();
        let address = got.document.address.clone();
        let files: BTreeSet<String> = names
            .iter()
            .map(|name| name.rsplit('/').next().unwrap_or(name).to_owned())
            .collect();
        let limit = self.session.limits.max_unpacked_bytes;
        let stop = self.session.run.stop.clone();
        let written = blocking(move || archive::without(&path, &files, limit, &stop)).await;
        let written = written.map_err(|fault| fault.of(&self.plan.base))?;
        let name = written
            .path
            .strip_prefix(self.session.run.into)
            .unwrap_or(Path::new(""));
        self.names.insert(name.to_string_lossy().into_owned());
        self.session.note(format!(
            "{address}: {} of its documents are replaced by newer ones or deleted",
            written.left_out
        ));
        if let Some(got) = self.got.get_mut(archive) {
            got.document.path = written.path;
            got.document.bytes = written.bytes;
        }
        Ok(())
    }
}
