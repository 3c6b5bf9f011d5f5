//! The requests of one run.

use std::collections::BTreeMap;
use std::future::Future;
use std::path::Path;
use std::time::Duration;

use reqwest::header::{ACCEPT, ACCEPT_ENCODING, HeaderName, HeaderValue, IF_MODIFIED_SINCE, IF_NONE_MATCH};
use url::Url;

use super::answer::Answer;
use super::client::{Secret, chain};
use super::file;
use super::guard::Guard;
use super::headers::{Headers, backoff};
use crate::address::Address;
use crate::clock::Wait;
use crate::error::{FetchError, is_temporary_status};
use crate::fetched::Progress;
use crate::fetcher::Run;
use crate::names::shorten;
use crate::plan::{Form, Plan};
use crate::position::Seen;
use crate::redact::{Redaction, shown};
use crate::settings::Limits;

/// Most notes of a run; more are only counted.
const MAX_NOTES: usize = 1_000;

/// Times of a server before this one are those of a clock that was never set: 2024-01-01.
const EARLIEST_MS: u64 = 1_704_067_200_000;

/// A request.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) address: Address,
    pub(crate) form: Form,
    /// The data that the position has about the document, if it need not be sent again when unchanged.
    pub(crate) seen: Option<Seen>,
}

/// The state of one run's requests.
pub(crate) struct Session<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) limits: &'a Limits,
    pub(crate) run: Run<'a>,
    pub(crate) guard: Guard,
    client: reqwest::Client,
    key: Option<&'a Secret>,
    redaction: Redaction,
    /// For each host: the steady time before which no request is sent to it.
    next_ms: BTreeMap<String, u64>,
    pub(crate) notes: Vec<String>,
    unnamed_notes: u64,
    pub(crate) requests: u64,
    pub(crate) bytes: u64,
    pub(crate) progress: Progress,
    pub(super) parts: u64,
    /// Size of the documents on the disk, in bytes.
    pub(super) written: u64,
    /// The start of the run, by the steady clock.
    began_ms: u64,
    /// The server's clock at its first answer, in milliseconds since 1970.
    server_ms: Option<u64>,
}

impl<'a> Session<'a> {
    pub(crate) fn new(
        plan: &'a Plan,
        limits: &'a Limits,
        run: Run<'a>,
        guard: Guard,
        client: reqwest::Client,
        key: Option<&'a Secret>,
    ) -> Self {
        Self {
            plan,
            limits,
            run,
            guard,
            client,
            key,
            redaction: Redaction::of(plan),
            next_ms: BTreeMap::new(),
            notes: Vec::new(),
            unnamed_notes: 0,
            requests: 0,
            bytes: 0,
            progress: Progress::default(),
            parts: 0,
            written: 0,
            began_ms: run.clock.steady_ms(),
            server_ms: None,
        }
    }

    /// Adds a note, once.
    pub(crate) fn note(&mut self, text: String) {
        if self.notes.contains(&text) {
            return;
        }
        match self.notes.len() < MAX_NOTES {
            true => self.notes.push(text),
            false => self.unnamed_notes += 1,
        }
    }

    /// Returns the time up to which a run that began at `began_ms` read the source: by the server's clock, if that is
    /// behind ours. Otherwise later changes with a server time before ours would be missed. A server clock that was
    /// never set is ignored.
    pub(crate) fn read_until_ms(&mut self, began_ms: u64) -> u64 {
        const MINUTE_MS: u64 = 60_000;
        let Some(server_ms) = self.server_ms else {
            return began_ms;
        };
        let apart_ms = began_ms.abs_diff(server_ms);
        if apart_ms > 5 * MINUTE_MS {
            self.note(format!(
                "the clocks of this site and the server are {} s apart",
                apart_ms / 1000
            ));
        }
        match self.has_server_clock() {
            true => began_ms.min(server_ms),
            false => began_ms,
        }
    }

    /// Returns true if the server sent a plausible time.
    pub(crate) fn has_server_clock(&self) -> bool {
        self.server_ms.is_some_and(|server_ms| server_ms >= EARLIEST_MS)
    }

