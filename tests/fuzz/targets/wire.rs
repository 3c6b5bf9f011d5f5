//! Messages between sites: everything accepted encodes to the same bytes; pages unpack within their sizes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use starling_sync::wire::{Announce, Request, Response, unpack};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(request) = Request::decode(bytes) {
        assert_eq!(request.encode(), bytes);
    }
    if let Ok(response) = Response::decode(bytes) {
        assert_eq!(response.encode(), bytes);
    }
    if let Ok(announce) = Announce::decode(bytes) {
        assert_eq!(announce.encode(), bytes);
    }
    if let Some((&[count, size], frame)) = bytes.split_first_chunk::<2>() {
        let sizes = vec![u32::from(size); usize::from(count)];
        if let Ok(bodies) = unpack(&sizes, frame, &[]) {
            assert_eq!(bodies.len(), sizes.len());
        }
    }
});
