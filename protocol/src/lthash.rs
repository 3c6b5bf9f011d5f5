//! LtHash16: a homomorphic hash over a multiset, updated incrementally.
//!
//! Specified in Kevin Lewi, Wonho Kim, Ilya Maykov and Stephen Weis: *Securing Update Propagation with
//! Homomorphic Hashing*, [IACR ePrint 2019/227](https://eprint.iacr.org/2019/227). Parameters: 1,024 lanes of
//! 16 bits, element expansion by BLAKE3 XOF. Adding and removing elements commute, so the state depends only on
//! the elements in it. Layout: `docs/formats/state-root.md`.

use std::fmt;

use crate::hash::{StateRoot, derive};

const LANES: usize = 1_024;
/// Bytes of an LtHash state.
const STATE_BYTES: usize = LANES * 2;
const ELEMENT_CONTEXT: &str = "starling 2026-11 v1 lthash element";
const ROOT_CONTEXT: &str = "starling 2026-11 v1 state root";

/// The state: 1,024 counters modulo 2^16.
#[derive(Clone, PartialEq, Eq)]
pub struct LtHash(Box<[u16; LANES]>);

impl Default for LtHash {
    fn default() -> Self {
        Self(Box::new([0; LANES]))
    }
}

impl LtHash {
    /// Bytes of the encoded state.
    pub const BYTES: usize = STATE_BYTES;

    /// Adds one element.
    pub fn add(&mut self, element: &[u8]) {
        for (lane, value) in self.0.iter_mut().zip(expand(element).chunks_exact(2)) {
            *lane = lane.wrapping_add(u16::from_le_bytes([value[0], value[1]]));
        }
    }

    /// Removes one element. The caller knows that it was added.
    pub fn remove(&mut self, element: &[u8]) {
        for (lane, value) in self.0.iter_mut().zip(expand(element).chunks_exact(2)) {
            *lane = lane.wrapping_sub(u16::from_le_bytes([value[0], value[1]]));
        }
    }

    /// Adds all elements of another state.
    pub fn combine(&mut self, other: &Self) {
        for (lane, value) in self.0.iter_mut().zip(other.0.iter()) {
            *lane = lane.wrapping_add(*value);
        }
    }

    /// Removes all elements of another state.
    pub fn subtract(&mut self, other: &Self) {
        for (lane, value) in self.0.iter_mut().zip(other.0.iter()) {
            *lane = lane.wrapping_sub(*value);
        }
    }

    /// Returns the 32-byte root of the state.
    #[must_use]
    pub fn root(&self) -> StateRoot {
        StateRoot::from_bytes(derive(ROOT_CONTEXT, &[&self.to_bytes()]))
    }

    /// Returns the counters, little-endian.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; STATE_BYTES] {
        let mut bytes = [0; STATE_BYTES];
        for (out, lane) in bytes.chunks_exact_mut(2).zip(self.0.iter()) {
            out.copy_from_slice(&lane.to_le_bytes());
        }
        bytes
    }

    /// Decodes the output of [`LtHash::to_bytes`]. Returns `None` if the length is not 2,048.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        if bytes.len() != STATE_BYTES {
            return None;
        }
        let mut state = Self::default();
        for (lane, value) in state.0.iter_mut().zip(bytes.chunks_exact(2)) {
            *lane = u16::from_le_bytes([value[0], value[1]]);
        }
        Some(state)
    }
}

impl fmt::Debug for LtHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LtHash({:?})", self.root())
    }
}

fn expand(element: &[u8]) -> [u8; STATE_BYTES] {
    let mut bytes = [0; STATE_BYTES];
    blake3::Hasher::new_derive_key(ELEMENT_CONTEXT)
        .update(element)
        .finalize_xof()
        .fill(&mut bytes);
    bytes
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn state_depends_on_the_elements_not_on_their_order(
            mut elements in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 0..12),
            extra in proptest::collection::vec(any::<u8>(), 0..40),
        ) {
            let mut forward = LtHash::default();
            forward.add(&extra);
            elements.iter().for_each(|e| forward.add(e));
            forward.remove(&extra);
            elements.sort();
            let mut sorted = LtHash::default();
            elements.iter().for_each(|e| sorted.add(e));
            prop_assert_eq!(forward.root(), sorted.root());
            prop_assert_eq!(LtHash::from_bytes(&sorted.to_bytes()), Some(sorted));
        }
    }

    #[test]
    fn repeated_element_does_not_cancel_out() {
        let mut twice = LtHash::default();
        twice.add(b"x");
        twice.add(b"x");
        assert_ne!(twice, LtHash::default());
    }
}
