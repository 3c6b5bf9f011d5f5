//! Finds the raw document that a record came from.
//!
//! There is no index from records to documents. The documents of the source's feeds are read as their import read them,
//! until one has the record: first those whose name stands for the record, then the newest. A document that does not contain
//! the text of the id is read only after all others.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::path::{Component, Path};
use std::sync::Arc;

use starling_api::ServiceResult;
use starling_api_types as types;
use starling_api_types::{ErrorCode, Problem};
use starling_feeds::connectors::Kind;
use starling_feeds::input::{self, Document, Found, Limits};
use starling_feeds::osv::Outcome;
use starling_fetch::raw::{RawEntry, RawError, RawStore};
use starling_protocol::{ContentHash, Lane, RecordId, SiteId, Source};
use starling_view::FoldMemo;
use tokio_util::sync::CancellationToken;

use crate::config::feeds::FeedSpec;
use crate::home::error_chain;
use crate::service::SiteParts;
use crate::service::advisories::{still_asked, view_problem};
use crate::service::feeds::{id_of_file, kind_of};
use crate::service::problem::store_problem;

/// A record, by its source and id.
type Record = (Source, RecordId);

/// Most records that a refusal lists.
const LISTED: usize = 10;

/// A record whose document is wanted.
struct Wanted {
    source: Source,
    id: RecordId,
    /// The content that this site states for it.
    content: Option<ContentHash>,
}

/// A document that contains the record.
struct Holder {
    name: String,
    bytes: Vec<u8>,
    content: ContentHash,
}

/// A kept document of one of the source's feeds.
struct Candidate {
    entry: RawEntry,
    spec: Arc<FeedSpec>,
}

impl SiteParts {
    /// Returns the newest raw document that contains a record with this name.
    pub(in crate::service) fn advisory_raw(
        &self,
        name: &str,
        source: Option<&types::SourceName>,
        gone: &CancellationToken,
    ) -> ServiceResult<(types::RawDocument, Vec<u8>)> {
        let source = source.map(Source::try_from).transpose();
        let source = source.map_err(|error| Problem::new(ErrorCode::BadRequest, error.to_string()))?;
        let wanted = self.raw_record(name, source.as_ref(), gone)?;
        let specs = self.live.feeds.specs();
        let specs: Vec<_> = specs
            .into_values()
            .filter(|spec| spec.source == wanted.source)
            .collect();
        let lost = |why: &str| not_kept(&wanted.source, &wanted.id, why);
        if specs.is_empty() {
            return Err(
                lost("no feed of this site fetches the source: it came by `feeds import`")
                    .hint("look at the files that were imported"),
            );
        }
        let raw = self.open_raw().map_err(|error| raw_problem(&error))?;
        let found = match &raw {
            Some(raw) => self.search_raw(&raw.store, &wanted, &specs, gone)?,
            None => None,
        };
        if let Some(found) = found {
            return Ok(found);
        }
        if !self.keeps_raw() {
            return Err(lost("store.raw_bytes is 0").hint(
                "set store.raw_bytes: what feeds fetch from then on is kept; until then, look at the source",
            ));
        }
        Err(lost(
            "it was taken in before documents were kept, by `feeds approve` or by `feeds import`, or its document had to go",
        )
        .hint("look at the source; a larger store.raw_bytes keeps more"))
    }

    /// Returns the record that a name means, among those that this site states itself: the record with this id, else the
    /// record whose advisory has the name.
    fn raw_record(
        &self,
        name: &str,
        source: Option<&Source>,
        gone: &CancellationToken,
    ) -> ServiceResult<Wanted> {
        let failed = |error| store_problem("reading a feed's records", &error);
        let mut own: BTreeSet<Record> = BTreeSet::new();
        if let Ok(id) = name.parse::<RecordId>() {
            for of in self.data.store.feeds().map_err(failed)?.into_keys() {
                if source.is_none_or(|source| *source == of)
                    && self
                        .data
                        .store
                        .own_content(&of, &id, Lane::Federation)
                        .map_err(failed)?
                        .is_some()
                {
                    own.insert((of, id.clone()));
                }
            }
        }
        if own.is_empty() {
            own = self.records_named(name, source, gone)?;
        }
        if own.len() > 1 {
            let listed: Vec<String> = own
                .iter()
                .take(LISTED)
                .map(|(source, id)| format!("{source} {id}"))
                .collect();
            let more = if own.len() > LISTED { ", …" } else { "" };
            let detail = format!(
                "looking for the document of {name:?}: {} records have this name: {}{more}",
                own.len(),
                listed.join(", ")
            );
            return Err(Problem::new(ErrorCode::BadRequest, detail)
                .hint("give the id of one of them, and its source with --source"));
        }
        let Some((source, id)) = own.into_iter().next() else {
            return Err(unknown(name, source));
        };
        let content = self.data.store.own_content(&source, &id, Lane::Federation);
        Ok(Wanted {
            content: content.map_err(failed)?,
            source,
            id,
        })
    }

