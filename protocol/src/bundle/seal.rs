//! The seal: exporter, time and destination of a bundle, with the chains and heads that it needs.
//!
//! It vouches for the file as a whole, so that a site can refuse a file that was not made by an allow-listed
//! exporter before it reads further. It does not vouch for deltas: each delta carries its author's signature.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Error as _, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::certificate::CertificateChain;
use crate::hash::SiteId;
use crate::head::{Head, VerifiedHead};
use crate::keys::{Signature, SigningKey};
use crate::limits::MAX_SEAL_BYTES;
use crate::names::Lane;
use crate::time::UnixMillis;
use crate::wire::{Reader, WireError, decode_struct, encode_struct, put_length};

use super::error::{AUTHORS, BundleError, BundleWriteError, EXPORTERS, FrameRef};
use super::manifest::BundleHash;
use super::reader::SealCheck;

const MAGIC: [u8; 4] = *b"STSL";
const VERSION: u8 = 1;
const SIGNATURE_CONTEXT: &str = "starling 2026-11 v1 bundle seal signature";

/// Bytes inside a frozen struct: a varint length and the bytes.
#[derive(Clone, PartialEq, Eq)]
struct Blob(Box<[u8]>);

impl fmt::Debug for Blob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

impl Serialize for Blob {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Blob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;
        impl Visitor<'_> for Bytes {
            type Value = Blob;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("bytes")
            }

            fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<Blob, E> {
                if bytes.is_empty() {
                    return Err(E::custom("expected at least one byte, got none"));
                }
                Ok(Blob(bytes.into()))
            }
        }
        deserializer.deserialize_bytes(Bytes).map_err(D::Error::custom)
    }
}

/// The signed part of a seal, version 1 (frozen).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct SealBody {
    /// The bundle.
    manifest: BundleHash,
    /// The exporter's certificate chain, as one blob.
    exporter: Blob,
    /// The exporter's newest epoch, whose operating key signs.
    epoch: u32,
    /// The time of sealing, by the exporter's clock.
    sealed_at: UnixMillis,
    /// The destination site; `None` for any site.
    destination: Option<SiteId>,
    /// The other authors' certificate chains, sorted by site.
    chains: Vec<Blob>,
    /// Heads of logs, sorted by (site, lane), at most one each.
    heads: Vec<Blob>,
}

/// The parts of a seal that is to be made. Chains and heads may come in any order.
#[derive(Debug, Clone, Copy)]
pub struct SealRequest<'a> {
    /// The exporter's certificate chain.
    pub exporter: &'a CertificateChain,
    /// The operating key of the exporter's newest epoch.
    pub key: &'a SigningKey,
    /// The chains of all authors of deltas and heads. The exporter's chain may be among them.
    pub chains: &'a [CertificateChain],
    /// The newest heads that the exporter has for the logs in the bundle, and for any other logs.
    pub heads: &'a [VerifiedHead],
    /// The time, by the exporter's clock.
    pub sealed_at: UnixMillis,
    /// The destination site; `None` for any site.
    pub destination: Option<SiteId>,
}

impl SealRequest<'_> {
    /// Signs a seal over the bundle `hash`, which holds deltas of `authors`, and returns the frame's content.
    pub(super) fn sign(
        &self,
        hash: BundleHash,
        authors: impl IntoIterator<Item = SiteId>,
    ) -> Result<Vec<u8>, BundleWriteError> {
        let exporter = self.exporter.site();
        if !self.exporter.is_current_key(&self.key.public()) {
            return Err(BundleWriteError::WrongKey {
                exporter,
                epoch: self.exporter.epoch(),
                key: self.key.public(),
            });
        }
        let mut chains = BTreeMap::new();
        for chain in self.chains.iter().filter(|chain| chain.site() != exporter) {
            if chains.insert(chain.site(), chain).is_some() {
                let (what, site) = ("chains", chain.site());
                return Err(BundleWriteError::Duplicate { what, site });
            }
        }
        let mut heads = BTreeMap::new();
        for head in self.heads {
            let (site, lane) = log_of(head.head());
            if heads.insert((site, lane), head).is_some() {
                let what = "heads of one log";
                return Err(BundleWriteError::Duplicate { what, site });
            }
        }
        let of_heads = heads.keys().map(|&(site, _)| site);
        if let Some(site) = authors
            .into_iter()
            .chain(of_heads)
            .find(|site| *site != exporter && !chains.contains_key(site))
        {
            return Err(BundleWriteError::MissingChain { site });
        }
        let blob_of_chain = |chain: &CertificateChain| Blob(chain.to_bytes().into());
        let signed = encode_struct(&SealBody {
            manifest: hash,
            exporter: blob_of_chain(self.exporter),
            epoch: self.exporter.epoch(),
            sealed_at: self.sealed_at,
            destination: self.destination,
            chains: chains.into_values().map(blob_of_chain).collect(),
            heads: heads
                .into_values()
                .map(|head| Blob(head.as_bytes().into()))
                .collect(),
        });
        let mut content = Vec::with_capacity(signed.len() + 80);
        content.extend_from_slice(&MAGIC);
        content.push(VERSION);
        put_length(&mut content, signed.len());
        content.extend_from_slice(&signed);
        content.extend_from_slice(&self.key.sign(SIGNATURE_CONTEXT, &signed).to_bytes());
        if content.len() > MAX_SEAL_BYTES {
            return Err(BundleWriteError::TooMuch {
                what: "the size of the seal in bytes",
                found: content.len() as u64,
                limit: MAX_SEAL_BYTES as u64,
                advice: "export fewer logs at a time",
            });
        }
        Ok(content)
    }
}

