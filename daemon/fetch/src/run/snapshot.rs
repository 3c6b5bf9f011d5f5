//! An archive of everything, and a list of what changed since it was made.
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
use crate::plan::{DocumentStep, ListStep, Pointer, SnapshotStep};

/// Longest text that names the newest archive, in bytes.
const MAX_POINTER_BYTES: u64 = 4 << 10;

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
            Listed::Missing => return self.archive_alone(step).await,
        };
        if !step.changes.by_time {
            refuse_empty(&step.changes, &rows)?;
        }
        let since_ms = self.since_ms(&step.changes);
        if rows.oldest_ms.is_some_and(|oldest_ms| oldest_ms > since_ms)
            && step.changes.by_time
            && !rows.rows.is_empty()
        {
            let text = format!(
                "{} does not reach back to the last run: the archive is fetched",
                step.changes.address
            );
            self.session.note(text);
            return self.archive(step).await;
        }
        let chosen = self.choose(&step.changes, &rows, false);
        if chosen.len() > step.max_changes {
            let text = format!(
                "{} documents changed: the archive is fetched instead",
                chosen.len()
            );
            self.session.note(text);
            return self.archive(step).await;
        }
        self.is_complete = false;
        let missing = self.listed_documents(&step.changes, chosen, false).await?;
        self.remember(&step.changes, &rows, &missing);
        self.deletions(step).await
    }

    /// Takes the archive, and what changed after it was made.
    async fn archive(&mut self, step: &SnapshotStep) -> Result<(), FetchError> {
        let whole = self.pointed(step).await?;
        let last_modified_ms = match self.document(&whole, false).await? {
            Outcome::Taken { last_modified_ms } => last_modified_ms,
            Outcome::Unchanged | Outcome::Missing => return Err(missing(&whole.address)),
        };
        // Without a time the archive may be as old as a day.
        const DAY_MS: u64 = 24 * 3600 * 1000;
        let made_ms = last_modified_ms
            .unwrap_or(self.began_ms.saturating_sub(DAY_MS))
            .min(self.began_ms);
        // From now on rows are compared with the archive, whatever was taken before.
        self.old.until_ms.insert(step.changes.id.clone(), made_ms);
        self.old.rows.remove(&step.changes.id);
        self.old.documents.remove(&step.changes.address.to_string());
        self.new.until_ms.insert(step.changes.id.clone(), made_ms);
        self.new.rows.remove(&step.changes.id);
        let rows = match self.rows_or_missing(&step.changes, false).await? {
            Listed::Rows(rows) => rows,
            Listed::Unchanged | Listed::Missing => {
                self.note_without_list(step);
                return Ok(());
            }
        };
        let chosen = self.newer_than_archive(&step.changes, &rows);
        if chosen.len() > step.max_changes {
            let text = format!(
                "{} documents changed after the archive was made: the next run takes them",
                chosen.len()
            );
            self.session.note(text);
            self.is_complete = false;
            return Ok(());
        }
        let was_complete = self.is_complete;
        let mut replaced: BTreeSet<String> = chosen.iter().map(|row| row.name.clone()).collect();
        let archive = self.got.len() - 1;
        let absent = self.listed_documents(&step.changes, chosen, true).await?;
        // A change without its document leaves what the archive has.
        self.is_complete = was_complete;
        replaced.retain(|name| !absent.contains(name));
        self.remember(&step.changes, &rows, &absent);
        replaced.extend(self.deleted_rows(step).await?.into_iter().map(|row| row.name));
        self.leave_out(archive, replaced).await
    }

    /// Takes an archive that has no list of changes beside it, as many mirrors and media do.
    async fn archive_alone(&mut self, step: &SnapshotStep) -> Result<(), FetchError> {
        self.note_without_list(step);
        let whole = self.pointed(step).await?;
        match self.document(&whole, true).await? {
            Outcome::Taken { .. } => {}
            Outcome::Unchanged => self.unsent.push(whole),
            Outcome::Missing => return Err(missing(&whole.address)),
        }
        Ok(())
    }

    fn note_without_list(&mut self, step: &SnapshotStep) {
        let text = format!("{} is missing: the archive alone is read", step.changes.address);
        self.session.note(text);
    }

    fn newer_than_archive(&self, step: &ListStep, rows: &Rows) -> Vec<Row> {
        match step.by_time {
            true => self.choose(step, rows, false),
            // Times stand in the rows even where they do not order them.
            false => {
                let since_ms = self.since_ms(step);
                let is_newer = |row: &&Row| row.time_ms.is_some_and(|time_ms| time_ms >= since_ms);
                rows.rows.iter().filter(is_newer).cloned().collect()
            }
        }
    }

    /// The archive, after its name was looked up.
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
                self.session.note(format!(
                    "{} is missing: deletions are found with the next archive",
                    list.address
                ));
                return Ok(Vec::new());
            }
        };
        if is_first {
            // What was deleted before the archive was made is not in it.
            let made_ms = self.old.until_ms.get(&step.changes.id).copied().unwrap_or(0);
            self.old.until_ms.insert(list.id.clone(), made_ms);
        }
        let chosen = self.choose(list, &rows, false);
        self.remember(list, &rows, &BTreeSet::new());
        Ok(chosen)
    }

    /// Writes the archive anew without some documents.
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