    /// Returns the notes of the run, and forgets them.
    pub(crate) fn take_notes(&mut self) -> Vec<String> {
        let mut notes = std::mem::take(&mut self.notes);
        if self.unnamed_notes > 0 {
            notes.push(format!("{} more notes are not listed", self.unnamed_notes));
        }
        notes
    }

    /// Fetches a document and verifies its form. If the server is busy, or the answer is truncated or damaged, tries
    /// again.
    ///
    /// # Errors
    /// The last error, or the first one that a repetition cannot help.
    pub(crate) async fn get(&mut self, request: &Request) -> Result<Answer, FetchError> {
        let mut failed = 0;
        loop {
            let error = match self.attempt(request).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            self.discard_part().await;
            failed += 1;
            if failed >= self.limits.max_attempts || !self.may_repeat(&error) {
                return Err(error);
            }
            let mut wait = backoff(self.plan.pace.retry, failed, (self.run.random)());
            if let Some(asked) = error.retry_after() {
                if asked > self.limits.max_retry_after {
                    return Err(error);
                }
                wait = wait.max(asked);
            }
            self.pause(wait, Wait::Retry).await?;
        }
    }

    fn may_repeat(&self, error: &FetchError) -> bool {
        if self.run.clock.steady_ms() >= self.ends_ms() {
            return false;
        }
        match error {
            FetchError::Unreachable { .. }
            | FetchError::Stalled { .. }
            | FetchError::Truncated { .. }
            | FetchError::Damaged { .. } => true,
            FetchError::Status {
                status: 403,
                retry_after,
                ..
            } => self.plan.pace.throttles_by_403 || retry_after.is_some(),
            FetchError::Status { status, .. } => is_temporary_status(*status),
            _ => false,
        }
    }

    fn ends_ms(&self) -> u64 {
        let longest_ms = u64::try_from(self.limits.max_run_time.as_millis()).unwrap_or(u64::MAX);
        self.began_ms.saturating_add(longest_ms)
    }

    /// Stops a run that takes too long, so that others can run.
    pub(super) fn check_time(&self, address: &Address, now_ms: u64) -> Result<(), FetchError> {
        match now_ms >= self.ends_ms() {
            true => Err(FetchError::Stalled {
                address: address.to_string(),
                what: format!(
                    "the run takes longer than {} s",
                    self.limits.max_run_time.as_secs()
                ),
            }),
            false => Ok(()),
        }
    }

    /// Waits, unless the run is stopped.
    pub(crate) async fn pause(&self, span: Duration, why: Wait) -> Result<(), FetchError> {
        tokio::select! {
            biased;
            () = self.run.stop.cancelled() => Err(FetchError::Stopped),
            () = self.run.clock.wait(span, why) => Ok(()),
        }
    }

    /// Reports the progress of the run.
    pub(crate) fn report(&mut self, address: &Address) {
        self.progress.bytes = self.bytes;
        self.progress.address = address.to_string();
        self.redaction.text(&mut self.progress.address);
        (self.run.progress)(self.progress.clone());
    }

    async fn attempt(&mut self, request: &Request) -> Result<Answer, FetchError> {
        if self.run.stop.is_cancelled() {
            return Err(FetchError::Stopped);
        }
        self.check_time(&request.address, self.run.clock.steady_ms())?;
        self.report(&request.address);
        match &request.address {
            Address::File(path) => self.attempt_file(path, request).await,
            Address::Http(url) => self.attempt_http(url, request).await,
        }
    }

