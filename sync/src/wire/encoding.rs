//! The messages as bytes: a kind and a header each, with every count checked.

use super::codec::{WireFault, check, header, header_only, open, seal};
use super::message::{
    Announce, BodiesPage, BodiesWanted, FactsWanted, Hello, News, Refusal, Request, Response, Tips,
};
use crate::limits::{
    MAX_ANNOUNCE_BYTES, MAX_BASES, MAX_CHAIN_BYTES, MAX_DELTAS_ANSWER_BYTES, MAX_FACTS, MAX_NOTES,
    MAX_PAGE_BODIES, MAX_REFUSAL_TEXT_BYTES, MAX_REQUEST_BYTES, MAX_RESPONSE_BYTES,
};

const KIND_HELLO: u8 = 1;

const KIND_NEWS: u8 = 2;

const KIND_FACTS: u8 = 3;

const KIND_DELTAS: u8 = 4;

pub(super) const KIND_BODIES: u8 = 5;

const KIND_ANNOUNCE: u8 = 6;

const KIND_TIPS: u8 = 7;

/// Frozen for every version, so that a site can always state why it refuses.
const KIND_REFUSAL: u8 = 127;

impl Request {
    /// Returns the message's bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Hello(hello) => seal(KIND_HELLO, hello, &[]),
            Self::News(news) => seal(KIND_NEWS, news, &[]),
            Self::Facts(wanted) => seal(KIND_FACTS, wanted, &[]),
            Self::Deltas(wanted) => seal(KIND_DELTAS, wanted, &[]),
            Self::Bodies(wanted) => seal(KIND_BODIES, wanted, &[]),
            Self::Tips(tips) => seal(KIND_TIPS, tips, &[]),
        }
    }

    /// Reads a request.
    ///
    /// # Errors
    /// [`WireFault`].
    pub fn decode(bytes: &[u8]) -> Result<Self, WireFault> {
        let (kind, rest) = open(bytes, MAX_REQUEST_BYTES)?;
        match kind {
            KIND_HELLO => Ok(Self::Hello(hello_of(kind, rest)?)),
            KIND_NEWS => Ok(Self::News(news_of(kind, rest)?)),
            KIND_FACTS => {
                let wanted: FactsWanted = header_only(kind, rest)?;
                check("chains wanted", wanted.chains.len(), MAX_FACTS)?;
                check("heads wanted", wanted.heads.len(), MAX_FACTS)?;
                check("fork proofs wanted", wanted.forks.len(), MAX_FACTS)?;
                Ok(Self::Facts(wanted))
            }
            KIND_DELTAS => Ok(Self::Deltas(header_only(kind, rest)?)),
            KIND_BODIES => {
                let wanted: BodiesWanted = header_only(kind, rest)?;
                wanted.check()?;
                Ok(Self::Bodies(wanted))
            }
            KIND_TIPS => Ok(Self::Tips(tips_of(kind, rest)?)),
            found => Err(WireFault::Kind { found }),
        }
    }
}

impl Response {
    /// Returns the message's bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Hello(hello) => seal(KIND_HELLO, hello, &[]),
            Self::News(news) => seal(KIND_NEWS, news, &[]),
            Self::Deltas(page, bytes) => seal(KIND_DELTAS, page, bytes),
            Self::Bodies(page, frame) => seal(KIND_BODIES, page, frame),
            Self::Tips(tips) => seal(KIND_TIPS, tips, &[]),
            Self::Refusal(refusal) => seal(KIND_REFUSAL, refusal, &[]),
        }
    }

    /// Reads a response.
    ///
    /// # Errors
    /// [`WireFault`].
    pub fn decode(bytes: &[u8]) -> Result<Self, WireFault> {
        let (kind, rest) = open(bytes, MAX_RESPONSE_BYTES)?;
        match kind {
            KIND_HELLO | KIND_NEWS | KIND_TIPS if bytes.len() > MAX_REQUEST_BYTES => {
                Err(WireFault::TooLong {
                    found: bytes.len(),
                    limit: MAX_REQUEST_BYTES,
                })
            }
            KIND_HELLO => Ok(Self::Hello(hello_of(kind, rest)?)),
            KIND_NEWS => Ok(Self::News(news_of(kind, rest)?)),
            KIND_DELTAS => {
                let (page, deltas) = header(kind, rest)?;
                check("bytes of deltas", deltas.len(), MAX_DELTAS_ANSWER_BYTES)?;
                Ok(Self::Deltas(page, deltas.to_vec()))
            }
            KIND_BODIES => {
                let (page, frame): (BodiesPage, _) = header(kind, rest)?;
                check("bodies in a page", page.sizes.len(), MAX_PAGE_BODIES)?;
                check("bytes of the base bitmap", page.bases_used.len(), MAX_BASES / 8)?;
                Ok(Self::Bodies(page, frame.to_vec()))
            }
            KIND_TIPS => Ok(Self::Tips(tips_of(kind, rest)?)),
            KIND_REFUSAL => {
                let refusal: Refusal = header_only(kind, rest)?;
                check("refusal text", refusal.text.len(), MAX_REFUSAL_TEXT_BYTES)?;
                Ok(Self::Refusal(refusal))
            }
            found => Err(WireFault::Kind { found }),
        }
    }
}

fn hello_of(kind: u8, rest: &[u8]) -> Result<Hello, WireFault> {
    let hello: Hello = header_only(kind, rest)?;
    check("hello chain", hello.chain.len(), MAX_CHAIN_BYTES)?;
    hello.news.check()?;
    Ok(hello)
}

fn news_of(kind: u8, rest: &[u8]) -> Result<News, WireFault> {
    let news: News = header_only(kind, rest)?;
    news.check()?;
    Ok(news)
}

fn tips_of(kind: u8, rest: &[u8]) -> Result<Tips, WireFault> {
    let tips: Tips = header_only(kind, rest)?;
    check("tips", tips.tips.len(), MAX_NOTES)?;
    // Each log once: a comparison costs a read of the log.
    let is_rising = tips.tips.is_sorted_by(|a, b| (a.site, a.lane) < (b.site, b.lane));
    if !is_rising {
        return Err(WireFault::NotCanonical { kind });
    }
    Ok(tips)
}

impl Announce {
    /// Returns the message's bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        seal(KIND_ANNOUNCE, &self.0, &[])
    }

    /// Reads a gossip message.
    ///
    /// # Errors
    /// [`WireFault`].
    pub fn decode(bytes: &[u8]) -> Result<Self, WireFault> {
        let (kind, rest) = open(bytes, MAX_ANNOUNCE_BYTES)?;
        if kind != KIND_ANNOUNCE {
            return Err(WireFault::Kind { found: kind });
        }
        let news = news_of(kind, rest)?;
        if !news.notes.is_empty() {
            return Err(WireFault::NotCanonical { kind });
        }
        Ok(Self(news))
    }
}
