//! Fetches the pages of an API. The totals on a page are checked: a short page is an error, never a smaller source.

use std::collections::BTreeSet;
use std::io::BufReader;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::list::list_error;
use super::{Executor, millis};
use crate::address::Address;
use crate::clock::Wait;
use crate::error::FetchError;
use crate::http::{Answer, Body, Links, Request, blocking};
use crate::list::{self, Page};
use crate::names::{page_name, shorten};
use crate::plan::{Form, PagesStep, Paging, TimeText};
use crate::position::Seen;

/// Most times that pages are read again from the first one because the list changed meanwhile.
const MAX_RESTARTS: u32 = 3;

/// The member in which many APIs state the number of entries.
const TOTAL: &str = "total";

/// Pages that were read to their end.
pub(super) struct Read {
    /// Entries on all of them.
    pub(super) items: u64,
    /// BLAKE3 over the hashes of the pages.
    hash: String,
}

/// The reason why pages are read again from the first one.
enum Broken {
    /// The list changed meanwhile.
    Moved(String),
    /// A full page may or may not be the last one: a server without further pages sends no `Link` header.
    Full(FetchError),
    Failed(FetchError),
}

impl From<FetchError> for Broken {
    fn from(error: FetchError) -> Self {
        Self::Failed(error)
    }
}

impl Executor<'_> {
    pub(super) async fn pages_step(&mut self, step: &PagesStep) -> Result<(), FetchError> {
        let mark = self
            .old
            .until_ms
            .get(&step.id)
            .copied()
            .filter(|_| !self.whole_due);
        let mut query = Vec::new();
        if let (Some(since), Some(mark_ms)) = (&step.since, mark) {
            let from_ms = mark_ms.min(self.began_ms).saturating_sub(millis(since.overlap));
            query.push((since.parameter.to_owned(), time_text(from_ms, since.text)));
            self.is_complete = false;
        }
        let first = self.got.len();
        let read = self.pages(step, &query, &step.prefix).await?;
        let key = format!("pages:{}", step.id);
        let is_known = self.old.documents.get(&key).and_then(|seen| seen.hash.as_ref()) == Some(&read.hash);
        for got in self.got.iter_mut().skip(first) {
            got.is_same = is_known;
        }
        let seen = Seen {
            hash: Some(read.hash),
            ..Seen::default()
        };
        self.new.documents.insert(key, seen);
        let until_ms = self.session.read_until_ms(self.began_ms);
        self.new.until_ms.insert(step.id.clone(), until_ms);
        if read.items == 0 && query.is_empty() {
            return Err(FetchError::Inconsistent {
                address: step.address.to_string(),
                what: "it has no entry at all".to_owned(),
            });
        }
        Ok(())
    }

    /// Reads pages to their end; from the first one again if their list changed meanwhile.
    pub(super) async fn pages(
        &mut self,
        step: &PagesStep,
        query: &[(String, String)],
        prefix: &str,
    ) -> Result<Read, FetchError> {
        let first = self.got.len();
        let mut restarts = 0;
        let mut smaller = None;
        loop {
            let of = smaller.as_ref().unwrap_or(step);
            let broken = match self.pages_once(of, query, prefix).await {
                Ok(read) => return Ok(read),
                Err(broken) => broken,
            };
            self.session.discard_part().await;
            self.drop_after(first).await?;
            let why = match broken {
                Broken::Failed(error) => return Err(error),
                Broken::Full(error) => {
                    // With one entry less on each page, either another page follows a full one, or the last page is
                    // not full.
                    smaller = match smaller {
                        None => Some(step.one_less().ok_or(error)?),
                        Some(_) => return Err(error),
                    };
                    continue;
                }
                Broken::Moved(why) => why,
            };
            restarts += 1;
            if restarts > MAX_RESTARTS {
                return Err(FetchError::Inconsistent {
                    address: step.address.to_string(),
                    what: format!("{why}; it was read {restarts} times from its first page"),
                });
            }
            self.session
                .note(format!("{}: {why}: read again from the first page", step.address));
        }
    }

    async fn pages_once(
        &mut self,
        step: &PagesStep,
        query: &[(String, String)],
        prefix: &str,
    ) -> Result<Read, Broken> {
        let mut walk = Walk::new(step, query);
        let mut hasher = blake3::Hasher::new();
        let mut number = 0;
        while let Some(address) = walk.next.take() {
            if number >= self.session.limits.max_pages {
                return Err(Broken::Failed(FetchError::Limit {
                    address: step.address.to_string(),
                    what: format!("more than {} pages", self.session.limits.max_pages),
                }));
            }
            number += 1;
            let (body, page) = self.page(step, &walk, &address).await?;
            let items = walk.take(step, &page, &body.links, &address, &self.session.guard)?;
            let hash = body.seen.hash.clone().unwrap_or_default();
            if walk.is_repeated(&hash) && items > 0 {
                return Err(Broken::Failed(FetchError::Inconsistent {
                    address: address.to_string(),
                    what: "it is the same page as the one before".to_owned(),
                }));
            }
            if items == 0 {
                self.remove(vec![body.path]).await?;
                continue;
            }
            hasher.update(hash.as_bytes());
            let name = page_name(prefix, number);
            self.numbered.insert(name.clone());
            self.place(&address, &name, body, false).await?;
        }
        Ok(Read {
            items: walk.items,
            hash: hasher.finalize().to_hex().to_string(),
        })
    }

    /// Fetches one page; a short one is requested again.
    async fn page(
        &mut self,
        step: &PagesStep,
        walk: &Walk,
        address: &Address,
    ) -> Result<(Body, Page), FetchError> {
        let mut failed = 0;
        loop {
            let request = Request {
                address: address.clone(),
                form: Form::Json,
                seen: None,
            };
            let Answer::Body(body) = self.session.get(&request).await? else {
                return Err(super::document::missing(address));
            };
            let path = body.path.clone();
            let page = blocking(move || list::read_page(&mut BufReader::new(std::fs::File::open(&path)?)));
            let page = page.await.map_err(|fault| list_error(fault, address))?;
            let Some(short) = walk.short(step, &page) else {
                return Ok((body, page));
            };
            self.remove(vec![body.path]).await?;
            failed += 1;
            if failed >= self.session.limits.max_attempts {
                return Err(FetchError::Inconsistent {
                    address: address.to_string(),
                    what: short,
                });
            }
            self.session.pause(self.plan.pace.retry, Wait::Retry).await?;
        }
    }
}