    async fn attempt_file(&mut self, path: &Path, request: &Request) -> Result<Answer, FetchError> {
        self.requests += 1;
        let failed = |source| FetchError::Disk {
            path: path.to_owned(),
            action: "read",
            source,
        };
        let asked = path.to_owned();
        let Some(state) = blocking(move || file::look(&asked)).await.map_err(failed)? else {
            return Ok(Answer::Missing);
        };
        let seen = request.seen.as_ref().and_then(|seen| seen.etag.as_deref());
        if seen == Some(state.validator.as_str()) {
            return Ok(Answer::NotModified);
        }
        let limit = self.bytes_left();
        if state.bytes > limit {
            return Err(self.too_long(&request.address, limit));
        }
        self.check_room(&request.address, state.bytes)?;
        let part = self.next_part();
        let (from, to, stop) = (path.to_owned(), part.clone(), self.run.stop.clone());
        let bytes = blocking(move || file::copy(&from, &to, limit, &stop))
            .await
            .map_err(failed)?;
        self.bytes += bytes;
        if self.run.stop.is_cancelled() {
            return Err(FetchError::Stopped);
        }
        if bytes != state.bytes {
            return Err(FetchError::Truncated {
                address: request.address.to_string(),
                what: format!(
                    "it had {} bytes and {bytes} were read: it is being written",
                    state.bytes
                ),
            });
        }
        let asked = path.to_owned();
        let after = blocking(move || file::look(&asked)).await.map_err(failed)?;
        if after.as_ref() != Some(&state) {
            return Err(FetchError::Truncated {
                address: request.address.to_string(),
                what: "it changed while it was read: it is being written".to_owned(),
            });
        }
        let headers = Headers {
            etag: Some(state.validator),
            is_bounded: true,
            ..Headers::default()
        };
        let mut body = self.verified(part, request, &headers).await?;
        body.last_modified_ms = state.modified_ms;
        Ok(Answer::Body(body))
    }

    async fn attempt_http(&mut self, url: &Url, request: &Request) -> Result<Answer, FetchError> {
        let mut at = url.clone();
        let mut hops = 0;
        loop {
            let response = self.send(&at, request).await?;
            let headers = Headers::of(response.headers());
            self.server_ms = self.server_ms.or(headers.date_ms);
            let status = response.status().as_u16();
            match status {
                200 | 203 => return self.download(response, &headers, request).await.map(Answer::Body),
                304 if request.seen.is_some() => return Ok(Answer::NotModified),
                404 | 410 => return Ok(Answer::Missing),
                301 | 302 | 303 | 307 | 308 => {
                    hops += 1;
                    if hops > self.limits.max_redirects {
                        return Err(FetchError::Limit {
                            address: request.address.to_string(),
                            what: format!("more than {} redirects", self.limits.max_redirects),
                        });
                    }
                    let next = self.redirected(&at, &headers)?;
                    if matches!(status, 301 | 308) {
                        self.note(format!(
                            "{} has moved to {}",
                            request.address,
                            shorten(&shown(next.as_str()))
                        ));
                    }
                    at = next;
                }
                status => {
                    return Err(FetchError::Status {
                        address: request.address.to_string(),
                        status,
                        retry_after: headers.wait(self.run.clock.now_ms()),
                    });
                }
            }
        }
    }

    fn redirected(&self, from: &Url, headers: &Headers) -> Result<Url, FetchError> {
        let refuse = |why: String| FetchError::Forbidden {
            address: shown(from.as_str()),
            why,
        };
        let location = headers.location.as_deref().unwrap_or_default();
        let next = from.join(location).map_err(|error| {
            refuse(format!(
                "it redirects to {:?}: {error}",
                shorten(&shown(location))
            ))
        })?;
        let to = Address::of_url(next)
            .map_err(|why| refuse(format!("it redirects to {:?}: {why}", shorten(&shown(location)))))?;
        self.guard.check_redirect(&Address::Http(from.clone()), &to)?;
        match to {
            Address::Http(url) => Ok(url),
            Address::File(_) => Err(refuse("it redirects to a file".to_owned())),
        }
    }