fn log_of(head: &Head) -> (SiteId, Lane) {
    (head.site, head.lane)
}

/// A seal with verified chains and heads. Its signature is verified unless the reader skipped it.
#[derive(Debug)]
pub struct BundleSeal {
    body: SealBody,
    exporter: Result<SiteId, BundleError>,
    chains: BTreeMap<SiteId, CertificateChain>,
    heads: Vec<VerifiedHead>,
}

impl BundleSeal {
    /// Decodes the content of a seal's frame: checks the signature first, then the rest.
    pub(super) fn decode(content: &[u8], check: SealCheck) -> Result<Self, BundleError> {
        let (body, signed, signature) = read(content).map_err(|source| BundleError::Decode {
            frame: FrameRef::SEAL,
            source,
        })?;
        let mut chains = BTreeMap::new();
        let exporter = match verify_signature(&body, signed, &signature, &mut chains) {
            Err(cause) if check == SealCheck::Require || !cause.is_about_the_seal_signature() => {
                return Err(cause);
            }
            outcome => outcome,
        };
        let mut last = None;
        for blob in &body.chains {
            let chain = CertificateChain::from_bytes(&blob.0).map_err(|source| BundleError::Chain {
                whose: AUTHORS,
                source,
            })?;
            let site = chain.site();
            if last.is_some_and(|last| last >= site) || chains.insert(site, chain).is_some() {
                let what = "certificate chains";
                return Err(BundleError::SealOrder { what });
            }
            last = Some(site);
        }
        let heads = verify_heads(&body.heads, &chains)?;
        Ok(Self {
            body,
            exporter,
            chains,
            heads,
        })
    }

    /// Returns the site that sealed the bundle, proven by its signature, or the reason why it is not proven.
    ///
    /// The caller decides whether that site is allowed here and whether its chain is the newest known.
    ///
    /// # Errors
    /// The reason, if the caller skipped the signature check and the signature is not valid.
    pub fn exporter(&self) -> Result<SiteId, &BundleError> {
        self.exporter.as_ref().copied()
    }

    /// Returns the exporter's epoch at the time of sealing.
    #[must_use]
    pub fn epoch(&self) -> u32 {
        self.body.epoch
    }

    /// Returns the hash of the sealed bundle.
    #[must_use]
    pub fn bundle(&self) -> BundleHash {
        self.body.manifest
    }

    /// Returns the time of sealing, by the exporter's clock.
    #[must_use]
    pub fn sealed_at(&self) -> UnixMillis {
        self.body.sealed_at
    }

    /// Returns the destination site; `None` for any site.
    #[must_use]
    pub fn destination(&self) -> Option<SiteId> {
        self.body.destination
    }

    /// Returns the verified certificate chains in the seal: the exporter's and the authors'.
    ///
    /// The caller may know longer chains, and must merge before it trusts these.
    pub fn chains(&self) -> impl Iterator<Item = &CertificateChain> {
        self.chains.values()
    }

    /// Returns the chain of one site.
    #[must_use]
    pub fn chain_of(&self, site: SiteId) -> Option<&CertificateChain> {
        self.chains.get(&site)
    }

    /// Returns the heads in the seal, verified against its chains, ordered by (site, lane).
    #[must_use]
    pub fn heads(&self) -> &[VerifiedHead] {
        &self.heads
    }
}

fn read(content: &[u8]) -> Result<(SealBody, &[u8], Signature), WireError> {
    let mut reader = Reader::new(content);
    reader.magic(MAGIC, VERSION, "bundle seal")?;
    let length = reader.length(MAX_SEAL_BYTES, "seal length")?;
    let signed = reader.take(length, "seal")?;
    let signature = Signature::from_bytes(&reader.array("seal signature")?);
    reader.finish("seal")?;
    Ok((decode_struct(signed, "seal")?, signed, signature))
}

/// Checks the exporter's chain and the seal's signature, and keeps the chain if it holds.
fn verify_signature(
    body: &SealBody,
    signed: &[u8],
    signature: &Signature,
    chains: &mut BTreeMap<SiteId, CertificateChain>,
) -> Result<SiteId, BundleError> {
    let chain = CertificateChain::from_bytes(&body.exporter.0).map_err(|source| BundleError::Chain {
        whose: EXPORTERS,
        source,
    })?;
    let (exporter, newest) = (chain.site(), chain.epoch());
    let key = chain.current().body().operating_key;
    chains.insert(exporter, chain);
    let epoch = body.epoch;
    if epoch != newest {
        return Err(BundleError::SealEpoch {
            exporter,
            epoch,
            newest,
        });
    }
    key.verify(SIGNATURE_CONTEXT, signed, signature, "bundle seal")
        .map_err(|source| BundleError::Signature {
            exporter,
            epoch,
            key,
            source,
        })?;
    Ok(exporter)
}

fn verify_heads(
    blobs: &[Blob],
    chains: &BTreeMap<SiteId, CertificateChain>,
) -> Result<Vec<VerifiedHead>, BundleError> {
    let mut heads: Vec<VerifiedHead> = Vec::new();
    for blob in blobs {
        let site = Head::peek(&blob.0)
            .map_err(|source| BundleError::Head { source })?
            .site;
        let chain = chains.get(&site).ok_or(BundleError::MissingChain { site })?;
        let head = VerifiedHead::verify(&blob.0, chain).map_err(|source| BundleError::Head { source })?;
        if heads
            .last()
            .is_some_and(|last| log_of(last.head()) >= log_of(head.head()))
        {
            return Err(BundleError::SealOrder { what: "heads" });
        }
        heads.push(head);
    }
    Ok(heads)
}