/// The state of a walk over pages.
struct Walk {
    query: Vec<(String, String)>,
    next: Option<Address>,
    /// The number of the next page, or of entries to skip.
    at: u64,
    /// The total on the first page.
    total: Option<u64>,
    items: u64,
    asked: BTreeSet<String>,
    last_hash: String,
}

impl Walk {
    fn new(step: &PagesStep, query: &[(String, String)]) -> Self {
        let mut walk = Self {
            query: step.query.iter().chain(query).cloned().collect(),
            next: None,
            at: match step.paging {
                Paging::UntilEmpty { first, .. } => first,
                Paging::PageOf { .. } => 1,
                Paging::Offset { .. } | Paging::NextIn(_) | Paging::LinkHeader => 0,
            },
            total: None,
            items: 0,
            asked: BTreeSet::new(),
            last_hash: String::new(),
        };
        walk.next = Some(walk.address(step));
        walk
    }

    fn address(&self, step: &PagesStep) -> Address {
        let mut query = self.query.clone();
        match step.paging {
            Paging::Offset { start, size, .. } => {
                query.push((size.to_owned(), step.size.to_string()));
                query.push((start.to_owned(), self.at.to_string()));
            }
            Paging::UntilEmpty { page, size, .. } | Paging::PageOf { page, size, .. } => {
                query.push((size.to_owned(), step.size.to_string()));
                query.push((page.to_owned(), self.at.to_string()));
            }
            Paging::NextIn(_) | Paging::LinkHeader => {}
        }
        step.address.with_query(&query)
    }

    /// Returns the reason why a page is too short, if it is.
    fn short(&self, step: &PagesStep, page: &Page) -> Option<String> {
        let Some(items) = page.items(step.items) else {
            return Some(format!("it has no list {:?}", step.items));
        };
        let Paging::Offset { start, total, .. } = step.paging else {
            return None;
        };
        if let Some(at) = page.number(start).filter(|at| *at != self.at) {
            return Some(format!(
                "the page begins at entry {at}, and entry {} was asked for",
                self.at
            ));
        }
        let Some(total) = page.number(total) else {
            return Some(format!("it says no {total}"));
        };
        let expected = total.saturating_sub(self.at).min(step.size);
        (items < expected).then(|| format!("the page holds {items} of {expected} entries"))
    }

