//! The messages, version 1 (frozen): six requests, their responses, a refusal, and gossip.

use serde::{Deserialize, Serialize};
use starling_protocol::limits::MAX_HEAD_BYTES;
use starling_protocol::{ClaimNumber, ContentHash, DeltaHash, Lane, SiteId, StateRoot, UnixMillis};

use super::codec::{WireFault, check};
use super::encoding::KIND_BODIES;
use crate::limits::{MAX_BASES, MAX_CHAIN_BYTES, MAX_FACTS, MAX_FORK_BYTES, MAX_NOTES, MAX_PAGE_BODIES};

/// Abilities of a site beyond version 1, as bits. Unknown bits are ignored; a session uses what both sites
/// have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Capabilities(pub u64);

impl Capabilities {
    /// Pages of bodies may be compressed against bodies that the reader named.
    pub const BASES: Self = Self(1);
    /// The ends of held logs can be compared.
    pub const TIPS: Self = Self(1 << 6);
    /// Fork proofs may be of version 2: about deltas that follow one another by number.
    pub const NEIGHBOUR_FORKS: Self = Self(1 << 7);
    /// The abilities of this build.
    pub const OWN: Self = Self(Self::BASES.0 | Self::TIPS.0 | Self::NEIGHBOUR_FORKS.0);

    /// Returns the abilities that both have.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Returns true if it contains all of `other`.
    #[must_use]
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// The sender's position in one log. It is a hint: only heads and deltas prove it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogNote {
    /// The author.
    pub site: SiteId,
    /// The log.
    pub lane: Lane,
    /// The number of certificates in the author's chain, as the sender knows it.
    pub chain_length: u32,
    /// True if the sender keeps a fork proof of the log.
    pub forked: bool,
    /// Epoch of the newest head that the sender has.
    pub head_epoch: u32,
    /// Claim number of that head.
    pub head_number: ClaimNumber,
    /// The time at which that head was signed; 0 if there is none.
    pub head_issued_at: UnixMillis,
    /// The sender's held position.
    pub held: ClaimNumber,
    /// The sender's body-complete position.
    pub body_complete: ClaimNumber,
}

/// Knowledge of the sender that the receiver may lack.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct News {
    /// The sender's positions.
    pub notes: Vec<LogNote>,
    /// Certificate chains.
    pub chains: Vec<Vec<u8>>,
    /// Signed heads.
    pub heads: Vec<Vec<u8>>,
    /// Fork proofs, each with the accused site.
    pub forks: Vec<(SiteId, Vec<u8>)>,
}

/// The first message of a session, and its answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// The sender's abilities.
    pub capabilities: Capabilities,
    /// The sender's certificate chain, which proves that the peer key is a listed site's.
    pub chain: Vec<u8>,
    /// The sender's news; empty until the receiver has proved that it is listed.
    pub news: News,
}

/// Requests chains, heads and fork proofs. The answer is news, and may hold less than requested.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct FactsWanted {
    /// The sites whose chains are requested.
    pub chains: Vec<SiteId>,
    /// The logs whose newest heads are requested.
    pub heads: Vec<(SiteId, Lane)>,
    /// The logs whose fork proofs are requested.
    pub forks: Vec<(SiteId, Lane)>,
}

/// The end of one log as the sender holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogTipNote {
    /// The author.
    pub site: SiteId,
    /// The log.
    pub lane: Lane,
    /// The sender's held position.
    pub held: ClaimNumber,
    /// The hash of the header of the delta that ends there.
    pub header: DeltaHash,
    /// The state root of the live claims that the sender holds.
    pub root: StateRoot,
}

/// Requests or answers a comparison of held logs; only for peers with that ability.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Tips {
    /// The ends of the sender's logs.
    pub tips: Vec<LogTipNote>,
}

/// Asks for deltas of one log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeltasWanted {
    /// The author.
    pub site: SiteId,
    /// The log.
    pub lane: Lane,
    /// The asker's held position.
    pub after: ClaimNumber,
    /// Most bytes wanted; one delta may be longer.
    pub max_bytes: u32,
}

/// Describes a page of deltas, which follows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeltasPage {
    /// Last claim in the page.
    pub last: ClaimNumber,
    /// True if the sender holds more.
    pub more: bool,
}

/// Consecutive claims of one log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Number of claim numbers between the previous run and this one; in the first run, its first claim number.
    pub skip: u64,
    /// Number of claims in the run.
    pub count: u32,
}

/// Asks for the bodies that some claims of one log name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BodiesWanted {
    /// The author.
    pub site: SiteId,
    /// The log.
    pub lane: Lane,
    /// The claims, in order.
    pub runs: Vec<Run>,
    /// Bodies that the requester holds and that the answer may be compressed against, in order.
    pub bases: Vec<ContentHash>,
    /// Much more will be asked for: favour speed over size.
    pub bulk: bool,
}

impl BodiesWanted {
    /// Packs claim numbers, which must rise, into runs.
    #[must_use]
    pub fn runs_of(numbers: impl IntoIterator<Item = ClaimNumber>) -> Vec<Run> {
        let mut runs: Vec<Run> = Vec::new();
        let mut next = 0;
        for number in numbers {
            match runs.last_mut() {
                Some(run) if number.0 == next => run.count += 1,
                _ => runs.push(Run {
                    skip: number.0.saturating_sub(next),
                    count: 1,
                }),
            }
            next = number.0.saturating_add(1);
        }
        runs
    }

