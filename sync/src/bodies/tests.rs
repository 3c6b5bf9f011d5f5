//! Tests of the queues of bodies.

use starling_protocol::{ClaimNumber, ContentHash, SiteId};
use starling_protocol::{Lane, SigningKey};

use super::*;
use crate::replica::MissingBody;

#[test]
fn requests_of_an_earlier_list_are_not_requeued() {
    let log = (SiteId::from_bytes([1; 32]), Lane::Federation);
    let key = SigningKey::from_seed(&[1; 32]).public();
    let missing = MissingBody {
        hash: ContentHash::of(b"of a branch that was closed"),
        size: 27,
        number: ClaimNumber(5),
        base: None,
    };
    let mut pulls = BodyPulls::default();
    pulls.look_at(log);
    let generation = pulls.logs[&log].generation;
    pulls.put_all_back(key, log, generation, vec![missing.clone()]);
    assert_eq!(pulls.logs[&log].queue.len(), 1);
    // A certificate gave number 5 to another claim, and only then the first request for it failed.
    pulls.start_anew(log);
    pulls.put_all_back(key, log, generation, vec![missing]);
    let bodies = &pulls.logs[&log];
    assert!(bodies.queue.is_empty() && !bodies.listed_all);
}
