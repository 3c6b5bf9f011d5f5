//! Offers to fetch a source: how often the author reads it, if its fetches go well, and on whose records it builds.
//!
//! An offer is the payload of a claim of kind [`ClaimKind::FEED_OFFER`], one for each source of an author. Sites of
//! earlier releases chain, count and relay it as a claim of an unknown kind. Layout: `docs/formats/delta.md`.

use std::collections::BTreeMap;

use crate::claim::{Claim, ClaimKind, KeyRef};
use crate::cursor::ClaimNumber;
use crate::hash::{Hex, SiteId};
use crate::limits::MAX_OFFER_AUTHORS;
use crate::names::Source;
use crate::time::UnixMillis;
use crate::varint;
use crate::wire::{Reader, WireError};

const VERSION: u8 = 1;
const FLAG_OFFERED: u8 = 1;
const FLAG_HEALTHY: u8 = 2;

/// The authors on whose statements of a source an author builds, each with the number of its last claim that was read.
pub type RestsOn = BTreeMap<SiteId, ClaimNumber>;

/// Names what is fetched: offers of one source are alternatives only if they fetch the same.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OfferInput([u8; 32]);

impl OfferInput {
    /// Hashes the texts that say what is fetched.
    #[must_use]
    pub fn of(texts: &[&str]) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("starling 2026-11 v1 feed offer input");
        for text in texts {
            hasher.update(&(text.len() as u64).to_le_bytes());
            hasher.update(text.as_bytes());
        }
        Self(*hasher.finalize().as_bytes())
    }

    /// Wraps a hash.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Returns the raw 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl std::fmt::Debug for OfferInput {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "input {}", Hex(&self.0[..6]))
    }
}

/// An offer that this build cannot read. It counts as none, and is named.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OfferError {
    /// The claim is not of the shape of an offer.
    #[error("reading an offer to fetch a source: the claim {0}")]
    Shape(&'static str),
    /// A later version, with its number.
    #[error("reading an offer to fetch a source: it has version {0}, expected 1; upgrade starling")]
    Version(u8),
    /// The payload does not decode.
    #[error("reading an offer to fetch a source")]
    Decode(#[from] WireError),
}

/// An author's offer to fetch one source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedOffer {
    /// True if the author can fetch it. If not, the offer only says on whose records the author's own build.
    pub is_offered: bool,
    /// True if its fetches go well.
    pub is_healthy: bool,
    /// The interval of its fetches, in milliseconds; at least 1.
    pub every_ms: u64,
    /// The input that it fetches.
    pub input: OfferInput,
    /// The authors on whose statements of the source its own build: without them they are not the whole source.
    pub rests_on: RestsOn,
}

impl FeedOffer {
    /// Builds the claim that makes the offer. Of more than 1,024 authors the claim cannot be read.
    #[must_use]
    pub fn to_claim(&self, source: &Source, time: UnixMillis) -> Claim {
        let mut payload = vec![VERSION, 0];
        payload[1] |= if self.is_offered { FLAG_OFFERED } else { 0 };
        payload[1] |= if self.is_healthy { FLAG_HEALTHY } else { 0 };
        varint::put(&mut payload, self.every_ms);
        payload.extend_from_slice(&self.input.0);
        varint::put(&mut payload, self.rests_on.len() as u64);
        for (site, number) in &self.rests_on {
            payload.extend_from_slice(site.as_bytes());
            varint::put(&mut payload, number.0);
        }
        Claim::feed_offer(source, &payload, time)
    }

    /// Reads the offer of a claim, with its source; `None` if the claim is of another kind.
    ///
    /// # Errors
    /// [`OfferError`]. The claim is a good one nevertheless: it is chained, counted and relayed.
    pub fn of_claim(claim: &Claim) -> Result<Option<(Source, Self)>, OfferError> {
        if claim.kind() != ClaimKind::FEED_OFFER {
            return Ok(None);
        }
        let KeyRef::Offer(source) = claim.key().parse() else {
            return Err(OfferError::Shape("has a key of another kind"));
        };
        if claim.is_critical() || claim.is_tombstone() || claim.content().is_some() {
            return Err(OfferError::Shape("has flags that an offer does not have"));
        }
        Ok(Some((source, Self::decode(claim.payload())?)))
    }

