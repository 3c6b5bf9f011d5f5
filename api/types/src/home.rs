//! Answers of the commands on a site's folder. They are not part of the API.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::hash::SiteId;
use crate::text::{PublicKey, SiteSlug};
use crate::time::Timestamp;

/// The role of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyRole {
    /// Signs epoch certificates only; can be kept offline.
    Root,
    /// Signs deltas and heads, and is the peer key.
    Operating,
    /// A value that this version does not know, from a newer daemon. It is never sent.
    #[serde(other)]
    Unknown,
}

impl KeyRole {
    /// Returns the role's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::Operating => "operating",
            Self::Unknown => "unknown",
        }
    }
}

/// One key of a site, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyInfo {
    /// Its role.
    pub role: KeyRole,
    /// The public key.
    pub public_key: PublicKey,
    /// The epoch of an operating key.
    pub epoch: Option<u64>,
    /// True if the secret is in this folder.
    pub secret_present: bool,
    /// True if it is the key in use.
    pub current: bool,
    /// File of the secret, if it is in this folder.
    pub file: Option<PathBuf>,
    /// Time of creation, if known.
    pub created_at: Option<Timestamp>,
}

/// Answer of `starling keys list` and `keys generate`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyList {
    /// The keys: root first, then operating keys by epoch.
    pub keys: Vec<KeyInfo>,
}

/// The answer of `starling keys show` and `keys export --public`: the site's identity, and the text with which others
/// list it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublicIdentity {
    /// The site's name.
    pub site_id: SiteSlug,
    /// The site's identity.
    pub site: SiteId,
    /// The current epoch.
    pub epoch: u64,
    /// Public half of the root key.
    pub root_key: PublicKey,
    /// Public half of the operating key in use.
    pub operating_key: PublicKey,
    /// The operating key as a libp2p peer id.
    pub peer_id: String,
    /// The certificate chain as one line of text, for `starling sites add --key`.
    pub certificates: String,
}

/// Answer of `starling init`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InitReport {
    /// The site's folder.
    pub home: PathBuf,
    /// The configuration file that was written.
    pub config: PathBuf,
    /// The store's engine.
    pub engine: String,
    /// The site's identity.
    #[serde(flatten)]
    pub identity: PublicIdentity,
}

/// Answer of `starling store convert`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConvertReport {
    /// Engine before.
    pub from: String,
    /// Engine now.
    pub to: String,
    /// Number of log frames from which the new engine was built.
    pub entries: u64,
    /// Size on disk before, in bytes.
    pub size_before_bytes: u64,
    /// Size on disk now, in bytes.
    pub size_after_bytes: u64,
    /// Duration, in milliseconds.
    pub duration_ms: u64,
}
