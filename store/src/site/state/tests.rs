//! Tests of the small state.

use starling_protocol::{ClaimKey, ClaimNumber, ContentHash, SiteId};

use super::*;
use crate::engine::{FaultPlan, MemoryEngine};
use crate::rows::{AuthorNumber, LogNumber};

fn wanted(body: &[u8]) -> Wanted {
    Wanted {
        hash: ContentHash::of(body),
        size: 3,
        key: ClaimKey::record(&"ghsa".parse().unwrap(), &"X-1".parse().unwrap()),
    }
}

#[test]
fn body_of_a_cut_claim_does_not_answer_for_its_number() {
    let site = SiteId::from_bytes([1; 32]);
    let id = LogId {
        site,
        lane: starling_protocol::Lane::Federation,
    };
    let number = LogNumber {
        author: AuthorNumber(1),
        lane: id.lane,
    };
    let mut state = State::load(&MemoryEngine::new(FaultPlan::default()), site).unwrap();
    for body in [b"old", b"new"] {
        // A cut replaces the log, and a later claim takes the number.
        state.logs.insert(id, Log::new(number));
        state.want(id, ClaimNumber(1), wanted(body));
    }
    let old = ContentHash::of(b"old");
    state.body_came(&old);
    assert_eq!(
        state.logs[&id].wanted.len(),
        1,
        "the new claim's body did not come"
    );
    state.unwant_everything();
    assert!(!state.wants(&old) && state.logs[&id].wanted.is_empty());
}