    fn decode(payload: &[u8]) -> Result<Self, OfferError> {
        let mut reader = Reader::new(payload);
        let version = reader.u8("offer version")?;
        if version != VERSION {
            return Err(OfferError::Version(version));
        }
        let flags = reader.u8("offer flags")?;
        let every_ms = reader.varint("offer schedule")?;
        if flags & !(FLAG_OFFERED | FLAG_HEALTHY) != 0 || every_ms == 0 {
            return Err(WireError::NotCanonical { field: "offer" }.into());
        }
        let input = OfferInput(reader.array("offer input")?);
        let count = reader.varint_length(MAX_OFFER_AUTHORS, "offer authors")?;
        let mut rests_on = RestsOn::new();
        for _ in 0..count {
            let site = SiteId::from_bytes(reader.array("offer author")?);
            let number = ClaimNumber(reader.varint("offer claim")?);
            if rests_on.last_key_value().is_some_and(|(last, _)| *last >= site) {
                let field = "offer authors";
                return Err(WireError::NotCanonical { field }.into());
            }
            rests_on.insert(site, number);
        }
        reader.finish("offer")?;
        Ok(Self {
            is_offered: flags & FLAG_OFFERED != 0,
            is_healthy: flags & FLAG_HEALTHY != 0,
            every_ms,
            input,
            rests_on,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn offer() -> FeedOffer {
        FeedOffer {
            is_offered: true,
            is_healthy: true,
            every_ms: 7_200_000,
            input: OfferInput::of(&["nvd", ""]),
            rests_on: [1_u8, 9]
                .map(|byte| {
                    (
                        SiteId::from_bytes([byte; 32]),
                        ClaimNumber(u64::from(byte) * 1_000),
                    )
                })
                .into(),
        }
    }

    fn source() -> Source {
        "nvd".parse().unwrap()
    }

    #[test]
    fn offers_round_trip_through_claims() {
        let withdrawn = FeedOffer {
            is_offered: false,
            is_healthy: false,
            rests_on: RestsOn::new(),
            ..offer()
        };
        for offer in [offer(), withdrawn] {
            let claim = offer.to_claim(&source(), UnixMillis::saturating(7));
            let claim = Claim::decode(&claim.encode()).unwrap();
            assert_eq!(FeedOffer::of_claim(&claim), Ok(Some((source(), offer))));
            assert_eq!(
                claim.key().source(),
                None,
                "earlier releases know no source of it"
            );
        }
    }

    #[test]
    fn other_claims_are_no_offers() {
        let claim = Claim::absent(&source(), &"CVE-1".parse().unwrap(), UnixMillis::EPOCH);
        assert_eq!(FeedOffer::of_claim(&claim), Ok(None));
    }

    #[test]
    fn unreadable_offers_are_claims_nevertheless() {
        let good = offer().to_claim(&source(), UnixMillis::EPOCH);
        let payload = good.payload().to_vec();
        let cases: [Vec<u8>; 6] = [
            vec![],
            [&[2], &payload[1..]].concat(),
            [&payload[..1], &[7], &payload[2..]].concat(),
            [&payload[..], &[0]].concat(),
            payload[..payload.len() - 1].to_vec(),
            [&payload[..2], &[0], &payload[6..]].concat(),
        ];
        for payload in cases {
            let claim = Claim::feed_offer(&source(), &payload, UnixMillis::EPOCH);
            assert_eq!(Claim::decode(&claim.encode()).as_ref(), Ok(&claim));
            assert!(FeedOffer::of_claim(&claim).is_err(), "{payload:?}");
        }
    }

    proptest! {
        #[test]
        fn decoding_is_total_and_canonical(payload in proptest::collection::vec(any::<u8>(), 0..120)) {
            let claim = Claim::feed_offer(&source(), &payload, UnixMillis::EPOCH);
            if let Ok(Some((_, offer))) = FeedOffer::of_claim(&claim) {
                prop_assert_eq!(offer.to_claim(&source(), UnixMillis::EPOCH), claim);
            }
        }
    }
}
