//! Counts the bytes that are read, and stops data beyond its limits before it is held in memory.
//!
//! One [`Meter`] is shared by the readers of one walk, which all run on one thread. An exceeded limit is reported
//! through the `io::Error` that decoders pass on, and also stored here, because decoders wrap errors in their own.

use std::cell::Cell;
use std::io::{self, Read};
use std::rc::Rc;

use super::{InputErrorKind, Limits};

/// Most bytes of headers between two members of a tar: names, owners and times, not content.
pub(super) const MAX_HEADER_BYTES: u64 = 1 << 20;

/// The counters of one walk.
pub(super) struct Meter {
    limits: Limits,
    packed: Cell<u64>,
    unpacked: Cell<u64>,
    /// Unpacked bytes that may still be read before the next member, while headers are read.
    header_bytes_left: Cell<Option<u64>>,
    hit: Cell<Option<Hit>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hit {
    Total,
    Ratio,
    Headers,
}

impl Meter {
    pub(super) fn new(limits: &Limits) -> Rc<Self> {
        Rc::new(Meter {
            limits: limits.clone(),
            packed: Cell::new(0),
            unpacked: Cell::new(0),
            header_bytes_left: Cell::new(None),
            hit: Cell::new(None),
        })
    }

    /// Returns the number of unpacked bytes so far.
    pub(super) fn unpacked(&self) -> u64 {
        self.unpacked.get()
    }

    /// Sets the size of the packed form, if it is not read from start to end: a zip.
    pub(super) fn set_packed(&self, bytes: u64) {
        self.packed.set(bytes);
    }

    /// Adds a packed form that is not read from end to end: a zip among other files.
    pub(super) fn add_packed(&self, bytes: u64) {
        self.packed.set(self.packed.get().saturating_add(bytes));
    }

    /// Allows only headers until the next call.
    pub(super) fn expect_headers(&self, expect: bool) {
        self.header_bytes_left.set(expect.then_some(MAX_HEADER_BYTES));
    }

    /// Returns the limit that stopped a read, if any.
    pub(super) fn take_hit(&self) -> Option<InputErrorKind> {
        self.hit.take().map(|hit| match hit {
            Hit::Total => InputErrorKind::TooLarge {
                limit: self.limits.max_total_bytes,
            },
            Hit::Ratio => InputErrorKind::Bomb {
                ratio: self.limits.max_ratio,
            },
            Hit::Headers => InputErrorKind::Headers {
                limit: MAX_HEADER_BYTES,
            },
        })
    }

    fn add_unpacked(&self, bytes: u64) -> io::Result<()> {
        let unpacked = self.unpacked.get().saturating_add(bytes);
        self.unpacked.set(unpacked);
        if unpacked > self.limits.max_total_bytes {
            return self.stop(Hit::Total);
        }
        let allowed = self.packed.get().saturating_mul(self.limits.max_ratio);
        if unpacked > self.limits.ratio_free_bytes && unpacked > allowed {
            return self.stop(Hit::Ratio);
        }
        if let Some(left) = self.header_bytes_left.get() {
            match left.checked_sub(bytes) {
                Some(left) => self.header_bytes_left.set(Some(left)),
                None => return self.stop(Hit::Headers),
            }
        }
        Ok(())
    }

    fn stop(&self, hit: Hit) -> io::Result<()> {
        self.hit.set(Some(hit));
        Err(io::Error::other("a limit of the input was reached"))
    }
}

/// A reader that counts packed bytes.
pub(super) struct Packed<R> {
    pub(super) inner: R,
    pub(super) meter: Rc<Meter>,
}

impl<R: Read> Read for Packed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = self.inner.read(buffer)?;
        let packed = &self.meter.packed;
        packed.set(packed.get().saturating_add(bytes as u64));
        Ok(bytes)
    }
}

/// A reader that counts unpacked bytes.
pub(super) struct Unpacked<R> {
    pub(super) inner: R,
    pub(super) meter: Rc<Meter>,
}

impl<R: Read> Read for Unpacked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = self.inner.read(buffer)?;
        self.meter.add_unpacked(bytes as u64)?;
        Ok(bytes)
    }
}

/// A reader that records that its end was reached.
pub(super) struct EndSeen<R> {
    pub(super) inner: R,
    pub(super) seen: Rc<Cell<bool>>,
}

impl<R: Read> Read for EndSeen<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = self.inner.read(buffer)?;
        if bytes == 0 && !buffer.is_empty() {
            self.seen.set(true);
        }
        Ok(bytes)
    }
}
