//! Writes the body of an answer to the disk, within limits, and checks it.

use std::path::PathBuf;

use tokio::io::AsyncWriteExt;

use super::answer::Body;
use super::client::chain;
use super::headers::{Headers, http_time_ms};
use super::session::{Request, Session, blocking};
use crate::address::Address;
use crate::error::FetchError;
use crate::names::shorten;
use crate::position::Seen;
use crate::verify;

/// Distance between two reports of progress, in bytes.
const REPORT_BYTES: u64 = 1 << 20;

impl Session<'_> {
    pub(super) fn next_part(&mut self) -> PathBuf {
        self.parts += 1;
        self.run.into.join(format!(".part-{}", self.parts))
    }

    /// Removes the file of a failed attempt. If that fails, the file is removed with the folder.
    pub(crate) async fn discard_part(&self) {
        let part = self.run.into.join(format!(".part-{}", self.parts));
        for ending in ["", "-decoded", "-unpacked", "-decoded-unpacked"] {
            let mut path = part.clone().into_os_string();
            path.push(ending);
            let _ = tokio::fs::remove_file(path).await;
        }
    }

    pub(super) fn bytes_left(&self) -> u64 {
        let of_run = self.limits.max_run_bytes.saturating_sub(self.bytes);
        of_run.min(self.limits.max_document_bytes)
    }

    /// Returns the number of bytes that the documents of this run may still take on the disk. Few received bytes can
    /// unpack to many.
    fn written_left(&self) -> u64 {
        const FREE_BYTES: u64 = 1 << 30;
        const MOST_RATIO: u64 = 100;
        let most = self.bytes.saturating_mul(MOST_RATIO).max(FREE_BYTES);
        most.min(self.limits.max_written_bytes)
            .saturating_sub(self.written)
    }

    /// Returns the number of bytes that may still be written so that the reserve stays free.
    fn room(&self) -> u64 {
        let free = (self.run.free)();
        free.map_or(u64::MAX, |free| free.saturating_sub(self.limits.reserve_bytes))
    }

    /// Refuses to write so many bytes if the disk has no room for them beside the reserve.
    pub(super) fn check_room(&self, address: &Address, needed: u64) -> Result<(), FetchError> {
        match self.room() >= needed {
            true => Ok(()),
            false => Err(self.no_space(address, needed)),
        }
    }

    fn no_space(&self, address: &Address, needed: u64) -> FetchError {
        FetchError::NoSpace {
            address: address.to_string(),
            path: self.run.into.to_owned(),
            free: (self.run.free)().unwrap_or(0),
            needed,
            reserve: self.limits.reserve_bytes,
        }
    }

    pub(super) fn too_long(&self, address: &Address, limit: u64) -> FetchError {
        let what = match limit == self.limits.max_document_bytes {
            true => format!("the document is longer than {limit} bytes"),
            false => format!("the run brings more than {} bytes", self.limits.max_run_bytes),
        };
        FetchError::Limit {
            address: address.to_string(),
            what,
        }
    }

    pub(super) async fn download(
        &mut self,
        mut response: reqwest::Response,
        headers: &Headers,
        request: &Request,
    ) -> Result<Body, FetchError> {
        let address = &request.address;
        let limit = self.bytes_left();
        if headers.content_length.is_some_and(|length| length > limit) {
            return Err(self.too_long(address, limit));
        }
        self.check_room(address, headers.content_length.unwrap_or(1))?;
        let part = self.next_part();
        let disk = |source| FetchError::Disk {
            path: part.clone(),
            action: "written",
            source,
        };
        let file = tokio::fs::File::create(&part).await.map_err(disk)?;
        let mut file = tokio::io::BufWriter::with_capacity(1 << 20, file);
        let began_ms = self.run.clock.steady_ms();
        let mut received = 0_u64;
        let mut reported = 0_u64;
        loop {
            let chunk = self.unless_silent(address, response.chunk()).await?;
            let chunk = match chunk {
                Ok(Some(chunk)) => chunk,
                Ok(None) => break,
                Err(error) => return Err(cut_off(address, received, headers, error)),
            };
            received += chunk.len() as u64;
            self.bytes += chunk.len() as u64;
            if received > limit {
                return Err(self.too_long(address, limit));
            }
            file.write_all(&chunk).await.map_err(disk)?;
            self.check_rate(address, began_ms, received)?;
            if self.bytes >= reported + REPORT_BYTES {
                reported = self.bytes;
                self.report(address);
                self.check_room(address, 1)?;
            }
        }
        if let Some(length) = headers.content_length.filter(|length| *length != received) {
            return Err(FetchError::Truncated {
                address: address.to_string(),
                what: format!("{received} of {length} bytes came"),
            });
        }
        file.flush().await.map_err(disk)?;
        self.verified(part, request, headers).await
    }

    fn check_rate(&self, address: &Address, began_ms: u64, received: u64) -> Result<(), FetchError> {
        let now_ms = self.run.clock.steady_ms();
        self.check_time(address, now_ms)?;
        let spent_ms = now_ms.saturating_sub(began_ms);
        let most_ms = u64::try_from(self.limits.max_document_time.as_millis()).unwrap_or(u64::MAX);
        if spent_ms > most_ms {
            return Err(FetchError::Stalled {
                address: address.to_string(),
                what: format!(
                    "{received} bytes came in {} s, and not the whole",
                    spent_ms / 1000
                ),
            });
        }
        let least_ms = u64::try_from(self.limits.silence.as_millis()).unwrap_or(u64::MAX);
        let least = u128::from(self.limits.min_bytes_per_second) * u128::from(spent_ms) / 1000;
        if spent_ms < least_ms || u128::from(received) >= least {
            return Ok(());
        }
        Err(FetchError::Stalled {
            address: address.to_string(),
            what: format!(
                "{received} bytes came in {} s, less than {} a second",
                spent_ms / 1000,
                self.limits.min_bytes_per_second
            ),
        })
    }

    /// Checks that a document is whole and of its form.
    pub(super) async fn verified(
        &mut self,
        part: PathBuf,
        request: &Request,
        headers: &Headers,
    ) -> Result<Body, FetchError> {
        let (left, room) = (self.written_left(), self.room());
        let job = verify::Job {
            path: part,
            form: request.form,
            encoding: headers.content_encoding.clone(),
            content_type: headers.content_type.clone(),
            max_unpacked_bytes: self.limits.max_unpacked_bytes,
            max_written_bytes: left.min(room),
            stop: self.run.stop.clone(),
        };
        let checked = blocking(move || verify::check(&job)).await;
        let checked = checked.map_err(|fault| match fault {
            verify::Fault::Limit(_) if room < left => self.no_space(&request.address, room.saturating_add(1)),
            fault => fault.of(&request.address),
        })?;
        if checked.bytes > self.written_left() {
            return Err(FetchError::Limit {
                address: request.address.to_string(),
                what: "the documents of the run have more bytes on the disk than a run may".to_owned(),
            });
        }
        self.written = self.written.saturating_add(checked.bytes);
        if let Some(note) = checked.note {
            self.note(format!("{}: {note}", request.address));
        }
        Ok(Body {
            path: checked.path,
            renamed: checked.renamed,
            bytes: checked.bytes,
            at_ms: self.run.clock.now_ms(),
            seen: Seen {
                etag: headers.etag.clone(),
                last_modified: headers.last_modified.clone(),
                hash: Some(checked.hash),
            },
            links: headers.links.clone(),
            is_bounded: headers.is_bounded,
            last_modified_ms: headers.last_modified.as_deref().and_then(http_time_ms),
        })
    }
}

fn cut_off(address: &Address, received: u64, headers: &Headers, error: reqwest::Error) -> FetchError {
    let expected = match headers.content_length {
        Some(length) => format!("{received} of {length} bytes came"),
        None => format!("the connection ended after {received} bytes"),
    };
    FetchError::Truncated {
        address: address.to_string(),
        what: format!("{expected} ({})", shorten(&chain(&error.without_url()))),
    }
}
