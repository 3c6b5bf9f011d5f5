//! Fetches one document or archive at a fixed address.

use std::io;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::Executor;
use crate::address::Address;
use crate::clock::Wait;
use crate::error::{FetchError, MISSING};
use crate::http::{Answer, Body, Request, blocking};
use crate::plan::{DocumentStep, Form, Validators, YearsStep};
use crate::position::Seen;
use crate::verify;

/// Longest checksum file, in bytes.
pub(super) const MAX_BESIDE_BYTES: u64 = 64 << 10;

/// A clock before this year counts as never set.
const EARLIEST_YEAR: u16 = 2024;

/// The result of fetching a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The document is in the folder.
    Taken {
        /// `Last-Modified`, in milliseconds since 1970.
        last_modified_ms: Option<u64>,
    },
    /// It did not change and was not sent.
    Unchanged,
    /// The document does not exist.
    Missing,
    /// The document contradicts its published checksum. That is noted, and the document is not in the folder.
    Damaged,
}

impl Executor<'_> {
    pub(super) async fn document_step(&mut self, step: &DocumentStep) -> Result<(), FetchError> {
        let outcome = self.document(step, true).await?;
        self.settle(step, outcome)
    }

    fn settle(&mut self, step: &DocumentStep, outcome: Outcome) -> Result<(), FetchError> {
        match outcome {
            Outcome::Taken { .. } => Ok(()),
            Outcome::Unchanged => {
                self.unsent.push(step.clone());
                Ok(())
            }
            Outcome::Missing if step.may_be_missing => {
                self.may_be_missing(step);
                Ok(())
            }
            // A document of this step has no published checksum, so it cannot be `Damaged`.
            Outcome::Missing | Outcome::Damaged => Err(missing(&step.address)),
        }
    }

    /// Names a document that is missing and may be, unless the position knows it: then it was there and is lost.
    pub(super) fn may_be_missing(&mut self, step: &DocumentStep) {
        let address = step.address.to_string();
        if self.old.documents.contains_key(&address) {
            self.not_read_unless_lasting(
                &format!("missing:{address}"),
                1,
                format!("{address} was there and is missing now (404)"),
            );
        } else {
            self.session.note(format!("{address} is not there (404)"));
        }
    }

    pub(super) async fn years_step(&mut self, step: &YearsStep) -> Result<(), FetchError> {
        let now = Timestamp::from_millisecond(i64::try_from(self.began_ms).unwrap_or(i64::MAX));
        let now = now.unwrap_or(Timestamp::UNIX_EPOCH).to_zoned(TimeZone::UTC);
        let this_year = u16::try_from(now.year()).unwrap_or(step.from_year);
        let is_year_new = now.month() == 1;
        if this_year < EARLIEST_YEAR {
            return Err(FetchError::Inconsistent {
                address: step.folder.to_string(),
                what: format!("this machine's clock says {this_year}, so which years there are is not known"),
            });
        }
        for year in step.from_year..=this_year.max(step.from_year) {
            let fill = |template: &str| template.replace("{year}", &year.to_string());
            let join = |name: String| {
                step.folder.join(&name).map_err(|why| FetchError::Forbidden {
                    address: step.folder.to_string(),
                    why,
                })
            };
            let document = DocumentStep {
                address: join(fill(&step.name))?,
                name: fill(&step.name),
                form: step.form,
                validators: Validators::Both,
                beside: Some(join(fill(&step.checksum))?),
                // In its first days, a year may have no file yet.
                may_be_missing: year == this_year,
            };
            let outcome = self.document(&document, true).await?;
            if outcome == Outcome::Missing && year == this_year && !is_year_new {
                self.not_read_unless_lasting(
                    &format!("missing:{}", document.address),
                    1,
                    format!("{} is missing (404)", document.address),
                );
            } else {
                self.settle(&document, outcome)?;
            }
        }
        Ok(())
    }

    /// Fetches a document that was left out as unchanged, because other documents changed.
    pub(super) async fn fetch_again(&mut self, step: &DocumentStep) -> Result<(), FetchError> {
        match self.document(step, false).await? {
            Outcome::Taken { .. } => Ok(()),
            Outcome::Unchanged | Outcome::Missing | Outcome::Damaged => {
                self.not_read(format!("{} was there and is missing now (404)", step.address));
                Ok(())
            }
        }
    }

    /// Fetches a document. With `conditional`, an unchanged document that the position knows is not sent again.
    pub(super) async fn document(
        &mut self,
        step: &DocumentStep,
        conditional: bool,
    ) -> Result<Outcome, FetchError> {
        let key = step.address.to_string();
        let known = self.old.documents.get(&key).cloned();
        let mut failed = 0;
        loop {
            let checksum = match &step.beside {
                Some(beside) => match self.checksum(beside).await {
                    Ok(digits) => Some(digits),
                    Err(error) if step.may_be_missing && is_missing(&error) => return Ok(Outcome::Missing),
                    Err(error) => return Err(error),
                },
                None => None,
            };
            let mark = checksum.as_ref().map(|digits| format!("sha256:{digits}"));
            if conditional && mark.is_some() && known.as_ref().and_then(|seen| seen.etag.clone()) == mark {
                return Ok(Outcome::Unchanged);
            }
            let request = Request {
                address: step.address.clone(),
                form: step.form,
                seen: known
                    .clone()
                    .filter(|_| conditional && mark.is_none())
                    .and_then(|seen| usable(seen, step.validators)),
            };
            let body = match self.session.get(&request).await? {
                Answer::NotModified => return Ok(Outcome::Unchanged),
                Answer::Missing => return Ok(Outcome::Missing),
                Answer::Body(body) => body,
            };
            if let Some(expected) = &checksum {
                let unpack = step.form == Form::Gzip;
                if let Err(error) = self.check_sha256(&step.address, &body, expected, unpack).await {
                    // The server may have replaced only one of document and checksum: fetch both again.
                    failed += 1;
                    if failed >= self.session.limits.max_attempts {
                        return Err(error);
                    }
                    self.remove(vec![body.path]).await?;
                    self.session.pause(self.plan.pace.retry, Wait::Retry).await?;
                    continue;
                }
            }
            let mut seen = body.seen.clone();
            if mark.is_some() {
                seen.etag = mark;
            }
            let is_same = known.is_some_and(|known| known.hash == seen.hash);
            let last_modified_ms = body.last_modified_ms;
            self.place(&step.address, &step.name, body, is_same).await?;
            self.new.documents.insert(key, seen);
            return Ok(Outcome::Taken { last_modified_ms });
        }
    }

    /// Reads the SHA-256 that is published beside a document.
    async fn checksum(&mut self, beside: &Address) -> Result<String, FetchError> {
        let text = self.small_text(beside, MAX_BESIDE_BYTES).await?;
        let digits = text.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.trim()
                .eq_ignore_ascii_case("sha256")
                .then(|| value.trim().to_ascii_lowercase())
        });
        match digits {
            Some(digits) if digits.len() == 64 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
                Ok(digits)
            }
            _ => Err(FetchError::Unexpected {
                address: beside.to_string(),
                expected: "a checksum file with a line sha256:",
                found: format!("{:?}", crate::names::shorten(&text)),
            }),
        }
    }

    /// Compares a fetched document with a published SHA-256.
    pub(super) async fn check_sha256(
        &self,
        address: &Address,
        body: &Body,
        expected: &str,
        unpack: bool,
    ) -> Result<(), FetchError> {
        let path = body.path.clone();
        let limit = self.session.limits.max_unpacked_bytes;
        let stop = self.session.run.stop.clone();
        let found = blocking(move || verify::sha256_of(&path, unpack, limit, &stop)).await;
        let found = found.map_err(|fault| fault.of(address))?;
        match found.eq_ignore_ascii_case(expected) {
            true => Ok(()),
            false => Err(FetchError::Damaged {
                address: address.to_string(),
                what: format!("its SHA-256 is {found}, and {expected} is published"),
            }),
        }
    }

    /// Fetches a short text, such as the name of the newest archive.
    pub(super) async fn small_text(&mut self, address: &Address, limit: u64) -> Result<String, FetchError> {
        let request = Request {
            address: address.clone(),
            form: Form::Text,
            seen: None,
        };
        let Answer::Body(body) = self.session.get(&request).await? else {
            return Err(missing(address));
        };
        if body.bytes > limit {
            return Err(FetchError::Limit {
                address: address.to_string(),
                what: format!("it is longer than {limit} bytes"),
            });
        }
        self.text_of(body).await
    }

    /// Reads a short text that was fetched, and removes its file.
    pub(super) async fn text_of(&mut self, body: Body) -> Result<String, FetchError> {
        let path = body.path.clone();
        let text = blocking(move || std::fs::read(&path))
            .await
            .map_err(|source| FetchError::Disk {
                path: body.path.clone(),
                action: "read",
                source,
            })?;
        self.remove(vec![body.path]).await?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }
}

/// Returns the validators of a document that can be used with its server.
fn usable(seen: Seen, validators: Validators) -> Option<Seen> {
    let seen = match validators {
        Validators::Both => seen,
        Validators::LastModifiedOnly => Seen { etag: None, ..seen },
    };
    (seen.etag.is_some() || seen.last_modified.is_some()).then_some(seen)
}

/// Returns the error for a missing document that must exist.
pub(super) fn missing(address: &Address) -> FetchError {
    match address {
        Address::Http(_) => FetchError::Status {
            address: address.to_string(),
            status: 404,
            retry_after: None,
        },
        Address::File(path) => FetchError::Disk {
            path: path.clone(),
            action: MISSING,
            source: io::Error::new(io::ErrorKind::NotFound, "nothing to fetch is there"),
        },
    }
}

/// Returns true if the error means that a document does not exist.
pub(super) fn is_missing(error: &FetchError) -> bool {
    match error {
        FetchError::Status { status, .. } => *status == 404,
        FetchError::Disk { source, .. } => source.kind() == io::ErrorKind::NotFound,
        _ => false,
    }
}
