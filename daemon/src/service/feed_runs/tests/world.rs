//! A site whose feeds use a fake fetcher.

use std::collections::VecDeque;
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use futures::StreamExt;
use serde_json::{Value, json};
use starling_api::{ServiceResult, SiteService};
use starling_api_types::{
    Feed, FeedAdd, FeedApprove, FeedChange, FeedName, FeedRun, RawDocument, RawQuery, Timestamp,
};
use starling_fetch::{FetchError, Position};
use starling_protocol::UnixMillis;
use starling_store::engine::{FaultPlan, MemoryEngine};
use tempfile::TempDir;
use tokio::sync::Notify;

use super::super::fetching::{Brought, BroughtDocument, FetchJob, Fetching};
use super::super::lock;
use crate::config::{Config, Overrides};
use crate::home::Home;
use crate::opening::OpeningNews;
use crate::service::Site;

/// The answer of the fake source to one fetch.
pub(super) enum Answer {
    /// All records of the source.
    Whole(Vec<Value>),
    /// Changed records, and names of dropped files.
    Part(Vec<Value>),
    Unchanged,
    Fails(FetchError),
    /// Waits until it is stopped.
    Hangs(Arc<Notify>),
    /// Panics.
    Breaks,
    /// Another answer with a changed result.
    Changed(Box<Answer>, Box<dyn Fn(&mut Brought) + Send + Sync>),
}

impl Answer {
    /// Returns an answer with the complete source: records with a range of numbers.
    pub(super) fn whole(numbers: std::ops::Range<usize>) -> Self {
        Self::Whole(records(numbers))
    }

    /// Returns an answer with changed records with a range of numbers.
    pub(super) fn part(numbers: std::ops::Range<usize>) -> Self {
        Self::Part(records(numbers))
    }

    /// Returns an answer with one changed record.
    pub(super) fn one(number: usize) -> Self {
        Self::Part(vec![record(number)])
    }

    /// Changes the result of the answer.
    pub(super) fn changed(self, change: impl Fn(&mut Brought) + Send + Sync + 'static) -> Self {
        Self::Changed(Box::new(self), Box::new(change))
    }

    /// Adds the position after the answer.
    pub(super) fn moved(self) -> Self {
        self.changed(|brought| brought.position = position())
    }
}

/// Returns a position that is not at the start.
pub(super) fn position() -> Position {
    Position::from_json(br#"{"version":1,"until_ms":{"a":1}}"#).unwrap()
}

/// A fake source that gives prepared answers, in order.
#[derive(Default)]
pub(super) struct FakeSource(Mutex<VecDeque<Answer>>);

#[async_trait]
impl Fetching for FakeSource {
    async fn fetch(&self, job: FetchJob<'_>) -> Result<Brought, FetchError> {
        let mut answer = lock(&self.0).pop_front().expect("the source is asked no more");
        let mut changes = Vec::new();
        while let Answer::Changed(inner, change) = answer {
            answer = *inner;
            changes.push(change);
        }
        let brought = match answer {
            Answer::Whole(records) => Ok(fetched(job, &records, true)),
            Answer::Part(records) => Ok(fetched(job, &records, false)),
            Answer::Unchanged => Ok(Brought {
                unchanged: true,
                ..fetched(job, &[], false)
            }),
            Answer::Fails(error) => Err(error),
            Answer::Hangs(begun) => {
                begun.notify_one();
                job.stop.cancelled().await;
                Err(FetchError::Stopped)
            }
            Answer::Breaks => panic!("the source breaks the fetcher"),
            Answer::Changed(..) => unreachable!("the changes are taken off"),
        };
        brought.map(|mut brought| {
            changes.iter().rev().for_each(|change| change(&mut brought));
            brought
        })
    }
}

fn fetched(job: FetchJob<'_>, records: &[Value], whole: bool) -> Brought {
    let mut documents = Vec::new();
    for record in records {
        let name = format!("{}.json", record["id"].as_str().unwrap());
        let page = record["page"].as_str().map(str::to_owned);
        let path = job.into.join(&name);
        documents.push(BroughtDocument {
            path: path.clone(),
            address: format!("https://example.org/{name}"),
            at_ms: 1_735_689_600_000,
            validator: Some("\"v1\"".to_owned()),
            is_page: false,
        });
        fs::write(path, page.unwrap_or_else(|| record.to_string())).unwrap();
    }
    Brought {
        input: job.into.to_owned(),
        count: records.len(),
        documents,
        whole,
        read_to_end: true,
        requests: 1,
        ..Brought::default()
    }
}

/// A site with a fake source.
pub(super) struct World {
    pub(super) site: Site,
    source: Arc<FakeSource>,
    pub(super) folder: TempDir,
}

pub(super) fn name() -> FeedName {
    FeedName::new("mine").unwrap()
}

pub(super) fn record(number: usize) -> Value {
    json!({
        "schema_version": "1.6.0", "id": format!("EX-{number}"), "modified": "2025-02-01T00:00:00Z",
        "affected": [{
            "package": { "ecosystem": "npm", "name": format!("package-{number}") },
            "ranges": [{ "type": "SEMVER", "events": [{ "introduced": "0" }, { "fixed": "1.0.0" }] }],
        }],
    })
}

pub(super) fn records(numbers: std::ops::Range<usize>) -> Vec<Value> {
    numbers.map(record).collect()
}

/// The settings of a test's site that differ from the default.
pub(super) struct WorldBuilder<'c> {
    site: &'static str,
    overrides: Overrides,
    change: &'c dyn Fn(&mut Config),
}