    /// Returns the records of this site in the advisories with a name.
    fn records_named(
        &self,
        name: &str,
        source: Option<&Source>,
        gone: &CancellationToken,
    ) -> ServiceResult<BTreeSet<Record>> {
        let own_site = self.identity.home.chain().site();
        let reader = self.reader()?;
        let advisories = starling_view::advisories_by_id(&reader, name);
        let advisories = advisories.map_err(|error| view_problem(&error))?;
        let memo = FoldMemo::default();
        let (mut own, mut others) = (BTreeSet::new(), BTreeSet::<(Record, SiteId)>::new());
        for advisory in advisories.iter().take(types::AdvisoryLookup::MOST) {
            still_asked(gone)?;
            let Some(folded) = self.folded(&reader, advisory, &memo)? else {
                continue;
            };
            for edge in folded.edges {
                if source.is_some_and(|source| *source != edge.source) {
                    continue;
                }
                let record = (edge.source, edge.id);
                if edge.author == own_site {
                    own.insert(record);
                } else {
                    others.insert((record, edge.author));
                }
            }
        }
        if own.is_empty()
            && let Some(((source, id), author)) = others.into_iter().next()
        {
            let slug = self.slug_in(&reader, &author);
            let site = slug.map_or_else(|| author.to_string(), |slug| slug.to_string());
            return Err(
                not_kept(&source, &id, &format!("the record came from the site {site}")).hint(
                    "ask at the site that fetched it: sites exchange records, not the documents behind them",
                ),
            );
        }
        Ok(own)
    }

    /// Searches the raw documents for a record.
    fn search_raw(
        &self,
        store: &RawStore,
        wanted: &Wanted,
        specs: &[Arc<FeedSpec>],
        gone: &CancellationToken,
    ) -> ServiceResult<Option<(types::RawDocument, Vec<u8>)>> {
        let candidates = self.raw_candidates(store, wanted, specs)?;
        for by_text in [true, false] {
            for candidate in &candidates {
                still_asked(gone)?;
                let Some(holder) = self.holder(store, candidate, wanted, by_text, gone)? else {
                    continue;
                };
                let entry = &candidate.entry;
                let document = types::RawDocument {
                    source: (&wanted.source).into(),
                    record_id: wanted.id.to_string(),
                    feed: candidate.spec.name().clone(),
                    name: holder.name,
                    address: entry.address.clone(),
                    fetched_at: types::Timestamp::saturating(entry.at_ms),
                    validator: entry.validator.clone(),
                    size_bytes: holder.bytes.len() as u64,
                    is_stated: wanted.content == Some(holder.content),
                };
                return Ok(Some((document, holder.bytes)));
            }
        }
        Ok(None)
    }

    /// Returns the documents of the feeds: those whose name stands for the record, then the others, newest first.
    fn raw_candidates(
        &self,
        store: &RawStore,
        wanted: &Wanted,
        specs: &[Arc<FeedSpec>],
    ) -> ServiceResult<Vec<Candidate>> {
        let mut named = Vec::new();
        for entry in store.entries() {
            let spec = specs.iter().find(|spec| spec.name().as_str() == entry.feed);
            let Some(spec) = spec else { continue };
            let held = self.data.store.record_of_file(&wanted.source, &entry.name);
            let held = held.map_err(|error| store_problem("reading a feed's file names", &error))?;
            let is_named =
                held.as_ref() == Some(&wanted.id) || id_of_file(&entry.name).as_ref() == Some(&wanted.id);
            let candidate = Candidate {
                entry: entry.clone(),
                spec: Arc::clone(spec),
            };
            named.push((!is_named, candidate));
        }
        // Documents of the same time keep the order in which they were fetched.
        named.reverse();
        named.sort_by_key(|(is_other, candidate)| (*is_other, std::cmp::Reverse(candidate.entry.at_ms)));
        Ok(named.into_iter().map(|(_, candidate)| candidate).collect())
    }