    async fn send(&mut self, url: &Url, request: &Request) -> Result<reqwest::Response, FetchError> {
        self.keep_pace(url).await?;
        self.requests += 1;
        let mut builder = self.client.get(url.clone());
        if let Some(seen) = &request.seen {
            for (name, value) in [
                (IF_NONE_MATCH, &seen.etag),
                (IF_MODIFIED_SINCE, &seen.last_modified),
            ] {
                if let Some(value) = value
                    .as_deref()
                    .and_then(|value| HeaderValue::from_str(value).ok())
                {
                    builder = builder.header(name, value);
                }
            }
        }
        // Compressed documents gain nothing, and some servers would decompress them for the transfer.
        let encoding = if request.form.is_text() {
            "gzip"
        } else {
            "identity"
        };
        builder = builder.header(ACCEPT_ENCODING, encoding);
        builder = builder.header(
            ACCEPT,
            if request.form == Form::Json {
                "application/json, */*;q=0.5"
            } else {
                "*/*"
            },
        );
        let is_base = self.plan.base.is_same_origin(&Address::Http(url.clone()));
        if let (Some(header), Some(key), true) = (self.plan.key, self.key, is_base)
            && let Some(value) = key.header(header.prefix)
        {
            if url.scheme() == "http" {
                self.note(format!(
                    "the key is sent to {} without encryption",
                    url.host_str().unwrap_or_default()
                ));
            }
            builder = builder.header(HeaderName::from_static(header.name), value);
        }
        let address = Address::Http(url.clone());
        let sent = self.unless_silent(&address, builder.send()).await?;
        sent.map_err(|error| connection_error(&address, error))
    }

    /// Runs a part of a request until it ends, the server is silent for too long, or the run is stopped.
    pub(super) async fn unless_silent<T>(
        &self,
        address: &Address,
        part: impl Future<Output = T>,
    ) -> Result<T, FetchError> {
        tokio::select! {
            biased;
            () = self.run.stop.cancelled() => Err(FetchError::Stopped),
            done = part => Ok(done),
            () = self.run.clock.wait(self.limits.silence, Wait::Silence) => Err(FetchError::Stalled {
                address: address.to_string(),
                what: format!("no byte came for {} s", self.limits.silence.as_secs()),
            }),
        }
    }

    async fn keep_pace(&mut self, url: &Url) -> Result<(), FetchError> {
        let host = url.host_str().unwrap_or_default().to_owned();
        let now_ms = self.run.clock.steady_ms();
        let next_ms = self.next_ms.get(&host).copied().unwrap_or(0);
        if next_ms > now_ms {
            self.pause(Duration::from_millis(next_ms - now_ms), Wait::Pace)
                .await?;
        }
        let pace = match self.key {
            Some(_) => self.plan.pace.keyed,
            None => self.plan.pace.open,
        };
        let span_ms = u64::try_from(pace.as_millis()).unwrap_or(u64::MAX);
        let begun_ms = self.run.clock.steady_ms().max(next_ms);
        self.next_ms.insert(host, begun_ms.saturating_add(span_ms));
        Ok(())
    }
}

/// Runs work that reads or writes the disk, or unpacks, in a thread that may block.
pub(crate) async fn blocking<T: Send + 'static, E: From<std::io::Error> + Send + 'static>(
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, E> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => Err(E::from(std::io::Error::other(error))),
    }
}

fn connection_error(address: &Address, error: reqwest::Error) -> FetchError {
    let address = address.to_string();
    let error = error.without_url();
    let what = shorten(&chain(&error));
    if what.contains("resolves to an address of this machine") {
        return FetchError::Forbidden { address, why: what };
    }
    if what.contains("certificate") {
        return FetchError::Certificate { address, what };
    }
    let what = plain_cause(&error).map_or(what, str::to_owned);
    FetchError::Unreachable { address, what }
}

/// Returns a plain description of a common connection error; `None` for other errors.
fn plain_cause(error: &reqwest::Error) -> Option<&'static str> {
    use std::io::ErrorKind::{
        ConnectionRefused, ConnectionReset, HostUnreachable, NetworkUnreachable, TimedOut,
    };
    if error.is_timeout() {
        return Some("it does not answer in time");
    }
    let first = std::error::Error::source(error);
    let causes = std::iter::successors(first, |cause| cause.source());
    causes.into_iter().find_map(|cause| {
        if cause.to_string() == "dns error" {
            return Some("its name cannot be resolved");
        }
        match cause.downcast_ref::<std::io::Error>()?.kind() {
            ConnectionRefused => Some("it refuses the connection"),
            ConnectionReset => Some("it reset the connection"),
            HostUnreachable | NetworkUnreachable => Some("no network leads to it"),
            TimedOut => Some("it does not answer in time"),
            _ => None,
        }
    })
}
