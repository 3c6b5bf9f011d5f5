//! Joins records that a source publishes in several files with one id, also with files of earlier imports.

use starling_api::ServiceResult;
use starling_api_types::{FeedOutcome, Problem};
use starling_feeds::input;
use starling_feeds::osv::About;
use starling_feeds::osv::parts::{self, FilePart};
use starling_protocol::{ContentHash, Lane, RecordId};
use starling_scanner::knowledge::JudgedAt;
use starling_store::FoundRecord;

use super::{Account, BATCH_BYTES, BATCH_RECORDS, id_of_file, instant, is_part, reach};
use crate::clock::now;
use crate::service::problem::store_problem;

impl Account<'_> {
    /// Adds a further file of a record that was read before. [`Account::join_parts`] joins them after all files are read.
    pub(super) fn join(&mut self, id: RecordId, name: &str, canonical: Vec<u8>) -> ServiceResult<()> {
        let before = self
            .seen
            .get(&id)
            .map(|seen| (seen.name.clone(), seen.record.content));
        let Some((first, content)) = before else {
            return Ok(());
        };
        let mut known = match self.parts.remove(&id) {
            Some(known) => known,
            None => vec![FilePart {
                file: first.clone(),
                body: self.body_of(&content)?,
            }],
        };
        if !is_part(name) && id_of_file(name).as_ref() != Some(&id) {
            self.names.push((name.to_owned(), id.clone()));
        }
        known.push(FilePart {
            file: name.to_owned(),
            body: canonical,
        });
        self.file(
            name.to_owned(),
            FeedOutcome::Duplicate,
            format!("{id} stands in {first} as well: what both say is joined"),
        );
        self.parts.insert(id, known);
        Ok(())
    }

    /// Joins the files of each record that is in several files. If not all of them can be joined, the largest number of
    /// first files that can be is used, in the order of reading.
    pub(super) fn join_parts(&mut self) -> ServiceResult<()> {
        let ids: Vec<RecordId> = self.parts.keys().cloned().collect();
        for id in ids {
            let known = self.parts.get(&id).cloned().unwrap_or_default();
            let first = known.first().map(|part| part.file.clone()).unwrap_or_default();
            let joined = |count: usize| {
                let parts = known.get(..count).unwrap_or_default().to_vec();
                parts::join(parts, is_withdrawal)
            };
            let (mut used, mut body) = (known.len(), joined(known.len()));
            if body.is_none() {
                used = 1;
                // If some files cannot be joined, neither can more: so the number is searched by bisection.
                let mut too_many = known.len();
                while too_many - used > 1 {
                    let middle = usize::midpoint(used, too_many);
                    match joined(middle) {
                        Some(found) => (used, body) = (middle, Some(found)),
                        None => too_many = middle,
                    }
                }
            }
            if let Some(body) = body {
                self.put(&id, body)?;
            }
            for part in known.get(used..).unwrap_or_default() {
                self.warn(format!(
                    "{id} stands in {first} and in {} with other content that cannot be joined; {first} counts",
                    part.file
                ));
            }
        }
        Ok(())
    }

    /// Returns the body of a record of this input.
    pub(super) fn body_of(&self, content: &ContentHash) -> ServiceResult<Vec<u8>> {
        if let Some((_, body)) = self.bodies.iter().find(|(hash, _)| hash == content) {
            return Ok(body.clone());
        }
        let body = self.site.data.store.body(content);
        let body = body.map_err(|error| store_problem("reading a record", &error))?;
        body.ok_or_else(|| Problem::internal("joining a record", format!("the body {content} is not there")))
    }

    /// Replaces the content of a record of this input.
    pub(super) fn put(&mut self, id: &RecordId, body: Vec<u8>) -> ServiceResult<()> {
        let content = ContentHash::of(&body);
        // CPE names that cannot be looked up were already reported for its files.
        let reach = self.met.why_not(&About::of_body(&body), &body);
        if let Some(seen) = self.seen.get_mut(id) {
            seen.reach = reach;
            seen.record = FoundRecord {
                content,
                size: u32::try_from(body.len()).unwrap_or(u32::MAX),
            };
        }
        self.body_bytes += body.len();
        self.bodies.push((content, body));
        if self.bodies.len() >= BATCH_RECORDS || self.body_bytes >= BATCH_BYTES {
            self.write_bodies()?;
        }
        Ok(())
    }

    /// Warns of files with a record whose withdrawal lies in the future. It matches until then, unless other files of the
    /// record decide otherwise. The bytes of a joined record do not depend on the time.
    pub(super) fn warn_of_later_withdrawals(&mut self) -> ServiceResult<()> {
        for (id, files) in std::mem::take(&mut self.withdrawn_later) {
            let Some(content) = self.seen.get(&id).map(|seen| seen.record.content) else {
                continue;
            };
            let body = self.body_of(&content)?;
            let about = About::of_body(&body);
            let is_live = |part: &FilePart| {
                let withdrawn = About::of_body(&part.body).withdrawn;
                !withdrawn.is_some_and(|text| is_withdrawal(&text))
            };
            let parts = parts::split(&body).unwrap_or_default();
            for (name, from) in files {
                let counts = if parts.iter().any(is_live) {
                    format!("but its entries do not count, because another part of {id} is live")
                } else if reach::is_withdrawn(&about, now()) {
                    format!("but its entries do not count, because a newer part of {id} is withdrawn already")
                } else if parts.is_empty() && about.withdrawn.as_ref() != Some(&from) {
                    format!("but its entries do not count, because another file says {id} anew")
                } else {
                    "and matches until then".to_owned()
                };
                self.warn(format!("{name}: it is withdrawn from {from} on, {counts}"));
            }
        }
        Ok(())
    }

    /// Keeps the parts of joined records whose files are not in the input, for an input that is not the whole source.
    pub(super) fn keep_other_parts(&mut self) -> ServiceResult<()> {
        let failed = |error| store_problem("reading what this site said", &error);
        let ids: Vec<RecordId> = self.seen.keys().cloned().collect();
        let mut older = Older::default();
        for id in ids {
            let Some(seen) = self.seen.get(&id) else { continue };
            let (name, content) = (seen.name.clone(), seen.record.content);
            let store = &self.site.data.store;
            let said = store
                .said_of(&self.source, &id, Lane::Federation, self.how.base())
                .map_err(failed)?;
            let own = said.and_then(|said| said.content);
            let Some(own) = own.filter(|own| *own != content) else {
                continue;
            };
            let Some(before) = store.body(&own).map_err(failed)? else {
                continue;
            };
            if self.is_out_of_date(&id, &before, &mut older)? {
                self.put(&id, before)?;
                continue;
            }
            let Some(before) = parts::split(&before) else {
                continue;
            };
            let now = match self.parts.remove(&id) {
                Some(now) => now,
                None => vec![FilePart {
                    file: name,
                    body: self.body_of(&content)?,
                }],
            };
            let root = &self.root;
            let merged = parts::replace(before, &now, |file| full_name(root, file));
            match parts::join(merged, is_withdrawal) {
                Some(joined) => self.put(&id, joined)?,
                None => self.warn(format!(
                    "{id} was joined from several files and cannot be with what is said now, which counts"
                )),
            }
        }
        if let Some(warning) = older.warning() {
            self.warn(warning);
        }
        Ok(())
    }

    /// Returns true if a record is an earlier revision of the document that this site has; then the site's own is used.
    ///
    /// Counts other records whose `modified` is before that of the record they replace. This does not decide anything,
    /// because many sources set `modified` back.
    fn is_out_of_date(&mut self, id: &RecordId, before: &[u8], older: &mut Older) -> ServiceResult<bool> {
        let Some(seen) = self.seen.get(id).filter(|_| !self.parts.contains_key(id)) else {
            return Ok(false);
        };
        let (name, modified) = (seen.name.clone(), instant(seen.modified.as_deref()));
        let content = seen.record.content;
        if parts::has_revision(before) && parts::is_earlier_revision(&self.body_of(&content)?, before) {
            self.warn(format!(
                "{name}: {id} is an earlier revision than the one that is here, which counts"
            ));
            return Ok(true);
        }
        if let (Some(then), Some(now)) = (parts::modified_in(before), modified)
            && now < then
        {
            older.add(id, now, then);
        }
        Ok(false)
    }
}

