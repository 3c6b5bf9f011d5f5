//! A page of bodies as one zstd frame, compressed against bodies that the reader holds.
//!
//! Most of a day's change is small edits of large records. With the superseded record as context, an edit costs
//! only its difference; without it, ten edited records cost as much as ten new ones.

use starling_protocol::limits::KIB;
use zstd::zstd_safe::{CCtx, CParameter, DCtx, compress_bound, get_error_name};

use crate::limits::{MAX_BASES_BYTES, MAX_BODIES_PAGE_BYTES};
use crate::settings::CompressionLevels;

/// Pages up to this many bytes, context included, are compressed at the level for small ones.
const SMALL_PAGE_BYTES: usize = 256 * KIB;
/// zstd's smallest and, here, largest window, as powers of two. The largest spans a full page and its context.
const WINDOW_LOG: std::ops::RangeInclusive<u32> = 10..=24;

/// The reason why a page could not be packed or unpacked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PageFault {
    /// More bytes than a page may hold.
    #[error("a page of {found} bytes of bodies; at most {limit} are allowed")]
    TooLong {
        /// The size of the page.
        found: u64,
        /// The limit.
        limit: u64,
    },
    /// zstd refused.
    #[error("the zstd frame of a page of bodies: {cause}")]
    Zstd {
        /// zstd's error.
        cause: &'static str,
    },
    /// The frame holds another number of bytes than the page promises.
    #[error("a page of bodies states {promised} bytes, it decompressed to {found}")]
    Size {
        /// Sum of the promised sizes.
        promised: usize,
        /// The decompressed size.
        found: usize,
    },
}

/// Returns a bitmap of `count` items; the last byte is filled up with zero bits.
#[must_use]
pub fn bitmap(count: usize, set: impl Fn(usize) -> bool) -> Vec<u8> {
    let mut bytes = vec![0_u8; count.div_ceil(8)];
    for index in (0..count).filter(|&index| set(index)) {
        bytes[index / 8] |= 1 << (index % 8);
    }
    bytes
}

/// Returns true if bit `index` is set; bits past the end are not.
#[must_use]
pub fn bit(bytes: &[u8], index: usize) -> bool {
    bytes
        .get(index / 8)
        .is_some_and(|byte| byte & (1 << (index % 8)) != 0)
}

/// A page ready to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Size of each body in bytes, 0 for an absent one.
    pub sizes: Vec<u32>,
    /// One zstd frame over the bodies that are there, in order.
    pub frame: Vec<u8>,
}

/// Compresses `bodies` against `bases`, in the given order. An empty body counts as absent.
///
/// # Errors
/// [`PageFault::TooLong`] above [`MAX_BODIES_PAGE_BYTES`] or [`MAX_BASES_BYTES`]; [`PageFault::Zstd`].
pub fn pack(
    bodies: &[Option<Vec<u8>>],
    bases: &[Vec<u8>],
    bulk: bool,
    levels: CompressionLevels,
) -> Result<Page, PageFault> {
    let sizes = bodies.iter().map(|body| body.as_ref().map_or(0, Vec::len));
    let sizes: Vec<u32> = sizes
        .map(|size| u32::try_from(size).unwrap_or(u32::MAX))
        .collect();
    bounded(
        sizes.iter().map(|&size| u64::from(size)).sum(),
        MAX_BODIES_PAGE_BYTES,
    )?;
    let prefix = join_bases(bases)?;
    let content: Vec<u8> = bodies
        .iter()
        .flatten()
        .map(Vec::as_slice)
        .collect::<Vec<_>>()
        .concat();
    let reach = content.len() + prefix.len();
    let level = match (bulk, reach) {
        (_, reach) if reach <= SMALL_PAGE_BYTES => levels.small,
        (false, _) => levels.large,
        (true, _) => levels.bulk,
    };
    let mut frame = Vec::with_capacity(compress_bound(content.len()));
    let mut context = CCtx::create();
    let zstd = |code| PageFault::Zstd {
        cause: get_error_name(code),
    };
    context
        .set_parameter(CParameter::CompressionLevel(level))
        .map_err(zstd)?;
    if !prefix.is_empty() {
        // Without this the window covers the content alone and excludes the context.
        let log = usize::BITS - reach.leading_zeros();
        let log = log.clamp(*WINDOW_LOG.start(), *WINDOW_LOG.end());
        context.set_parameter(CParameter::WindowLog(log)).map_err(zstd)?;
        context.ref_prefix(&prefix).map_err(zstd)?;
    }
    context.compress2(&mut frame, &content).map_err(zstd)?;
    Ok(Page { sizes, frame })
}

/// Decompresses a page: one answer per size, `None` if the size is 0.
///
/// Allocates what the sizes state and no more, whatever the frame holds.
///
/// # Errors
/// Any [`PageFault`].
pub fn unpack(sizes: &[u32], frame: &[u8], bases: &[Vec<u8>]) -> Result<Vec<Option<Vec<u8>>>, PageFault> {
    let promised = bounded(
        sizes.iter().map(|&size| u64::from(size)).sum(),
        MAX_BODIES_PAGE_BYTES,
    )?;
    let prefix = join_bases(bases)?;
    let mut content = Vec::with_capacity(promised);
    let mut context = DCtx::create();
    let zstd = |code| PageFault::Zstd {
        cause: get_error_name(code),
    };
    if !prefix.is_empty() {
        context.ref_prefix(&prefix).map_err(zstd)?;
    }
    context.decompress(&mut content, frame).map_err(zstd)?;
    if content.len() != promised {
        let found = content.len();
        return Err(PageFault::Size { promised, found });
    }
    let mut rest = &content[..];
    let bodies = sizes.iter().map(|&size| {
        let (body, tail) = rest.split_at(size as usize);
        rest = tail;
        (size > 0).then(|| body.to_vec())
    });
    Ok(bodies.collect())
}

fn join_bases(bases: &[Vec<u8>]) -> Result<Vec<u8>, PageFault> {
    bounded(bases.iter().map(|base| base.len() as u64).sum(), MAX_BASES_BYTES)?;
    Ok(bases.concat())
}

fn bounded(found: u64, limit: usize) -> Result<usize, PageFault> {
    match usize::try_from(found) {
        Ok(size) if size <= limit => Ok(size),
        _ => Err(PageFault::TooLong {
            found,
            limit: limit as u64,
        }),
    }
}