    /// Returns the claim numbers, in order; at most [`MAX_PAGE_BODIES`] after decoding.
    pub fn numbers(&self) -> impl Iterator<Item = ClaimNumber> + '_ {
        let mut next = 0_u64;
        self.runs.iter().flat_map(move |run| {
            let first = next.saturating_add(run.skip);
            next = first.saturating_add(u64::from(run.count));
            (first..next).map(ClaimNumber)
        })
    }

    pub(super) fn check(&self) -> Result<(), WireFault> {
        check("bases", self.bases.len(), MAX_BASES)?;
        check("runs of bodies", self.runs.len(), MAX_PAGE_BODIES)?;
        let mut end = 0_u64;
        let mut count = 0;
        for run in &self.runs {
            // Claims begin at 1, and two runs that touch are one run.
            let first = end
                .checked_add(run.skip)
                .filter(|_| run.skip > 0 && run.count > 0);
            let Some(last) = first.and_then(|first| first.checked_add(u64::from(run.count))) else {
                return Err(WireFault::NotCanonical { kind: KIND_BODIES });
            };
            end = last;
            count += run.count as usize;
            check("bodies wanted", count, MAX_PAGE_BODIES)?;
        }
        if self.runs.is_empty() {
            return Err(WireFault::NotCanonical { kind: KIND_BODIES });
        }
        Ok(())
    }
}

/// Describes a page of bodies, whose compressed form follows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BodiesPage {
    /// For each wanted body, in order, its size in bytes, or 0 if the sender does not have it. Shorter than the
    /// list of wants if the page is full; then the rest must be requested again.
    pub sizes: Vec<u32>,
    /// One bit for each base, in the order offered: set if the page was compressed against it.
    pub bases_used: Vec<u8>,
}

/// The reason why a request was refused. Numbers are frozen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(from = "u8", into = "u8")]
#[non_exhaustive]
pub enum RefusalCode {
    /// The asker is not on the allow-list.
    NotListed,
    /// The asker's key is not its site's current operating key.
    NotCurrentKey,
    /// The requester must say hello first.
    NotGreeted,
    /// The message does not decode.
    Malformed,
    /// The wire version is not spoken here.
    Version,
    /// The asker may not read that log.
    NotAuthorised,
    /// Too many requests; come back later.
    Busy,
    /// The store failed.
    Failed,
    /// A code that this build does not know.
    Other(u8),
}

impl std::fmt::Display for RefusalCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let why = match self {
            Self::NotListed => "this site is not on its allow-list",
            Self::NotCurrentKey => "it knows another operating key of this site",
            Self::NotGreeted => "this site did not say hello first",
            Self::Malformed => "it cannot read what this site sent",
            Self::Version => "it does not speak this site's wire version",
            Self::NotAuthorised => "this site may not read that log",
            Self::Busy => "it is busy",
            Self::Failed => "its store failed",
            Self::Other(code) => return write!(f, "a reason that this version does not know (code {code})"),
        };
        f.write_str(why)
    }
}

impl From<u8> for RefusalCode {
    fn from(code: u8) -> Self {
        match code {
            1 => Self::NotListed,
            2 => Self::NotCurrentKey,
            3 => Self::NotGreeted,
            4 => Self::Malformed,
            5 => Self::Version,
            6 => Self::NotAuthorised,
            7 => Self::Busy,
            8 => Self::Failed,
            other => Self::Other(other),
        }
    }
}

impl From<RefusalCode> for u8 {
    fn from(code: RefusalCode) -> Self {
        match code {
            RefusalCode::NotListed => 1,
            RefusalCode::NotCurrentKey => 2,
            RefusalCode::NotGreeted => 3,
            RefusalCode::Malformed => 4,
            RefusalCode::Version => 5,
            RefusalCode::NotAuthorised => 6,
            RefusalCode::Busy => 7,
            RefusalCode::Failed => 8,
            RefusalCode::Other(other) => other,
        }
    }
}

/// A request that was not answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// The reason.
    pub code: RefusalCode,
    /// An explanation for people; programs ignore it.
    pub text: String,
    /// Milliseconds after which the same request may succeed; 0 if it will not.
    pub retry_after_millis: u32,
}

/// A request from one site to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Opens the session.
    Hello(Hello),
    /// Delivers news; the answer is news about the same logs.
    News(News),
    /// Asks for signed facts.
    Facts(FactsWanted),
    /// Asks for deltas.
    Deltas(DeltasWanted),
    /// Asks for bodies.
    Bodies(BodiesWanted),
    /// Asks to compare.
    Tips(Tips),
}

/// A site's response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Response {
    /// To a hello.
    Hello(Hello),
    /// To news, and to a request for facts.
    News(News),
    /// To a request for deltas: whole deltas, one after another.
    Deltas(DeltasPage, Vec<u8>),
    /// To a request for bodies: one zstd frame.
    Bodies(BodiesPage, Vec<u8>),
    /// To a request to compare: of the same logs.
    Tips(Tips),
    /// To anything.
    Refusal(Refusal),
}

/// An author's gossip: news without notes, each part with its own proof.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Announce(pub News);

impl News {
    pub(super) fn check(&self) -> Result<(), WireFault> {
        check("log notes", self.notes.len(), MAX_NOTES)?;
        let parts = [
            ("chains", &self.chains, MAX_CHAIN_BYTES),
            // Magic, version, length and signature surround a head.
            ("heads", &self.heads, MAX_HEAD_BYTES + 128),
        ];
        for (field, list, longest) in parts {
            check(field, list.len(), MAX_FACTS)?;
            list.iter()
                .try_for_each(|part| check(field, part.len(), longest))?;
        }
        check("fork proofs", self.forks.len(), MAX_FACTS)?;
        let mut forks = self.forks.iter();
        forks.try_for_each(|(_, proof)| check("fork proof", proof.len(), MAX_FORK_BYTES))
    }

    /// Returns true if it is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.notes.is_empty() && self.chains.is_empty() && self.heads.is_empty() && self.forks.is_empty()
    }
}