    /// Adds a page and determines the next one. Returns the number of its entries.
    fn take(
        &mut self,
        step: &PagesStep,
        page: &Page,
        links: &Links,
        address: &Address,
        guard: &crate::http::Guard,
    ) -> Result<u64, Broken> {
        let items = page.items(step.items).unwrap_or(0);
        self.items += items;
        match step.paging {
            Paging::Offset { total, .. } => {
                let total = page.number(total).unwrap_or(0);
                self.check_total(total)?;
                if items > total.saturating_sub(self.at) {
                    return Err(Broken::Moved(format!(
                        "the page holds {items} entries, and there are {total} in all"
                    )));
                }
                self.at += items.max(1);
                if self.at < total {
                    self.next = Some(self.address(step));
                }
            }
            Paging::UntilEmpty { .. } => {
                if self.total == Some(0) && items > 0 {
                    return Err(Broken::Moved("a page in the middle is short".to_owned()));
                }
                // The last page may be short: an empty one has to follow it.
                self.total = (items < step.size).then_some(0);
                self.at += 1;
                if items > 0 {
                    self.next = Some(self.address(step));
                }
            }
            Paging::PageOf { pages, .. } => {
                let Some(pages) = page.number(pages) else {
                    return Err(Broken::Failed(inconsistent(
                        address,
                        format!("it says no {pages}"),
                    )));
                };
                self.check_total(pages)?;
                if self.at < pages && items < step.size {
                    return Err(Broken::Moved(format!(
                        "page {} holds {items} of {} entries",
                        self.at, step.size
                    )));
                }
                self.at += 1;
                if self.at <= pages {
                    self.next = Some(self.address(step));
                }
            }
            Paging::NextIn(path) => {
                let is_full = items >= step.size && page.number(TOTAL).is_none();
                let next = next_in(page, path, is_full).map_err(|what| inconsistent(address, what))?;
                self.follow(next, address, guard)?;
            }
            Paging::LinkHeader => {
                if links.next.is_none() && links.is_odd {
                    let what = "its Link header is not understood".to_owned();
                    return Err(inconsistent(address, what).into());
                }
                if links.next.is_none() && items >= step.size && !links.has_previous {
                    let what = "the page is full, and no Link header names another".to_owned();
                    return Err(Broken::Full(inconsistent(address, what)));
                }
                let next = links.next.as_deref();
                self.follow(next, address, guard)?;
            }
        }
        if self.next.is_none() {
            self.check_sum(step, page)?;
        }
        Ok(items)
    }

    /// Compares the number of entries on all pages with the total on the last one, if it has a total.
    fn check_sum(&self, step: &PagesStep, page: &Page) -> Result<(), Broken> {
        // By offset, each page was compared.
        let is_compared = matches!(step.paging, Paging::Offset { .. });
        match page.number(TOTAL).filter(|_| !is_compared) {
            Some(total) if self.items < total => Err(Broken::Moved(format!(
                "the pages hold {} of {total} entries",
                self.items
            ))),
            _ => Ok(()),
        }
    }

    fn check_total(&mut self, total: u64) -> Result<(), Broken> {
        match self.total.replace(total) {
            Some(before) if before != total => Err(Broken::Moved(format!(
                "the total changed from {before} to {total} between two pages"
            ))),
            _ => Ok(()),
        }
    }

    /// Resolves an address in a page relative to the requested one.
    fn follow(
        &mut self,
        next: Option<&str>,
        address: &Address,
        guard: &crate::http::Guard,
    ) -> Result<(), Broken> {
        self.asked.insert(address.to_string());
        let Some(next) = next.filter(|next| !next.is_empty()) else {
            return Ok(());
        };
        let to = match address {
            Address::Http(url) => url
                .join(next)
                .map_err(|error| error.to_string())
                .and_then(Address::of_url),
            Address::File(_) => address.parent().join(next),
        };
        let to =
            to.map_err(|why| inconsistent(address, format!("the next page is {:?}: {why}", shorten(next))))?;
        guard.check_listed(&to)?;
        if self.asked.contains(&to.to_string()) {
            return Err(Broken::Failed(inconsistent(
                address,
                "its next page is one that was read".to_owned(),
            )));
        }
        self.next = Some(to);
        Ok(())
    }

    fn is_repeated(&mut self, hash: &str) -> bool {
        let is_repeated = self.last_hash == hash;
        self.last_hash = hash.to_owned();
        is_repeated
    }
}

/// Returns the address of the next page in an answer. If there is none, the answer must say so.
fn next_in<'p>(page: &'p Page, path: &[&str], is_full: bool) -> Result<Option<&'p str>, String> {
    let name = path.join(".");
    match page.member(path) {
        None => Err(format!("it says no {name}, not even that there is none")),
        Some(Page::Null) if is_full => Err(format!("the page is full, and {name} says that it is the last")),
        Some(Page::Null) => Ok(None),
        Some(Page::Text(text)) if text.is_empty() && is_full => {
            Err(format!("the page is full, and {name} is empty"))
        }
        Some(Page::Text(text)) => Ok(Some(text)),
        Some(_) => Err(format!("{name} is not an address")),
    }
}

fn inconsistent(address: &Address, what: String) -> FetchError {
    FetchError::Inconsistent {
        address: address.to_string(),
        what,
    }
}

/// Writes a time in the format of an API.
pub(super) fn time_text(at_ms: u64, text: TimeText) -> String {
    let at_ms = i64::try_from(at_ms).unwrap_or(i64::MAX);
    let time = Timestamp::from_millisecond(at_ms).unwrap_or(Timestamp::UNIX_EPOCH);
    let zoned = time.to_zoned(TimeZone::UTC);
    let format = match text {
        TimeText::Date => "%Y-%m-%d",
        TimeText::Millis => "%Y-%m-%dT%H:%M:%S.%3f+00:00",
        TimeText::OpenRange => "%Y-%m-%d..",
    };
    zoned.strftime(format).to_string()
}
