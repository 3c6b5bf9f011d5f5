//! Deltas: raw bytes, and any claims block under a header that names it (the most that a hostile author can
//! sign).
#![no_main]

use libfuzzer_sys::fuzz_target;
use starling_protocol::limits::MAX_CLAIMS_STORED_BYTES;
use starling_protocol::{ClaimNumber, Delta, DeltaHash, DeltaHeader, Lane, SiteId, StateRoot, UnixMillis};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(delta) = Delta::decode(bytes) {
        assert_eq!(delta.as_bytes(), bytes);
        let _ = delta.reopen();
    }
    let mut rest = bytes;
    while let Ok((delta, after)) = Delta::decode_first(rest) {
        assert_eq!(delta.as_bytes().len() + after.len(), rest.len());
        rest = after;
    }
    let Some((&[count, compress, a, b, c, d], block)) = bytes.split_first_chunk::<6>() else {
        return;
    };
    let packed = zstd::bulk::compress(block, 1).unwrap_or_default();
    let block = if compress & 1 == 1 { &packed } else { block };
    if block.len() > MAX_CLAIMS_STORED_BYTES {
        return;
    }
    let header = DeltaHeader {
        site: SiteId::ZERO,
        epoch: 0,
        lane: Lane::Federation,
        first: ClaimNumber(1),
        count: u32::from(count),
        previous: DeltaHash::ZERO,
        time: UnixMillis::EPOCH,
        claims_hash: blake3::derive_key("starling 2026-11 v1 claims block", block),
        claims_stored_size: block.len() as u32,
        claims_size: if compress & 2 == 0 {
            bytes.len() as u32 - 6
        } else {
            u32::from_le_bytes([a, b, c, d])
        },
        bodies_size: u64::from(a),
        live_entries: 0,
        state_root: StateRoot::ZERO,
    };
    let header = postcard::to_stdvec(&header).unwrap_or_default();
    let mut wrapped = b"STDL\x01".to_vec();
    wrapped.extend_from_slice(&(header.len() as u32).to_le_bytes());
    wrapped.extend_from_slice(&(block.len() as u32).to_le_bytes());
    wrapped.extend_from_slice(&header);
    wrapped.extend_from_slice(&[0; 64]);
    wrapped.extend_from_slice(block);
    if let Ok(delta) = Delta::decode(&wrapped)
        && let Ok(claims) = delta.reopen()
    {
        assert_eq!(claims.len(), usize::from(count));
    }
});
