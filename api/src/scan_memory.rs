//! Limits the memory of scan documents: over all scans together, both while they are read and while they are evaluated.
//!
//! Reading a body does not take a scan place, so a slow sender blocks nobody. A body is held in memory while there is
//! room, else in an unnamed spool file. It is evaluated when its size fits beside the running evaluations.

use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::Arc;

use axum::body::Body;
use axum::http::HeaderMap;
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use starling_api_types::{ErrorCode, Problem};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::body::upload_stream;
use crate::guard::busy;
use crate::limits::{SCAN_JUDGED_BYTES, SCAN_READ_BYTES, SCAN_SPOOL_BYTES, SMALL_SCAN_BYTES};
use crate::upload::file_problem;

/// The number of bytes of one permit.
const UNIT: usize = 4_096;

/// The memory limits of scans.
#[derive(Debug, Clone)]
pub(crate) struct ScanMemory {
    read: Arc<Semaphore>,
    spooled: Arc<Semaphore>,
    judged: Arc<Semaphore>,
    /// For small documents, so that they do not wait until a large one is evaluated.
    small: Arc<Semaphore>,
    /// For forms, whose further documents can take long, and for scans of an earlier time.
    forms: Arc<Semaphore>,
    /// For callers of the local socket.
    local: Arc<Semaphore>,
}

/// The kind of memory that a scan's documents use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Share {
    /// An SBOM without further documents, evaluated with current knowledge.
    Plain,
    /// Scans that may wait in a separate queue: forms, and scans of an earlier time.
    Slow,
    /// Everything over the local socket.
    Local,
}

impl Default for ScanMemory {
    fn default() -> Self {
        Self::new(SCAN_READ_BYTES, SCAN_SPOOL_BYTES, SCAN_JUDGED_BYTES)
    }
}

fn units(bytes: usize) -> usize {
    bytes.div_ceil(UNIT)
}

/// A body that was read completely.
#[derive(Debug)]
pub(crate) struct ReadBody {
    held: BytesMut,
    /// The data that arrived when there was no room.
    spooled: Option<std::fs::File>,
    length: usize,
    places: Vec<OwnedSemaphorePermit>,
}

impl ScanMemory {
    pub(crate) fn new(read: usize, spooled: usize, judged: usize) -> Self {
        let places = |bytes| Arc::new(Semaphore::new(units(bytes)));
        Self {
            read: places(read),
            spooled: places(spooled),
            judged: places(judged),
            small: places(judged / 2),
            forms: places(judged / 2),
            local: places(judged / 2),
        }
    }

    /// Reads a body of at most `max_bytes`; the part that does not fit into memory goes to a file in `spool_dir`.
    ///
    /// # Errors
    /// `body_too_large`, `upload_interrupted`, or an error of the spool file.
    pub(crate) async fn read(
        &self,
        headers: &HeaderMap,
        body: Body,
        max_bytes: u64,
        spool_dir: &Path,
    ) -> Result<ReadBody, Problem> {
        let mut stream = upload_stream(headers, body, max_bytes, ErrorCode::BodyTooLarge)?;
        let mut read = ReadBody {
            held: BytesMut::new(),
            spooled: None,
            length: 0,
            places: Vec::new(),
        };
        let mut room = 0;
        while let Some(chunk) = stream.next().await {
            let chunk = chunk?;
            read.length += chunk.len();
            if read.spooled.is_none() && self.make_room(&mut read.places, &mut room, read.length) {
                read.held.extend_from_slice(&chunk);
                continue;
            }
            let count = u32::try_from(units(chunk.len())).unwrap_or(u32::MAX);
            let place = Arc::clone(&self.spooled).try_acquire_many_owned(count);
            read.places.push(place.map_err(|_| busy())?);
            read = spool(read, chunk, spool_dir).await?;
        }
        Ok(read)
    }

    /// Reserves the memory for `length` bytes beyond the `room` that is already reserved; returns false if there is not
    /// enough.
    fn make_room(&self, places: &mut Vec<OwnedSemaphorePermit>, room: &mut usize, length: usize) -> bool {
        let needed = length.saturating_sub(*room);
        if needed == 0 {
            return true;
        }
        // Reserves like a growing buffer: at least doubles.
        let more = units(needed.max(*room));
        let Ok(count) = u32::try_from(more) else {
            return false;
        };
        match Arc::clone(&self.read).try_acquire_many_owned(count) {
            Ok(place) => {
                places.push(place);
                *room += more * UNIT;
                true
            }
            Err(_) => false,
        }
    }

