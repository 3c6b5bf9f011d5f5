//! Parses an input with several threads: one thread reads, several parse, and the caller gets the results in the
//! input's order.
//!
//! Batches go to the workers in turn, and their results are fetched in the same turn. So the order is kept without a
//! buffer for early results, every queue is limited, and the results do not depend on the number of workers. The
//! caller detects duplicates: names and ids are not compared here.

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use crate::connectors::Kind;
use crate::identity::Identity;
use crate::input::{
    self, Document, Ending, Expectation, Found, InputError, Limits, NotARecord, Source, Unreadable,
};
use crate::osv::{FeedRecord, NoRecord, Outcome, Page, Rejected, Warning};

/// Most documents in one batch: enough that passing it on is cheap compared with parsing.
const BATCH_DOCUMENTS: usize = 64;

/// Number of bytes at which a batch is closed.
const BATCH_BYTES: usize = 256 << 10;

/// Batches that wait before and after each worker: one is filled while one is processed.
const QUEUED_BATCHES: usize = 2;

/// Most items that a worker passes on at once: a document of another kind may contain very many.
const CHUNK_ITEMS: usize = 256;

/// Items of one batch; several chunks make up a batch.
struct Chunk {
    items: Vec<Item>,
    is_last: bool,
    /// The kinds of the batch's documents; only in its last chunk.
    kinds: Kinds,
}

/// Finds problems of a record, from its canonical bytes, that only the orders of versions show. Called by the
/// workers.
pub type Check<'c> = &'c (dyn Fn(&[u8]) -> Vec<Warning> + Sync);

/// For each kind, by name: the number of documents with a record.
pub type Kinds = BTreeMap<&'static str, u64>;

/// The result of one file or record of the input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// The name in the input: path, then `:LINE` for NDJSON, `#POINTER` inside a document.
    pub name: String,
    /// The result.
    pub result: ItemResult,
    /// Of an item that was rejected: what it is known by. None if its bytes could not be read.
    pub identity: Option<Identity>,
}

/// The possible results of a file or record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ItemResult {
    /// A record, perhaps with warnings.
    Accepted(FeedRecord),
    /// It has no record.
    Ignored(IgnoredBecause),
    /// It is meant to be a record but is not valid.
    Rejected(RejectedBecause),
    /// Not an item: unusual or lost data of the file as a whole.
    Noted(String),
    /// Not an item: what the file says of the list of which it is a page.
    Page(Page),
}

/// The reason why a file has no record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IgnoredBecause {
    /// By its name or kind.
    #[error(transparent)]
    File(#[from] NotARecord),
    /// By its content.
    #[error(transparent)]
    Content(#[from] NoRecord),
    /// It begins like JSON, but does not have such a name and is not a record.
    #[error("not named as JSON, and not a record ({0})")]
    Guess(Rejected),
}

/// The reason why a file or record was rejected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RejectedBecause {
    /// It could not be read from the input.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// It could not be parsed, or has no usable id.
    #[error(transparent)]
    Content(#[from] Rejected),
}

/// Numbers of items, by result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Records passed on.
    pub accepted: u64,
    /// Of these, records with warnings.
    pub warned: u64,
    /// Files without a record.
    pub ignored: u64,
    /// Rejected files and records.
    pub rejected: u64,
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Counts {
            accepted,
            warned,
            ignored,
            rejected,
        } = self;
        write!(
            f,
            "{accepted} accepted ({warned} with warnings), {ignored} ignored, {rejected} rejected"
        )
    }
}

impl Counts {
    fn count(&mut self, result: &ItemResult) {
        match result {
            ItemResult::Accepted(record) => {
                self.accepted += 1;
                self.warned += u64::from(!record.warnings.is_empty());
            }
            ItemResult::Ignored(_) => self.ignored += 1,
            ItemResult::Rejected(_) => self.rejected += 1,
            ItemResult::Noted(_) | ItemResult::Page(_) => {}
        }
    }
}

/// The report on one run.
#[derive(Debug)]
pub struct Report {
    /// The delivered items.
    pub counts: Counts,
    /// The kinds of the documents that gave a record.
    pub kinds: Kinds,
    /// The way in which the input ended. After an error, an item that was not delivered may still be in the source:
    /// the input may be incomplete.
    pub ending: Result<Ending, InputError>,
}

impl Report {
    /// Returns true if the input was read completely, so that a record that is not in it is absent.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        matches!(self.ending, Ok(Ending::Complete))
    }
}

/// Reads `source` and passes every file and record in it to `sink`, in the input's order. The kind of each document
/// is detected from its form.
///
/// `workers` threads parse, one more reads; `sink` runs on the caller's thread and may end the run with
/// [`ControlFlow::Break`]. Memory is limited by the workers' queues: at most [`Limits::max_record_bytes`] for each of
/// a few batches per worker.
pub fn run(
    source: Source,
    limits: &Limits,
    workers: NonZeroUsize,
    sink: &mut dyn FnMut(Item) -> ControlFlow<()>,
) -> Report {
    run_as(None, source, limits, workers, &|_| Vec::new(), sink)
}

/// Same as [`run`], for documents that all have one kind, and with further checks.
pub fn run_as(
    kind: Option<Kind>,
    source: Source,
    limits: &Limits,
    workers: NonZeroUsize,
    check: Check<'_>,
    sink: &mut dyn FnMut(Item) -> ControlFlow<()>,
) -> Report {
    thread::scope(|scope| {
        let mut to_workers = Vec::new();
        let mut from_workers = Vec::new();
        for _ in 0..workers.get() {
            let (to_worker, batches) = sync_channel(QUEUED_BATCHES);
            let (results, from_worker) = sync_channel(QUEUED_BATCHES);
            scope.spawn(move || work(&batches, check, &results));
            to_workers.push(to_worker);
            from_workers.push(from_worker);
        }
        let reader = scope.spawn(move || feed(kind, source, limits, &to_workers));
        let (counts, kinds, stopped) = collect(&from_workers, sink);
        // Tells senders that nobody receives any more.
        drop(from_workers);
        let ending = match reader.join() {
            Ok(_) if stopped => Ok(Ending::Stopped),
            Ok(ending) => ending,
            Err(panic) => std::panic::resume_unwind(panic),
        };
        Report {
            counts,
            kinds,
            ending,
        }
    })
}

