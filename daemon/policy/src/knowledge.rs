//! The state of a site's knowledge at the time of a scan: what a decision must know besides the findings.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use starling_documents::mutes::Mutes;
use starling_protocol::{KnowledgeRoot, UnixMillis};

use crate::terms::as_text;

/// The state of a site's knowledge at the scan; equal at every site with an equal root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnowledgeState {
    /// The knowledge root.
    pub root: KnowledgeRoot,
    /// Number of live canonical advisories.
    pub advisories: u64,
    /// The newest check of each source, in any order.
    pub sources: Vec<SourceCheck>,
    /// Sources with records that were never checked completely.
    pub unchecked: Vec<UncheckedSource>,
    /// The end of validity of other sites' newest heads, in any order.
    pub heads: Vec<HeadExpiry>,
    /// Sources with held claims but nothing accepted, because record bodies are missing.
    pub held_back: Vec<String>,
    /// Claims that are known to be lost here, such as `claims 28 to 33 of site-a`.
    pub lost: Vec<String>,
    /// Authors that signed two histories, by the names in their certificates: nothing more is accepted from them.
    pub frozen: Vec<String>,
    /// Sources whose newest check is later than the site's clock.
    pub ahead: Vec<String>,
    /// Hash of the view policy of the fold, as `blake3:<hex>`.
    pub view_policy_hash: String,
    /// The applicable mutes; the knowledge root covers them too.
    pub mutes: Arc<Mutes>,
    /// Identities of sites whose mutes apply although no entry allows it explicitly, each with its name here.
    pub unconfirmed: BTreeMap<String, String>,
}

/// The last check of a source by any site.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct SourceCheck {
    /// The source.
    pub source: String,
    /// The newest check.
    #[serde(serialize_with = "as_text")]
    pub last_checked: UnixMillis,
}

/// A source that has records but was never checked completely.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct UncheckedSource {
    /// The source.
    pub source: String,
    /// The last time when it was heard of; `None` if unknown.
    pub last_heard: Option<UnixMillis>,
}

/// The end of validity of another site's newest head.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct HeadExpiry {
    /// The site, by the name in its certificate.
    pub site: String,
    /// Last time at which the head is valid.
    pub expires: UnixMillis,
    /// The sources for which its statements are accepted here, sorted.
    pub sources: Vec<String>,
}