/// Records whose `modified` is before that of the record they replace.
#[derive(Default)]
struct Older {
    count: usize,
    first: String,
}

impl Older {
    fn add(&mut self, id: &RecordId, now: jiff::Timestamp, then: jiff::Timestamp) {
        if self.count == 0 {
            self.first = format!("{id}, of {now} after {then}");
        }
        self.count += 1;
    }

    fn warning(&self) -> Option<String> {
        let first = &self.first;
        Some(match self.count {
            0 => return None,
            1 => format!("a record was modified before the one that it replaces: {first}"),
            more => {
                format!("{more} records were modified before those that they replace, the first is {first}")
            }
        })
    }
}

/// Returns true if scans understand a text of `withdrawn` as a time, past or future.
pub(super) fn is_withdrawal(text: &str) -> bool {
    JudgedAt::of_withdrawal(text).is_some()
}

/// Returns the path of an input on the disk; empty if it has none.
pub(super) fn root_of(input: &input::Source) -> String {
    match input {
        input::Source::Path(path) => {
            let whole = path.canonicalize().unwrap_or_else(|_| path.clone());
            whole.to_string_lossy().into_owned()
        }
        input::Source::Stream { .. } => String::new(),
    }
}

/// Returns a file's full path: the input's path, with the file's name if it is in that folder.
fn full_name(root: &str, file: &str) -> String {
    if root.is_empty() || root.ends_with(file) {
        return if root.is_empty() {
            file.to_owned()
        } else {
            root.to_owned()
        };
    }
    let given = file.rsplit('/').next().unwrap_or(file);
    if root.ends_with(&format!("/{given}")) {
        root.to_owned()
    } else {
        format!("{root}/{file}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_name_is_the_path_of_the_file() {
        for (root, file, full) in [
            ("/feeds/x", "left/X-1.json", "/feeds/x/left/X-1.json"),
            ("/feeds/x/left", "X-1.json", "/feeds/x/left/X-1.json"),
            (
                "/feeds/x/left/X-1.json",
                "x/left/X-1.json",
                "/feeds/x/left/X-1.json",
            ),
            (
                "/feeds/x/left/X-1.json",
                "../left/X-1.json",
                "/feeds/x/left/X-1.json",
            ),
            ("", "-", "-"),
        ] {
            assert_eq!(full_name(root, file), full, "{file}");
        }
    }
}