/// Reads the input and gives batches to the workers in turn.
fn feed(
    kind: Option<Kind>,
    source: Source,
    limits: &Limits,
    workers: &[SyncSender<Vec<Found>>],
) -> Result<Ending, InputError> {
    let mut batch = Vec::new();
    let mut batch_bytes = 0;
    let mut turns = workers.iter().cycle();
    let mut deal =
        |batch: &mut Vec<Found>| match turns.next().map(|worker| worker.send(std::mem::take(batch))) {
            Some(Ok(())) => ControlFlow::Continue(()),
            _ => ControlFlow::Break(()),
        };
    let ending = input::read_as(kind, source, limits, &mut |found| {
        if let Found::Document(document) = &found {
            batch_bytes += document.bytes.len();
        }
        batch.push(found);
        if batch.len() < BATCH_DOCUMENTS && batch_bytes < BATCH_BYTES {
            return ControlFlow::Continue(());
        }
        batch_bytes = 0;
        deal(&mut batch)
    });
    // Even after an error: the data before it is delivered.
    if !batch.is_empty() && deal(&mut batch).is_break() {
        return ending.and(Ok(Ending::Stopped));
    }
    ending
}

/// Parses batches until there are no more, or nobody receives the results.
fn work(batches: &Receiver<Vec<Found>>, check: Check<'_>, results: &SyncSender<Chunk>) {
    for batch in batches {
        let mut items = Vec::new();
        let mut kinds = Kinds::new();
        let mut is_heard = true;
        for found in batch {
            let kind = parse(found, check, &mut |item| {
                items.push(item);
                if items.len() >= CHUNK_ITEMS {
                    let items = std::mem::take(&mut items);
                    is_heard &= is_heard
                        && results
                            .send(Chunk {
                                items,
                                is_last: false,
                                kinds: Kinds::new(),
                            })
                            .is_ok();
                }
            });
            if let Some(kind) = kind {
                *kinds.entry(kind.name()).or_default() += 1;
            }
            if !is_heard {
                return;
            }
        }
        let last = Chunk {
            items,
            is_last: true,
            kinds,
        };
        if results.send(last).is_err() {
            return;
        }
    }
}

/// Fetches the results in the turn of the batches.
fn collect(
    workers: &[Receiver<Chunk>],
    sink: &mut dyn FnMut(Item) -> ControlFlow<()>,
) -> (Counts, Kinds, bool) {
    let mut counts = Counts::default();
    let mut kinds = Kinds::new();
    for worker in workers.iter().cycle() {
        loop {
            // The first worker without a result marks the end: batches were given out without gaps.
            let Ok(chunk) = worker.recv() else {
                return (counts, kinds, false);
            };
            for (kind, documents) in chunk.kinds {
                *kinds.entry(kind).or_default() += documents;
            }
            for item in chunk.items {
                counts.count(&item.result);
                if sink(item).is_break() {
                    return (counts, kinds, true);
                }
            }
            if chunk.is_last {
                break;
            }
        }
    }
    (counts, kinds, false)
}

/// Parses one part of the input into its items; returns its kind if it gave a record.
fn parse(found: Found, check: Check<'_>, each: &mut dyn FnMut(Item)) -> Option<Kind> {
    match found {
        Found::Ignored { name, reason } => {
            let result = ItemResult::Ignored(reason.into());
            each(Item {
                name,
                result,
                identity: None,
            });
            None
        }
        Found::Rejected { name, reason } => {
            let result = ItemResult::Rejected(reason.into());
            each(Item {
                name,
                result,
                identity: None,
            });
            None
        }
        Found::Document(Document {
            name,
            bytes,
            expectation,
            kind,
        }) => {
            let mut whole = None;
            let mut gave_record = false;
            kind.read(&bytes, &name, &mut |part| {
                let mut identity = None;
                let result = match part.outcome {
                    Outcome::Record(mut record) => {
                        gave_record = true;
                        if record.needs_orders {
                            record.warnings.extend(check(&record.canonical));
                        }
                        ItemResult::Accepted(record)
                    }
                    Outcome::NoRecord(reason) => ItemResult::Ignored(reason.into()),
                    Outcome::Noted(what) => ItemResult::Noted(what),
                    Outcome::Page(page) => ItemResult::Page(page),
                    Outcome::Rejected(reason) => match expectation {
                        Expectation::Stated => {
                            identity = part.identity.or_else(|| {
                                let whole = whole.get_or_insert_with(|| Identity::of(&bytes));
                                Some(whole.part(&part.pointer))
                            });
                            ItemResult::Rejected(reason.into())
                        }
                        Expectation::Guessed => ItemResult::Ignored(IgnoredBecause::Guess(reason)),
                    },
                };
                each(Item {
                    name: name_of(&name, &part.pointer),
                    result,
                    identity,
                });
            });
            gave_record.then_some(kind)
        }
    }
}

/// Returns the name of a document's part; the document may itself be an item of a list.
fn name_of(document: &str, pointer: &str) -> String {
    if pointer.is_empty() {
        document.to_owned()
    } else {
        format!("{document}#{pointer}")
    }
}

#[cfg(test)]
mod tests;