impl<'c> WorldBuilder<'c> {
    pub(super) fn named(mut self, site: &'static str) -> Self {
        self.site = site;
        self
    }

    /// Adds a setting of the command line.
    pub(super) fn setting(mut self, key: &str, value: &str) -> Self {
        self.overrides.settings.push((key.to_owned(), value.to_owned()));
        self
    }

    /// Changes the configuration after it was read.
    pub(super) fn config(mut self, change: &'c dyn Fn(&mut Config)) -> Self {
        self.change = change;
        self
    }

    pub(super) fn build(self) -> World {
        let folder = tempfile::tempdir().unwrap();
        let slug = self.site.parse().unwrap();
        let home = Home::prepare(folder.path(), &slug, None, UnixMillis::EPOCH).unwrap();
        home.finish().unwrap();
        let mut config = home.config(&self.overrides).unwrap();
        (self.change)(&mut config);
        let engine = Arc::new(MemoryEngine::new(FaultPlan::default()));
        let news = OpeningNews::new(false);
        let site = Site::open_on(engine, home, config, None, &news).unwrap();
        let source = Arc::new(FakeSource::default());
        *site
            .0
            .live
            .feeds
            .fetching
            .write()
            .unwrap_or_else(PoisonError::into_inner) = source.clone();
        World { site, source, folder }
    }

    /// Builds a site with one feed.
    pub(super) async fn with_feed(self) -> World {
        let world = self.build();
        world.add_feed().await;
        world
    }
}

impl World {
    pub(super) fn builder() -> WorldBuilder<'static> {
        WorldBuilder {
            site: "site-a",
            overrides: Overrides::default(),
            change: &|_| {},
        }
    }

    /// Builds a site with one feed.
    pub(super) async fn with_feed() -> Self {
        Self::builder().with_feed().await
    }

    pub(super) async fn add_feed(&self) {
        self.site.add_feed(add("mine")).await.unwrap();
    }

    pub(super) async fn remove_feed(&self) {
        self.site.remove_feed(&name()).await.unwrap();
    }

    pub(super) async fn change_feed(&self, change: FeedChange) -> Feed {
        self.site.change_feed(&name(), change).await.unwrap()
    }

    /// Approves the waiting suspect input without naming it.
    pub(super) async fn approve(&self) -> ServiceResult<FeedRun> {
        self.site.approve_feed(&name(), FeedApprove::default()).await
    }

    /// Sets the next answer of the source.
    pub(super) fn prepare(&self, answer: Answer) {
        lock(&self.source.0).push_back(answer);
    }

    /// Returns true if the source has given all its answers.
    pub(super) fn is_asked(&self) -> bool {
        lock(&self.source.0).is_empty()
    }

    pub(super) async fn run(&self, answer: Answer) -> FeedRun {
        self.prepare(answer);
        self.site.run_feed(&name()).await.unwrap()
    }

    /// Returns the document that a record came from.
    pub(super) async fn raw(&self, id: &str) -> ServiceResult<(RawDocument, Vec<u8>)> {
        let mut answer = self.site.advisory_raw(id, RawQuery::default()).await?;
        let mut bytes = Vec::new();
        while let Some(chunk) = answer.bytes.next().await {
            bytes.extend(chunk?);
        }
        Ok((answer.document, bytes))
    }

    pub(super) async fn feed(&self) -> Feed {
        self.site.feed(&name()).await.unwrap()
    }

    pub(super) async fn count(&self) -> u64 {
        self.site.status().await.unwrap().records
    }

    pub(super) async fn checked_at(&self) -> Option<Timestamp> {
        let status = self.site.status().await.unwrap();
        status.feeds.first().and_then(|feed| feed.last_checked)
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

pub(super) fn add(name: &str) -> FeedAdd {
    serde_json::from_value(json!({
        "name": name, "source": "mine", "address": "https://example.org/mine.zip", "schedule": "2h",
    }))
    .unwrap()
}

pub(super) fn unreachable() -> FetchError {
    FetchError::Unreachable {
        address: "https://example.org/mine.zip".to_owned(),
        what: "nobody answers".to_owned(),
    }
}