    /// Reads one raw document as its import did; with `by_text`, only the parts that contain the text of the id.
    fn holder(
        &self,
        store: &RawStore,
        candidate: &Candidate,
        wanted: &Wanted,
        by_text: bool,
        gone: &CancellationToken,
    ) -> ServiceResult<Option<Holder>> {
        let entry = &candidate.entry;
        if !is_below(Path::new(&entry.name)) {
            return Ok(None);
        }
        let kind = candidate.spec.kind.as_deref().map(kind_of).transpose()?;
        let folder = self.raw_reading();
        clear(&folder)?;
        let found = match store.unpack(&entry.hash, &folder.join(&entry.name)) {
            Ok(()) => read_for(kind, &folder, wanted, by_text, gone),
            Err(error @ RawError::Damaged { .. }) => {
                // Another document may contain the record too.
                tracing::warn!(error = %error_chain(&error), "looking for a raw document");
                None
            }
            Err(error) => return Err(raw_problem(&error)),
        };
        clear(&folder)?;
        still_asked(gone)?;
        Ok(found)
    }
}

/// Removes the folder of an unpacked document, also one left behind by a kill.
fn clear(folder: &Path) -> ServiceResult<()> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(starling_api::file_problem("removing", folder, &error))
        }
        _ => Ok(()),
    }
}

/// Searches a folder for the document that contains a record.
fn read_for(
    kind: Option<Kind>,
    folder: &Path,
    wanted: &Wanted,
    by_text: bool,
    gone: &CancellationToken,
) -> Option<Holder> {
    let text = memchr::memmem::Finder::new(wanted.id.as_str());
    let mut holder = None;
    let mut visit = |found| {
        if gone.is_cancelled() {
            return ControlFlow::Break(());
        }
        let Found::Document(document) = found else {
            return ControlFlow::Continue(());
        };
        if by_text != text.find(&document.bytes).is_some() {
            return ControlFlow::Continue(());
        }
        match content_in(&document, &wanted.id) {
            Some(content) => {
                holder = Some(Holder {
                    name: document.name,
                    bytes: document.bytes,
                    content,
                });
                ControlFlow::Break(())
            }
            None => ControlFlow::Continue(()),
        }
    };
    // The import accepted everything before a broken part, so a record found there stays found.
    let ended = input::read_as(kind, input::Source::path(folder), &Limits::default(), &mut visit);
    if let Err(error) = ended {
        tracing::debug!(error = %error_chain(&error), "reading a raw document to its end");
    }
    holder
}

/// Returns the record's content in a document.
fn content_in(document: &Document, id: &RecordId) -> Option<ContentHash> {
    let mut content = None;
    document.kind.read(&document.bytes, &document.name, &mut |part| {
        if let Outcome::Record(record) = part.outcome
            && record.id == *id
        {
            content = Some(record.hash);
        }
    });
    content
}

/// Returns true for a path that cannot leave the folder to which it is joined.
fn is_below(path: &Path) -> bool {
    path.components().next().is_some() && path.components().all(|part| matches!(part, Component::Normal(_)))
}

fn not_kept(source: &Source, id: &RecordId, why: &str) -> Problem {
    let detail = format!("looking for the document of {source} {id}: it is not kept here: {why}");
    Problem::new(ErrorCode::RawNotKept, detail)
}

fn unknown(name: &str, source: Option<&Source>) -> Problem {
    let shown: String = name.chars().take(80).collect();
    let of = source.map_or_else(String::new, |source| format!(" of {source}"));
    let detail = format!("looking for the document of {shown:?}: no record{of} that applies has this name");
    Problem::new(ErrorCode::AdvisoryNotFound, detail)
        .hint("expected an id or alias (CVE-…, GHSA-…), exactly as written")
}

fn raw_problem(error: &RawError) -> Problem {
    let code = match error {
        RawError::Disk { source, .. } if source.kind() == std::io::ErrorKind::StorageFull => {
            ErrorCode::DiskFull
        }
        _ => ErrorCode::FileAccess,
    };
    Problem::new(code, format!("reading the raw documents: {}", error_chain(error)))
}