    /// Waits until documents of `bytes` bytes may be evaluated beside the others.
    ///
    /// # Errors
    /// `busy` if the site stops.
    pub(crate) async fn judge(&self, bytes: usize, share: Share) -> Result<OwnedSemaphorePermit, Problem> {
        let (places, most) = match share {
            Share::Plain if bytes <= SMALL_SCAN_BYTES => (&self.small, SCAN_JUDGED_BYTES / 2),
            Share::Plain => (&self.judged, SCAN_JUDGED_BYTES),
            Share::Slow => (&self.forms, SCAN_JUDGED_BYTES / 2),
            Share::Local => (&self.local, SCAN_JUDGED_BYTES / 2),
        };
        // Documents larger than the limit are evaluated alone.
        let count = units(bytes).clamp(1, units(most));
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        Arc::clone(places)
            .acquire_many_owned(count)
            .await
            .map_err(|_| busy())
    }
}

async fn spool(mut read: ReadBody, chunk: Bytes, dir: &Path) -> Result<ReadBody, Problem> {
    let dir = dir.to_owned();
    let spooling = tokio::task::spawn_blocking(move || {
        let failed = |error: &std::io::Error| file_problem("spooling a scan's documents to", &dir, error);
        let mut file = match read.spooled.take() {
            Some(file) => file,
            None => tempfile::tempfile_in(&dir).map_err(|error| failed(&error))?,
        };
        file.write_all(&chunk).map_err(|error| failed(&error))?;
        read.spooled = Some(file);
        Ok(read)
    });
    spooling
        .await
        .unwrap_or_else(|panic| Err(Problem::internal("spooling a scan's documents", panic)))
}

impl ReadBody {
    /// Returns its size in bytes.
    pub(crate) fn length(&self) -> usize {
        self.length
    }

    /// Returns the complete body, in memory.
    ///
    /// # Errors
    /// An error of the spool file.
    pub(crate) async fn into_bytes(mut self) -> Result<Bytes, Problem> {
        let Some(mut file) = self.spooled.take() else {
            return Ok(self.held.freeze());
        };
        let reading = tokio::task::spawn_blocking(move || {
            let failed =
                |error: &std::io::Error| file_problem("reading", Path::new("a scan's spool file"), error);
            // Allocated with its final size, so that a large body is not copied or held twice.
            let mut whole = BytesMut::zeroed(self.length);
            let (held, rest) = whole.split_at_mut(self.held.len());
            held.copy_from_slice(&self.held);
            drop(self.held);
            file.seek(SeekFrom::Start(0))
                .and_then(|_| file.read_exact(rest))
                .map_err(|error| failed(&error))?;
            Ok(whole.freeze())
        });
        reading
            .await
            .unwrap_or_else(|panic| Err(Problem::internal("reading a scan's documents", panic)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(text: &'static [u8]) -> Body {
        let chunks = text
            .chunks(3_000)
            .map(|chunk| Ok::<_, std::io::Error>(Bytes::from_static(chunk)));
        Body::from_stream(futures::stream::iter(chunks))
    }

    #[tokio::test]
    async fn body_beyond_memory_is_spooled_and_read_back() {
        static TEXT: [u8; 40_000] = {
            let mut text = [0; 40_000];
            let mut at = 0;
            while at < text.len() {
                #[allow(clippy::cast_possible_truncation)] // Modulo 251.
                {
                    text[at] = (at % 251) as u8;
                }
                at += 1;
            }
            text
        };
        let dir = tempfile::tempdir().unwrap();
        for room in [0, UNIT, 5 * UNIT, 100 * UNIT] {
            let memory = ScanMemory::new(room, 1 << 20, 0);
            let headers = HeaderMap::new();
            let read = memory.read(&headers, body(&TEXT), 50_000, dir.path()).await;
            let read = read.unwrap();
            assert_eq!(read.length(), TEXT.len());
            assert_eq!(read.spooled.is_some(), room < 10 * UNIT);
            assert_eq!(read.into_bytes().await.unwrap(), &TEXT[..]);
            assert_eq!(memory.read.available_permits(), room / UNIT, "all is given back");
            assert_eq!(memory.spooled.available_permits(), units(1 << 20));
        }
        let problem = ScanMemory::default()
            .read(&HeaderMap::new(), body(&TEXT), 30_000, dir.path())
            .await
            .unwrap_err();
        assert_eq!(problem.code, ErrorCode::BodyTooLarge);
    }

    #[tokio::test]
    async fn simultaneous_evaluation_is_limited() {
        const LARGE: usize = 2 * SMALL_SCAN_BYTES;
        let memory = ScanMemory::new(0, 0, 10 * LARGE);
        let first = memory.judge(6 * LARGE, Share::Plain).await.unwrap();
        let waiting = tokio::spawn({
            let memory = memory.clone();
            async move { memory.judge(6 * LARGE, Share::Plain).await.map(drop) }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        // A small one does not wait for large ones.
        drop(memory.judge(SMALL_SCAN_BYTES, Share::Plain).await.unwrap());
        drop(first);
        waiting.await.unwrap().unwrap();
    }
}
