//! The Automerge actor under which a site writes a document.

use starling_protocol::SiteId;

/// Bytes of an actor.
pub const ACTOR_BYTES: usize = 16;

/// An Automerge actor: one site, in one epoch, in one document.
///
/// It follows from what the delta around a change proves. A change under another actor than its author's is
/// never applied. A new epoch is a new actor: a site restored from a backup must not continue its former
/// sequences, which Automerge would treat as corruption.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Actor([u8; ACTOR_BYTES]);

impl Actor {
    /// Returns the actor of a site: the first 16 bytes of BLAKE3 (derive-key mode) over site, epoch and document.
    #[must_use]
    pub fn of(site: &SiteId, epoch: u32, document: &str) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("starling 2026-11 v1 document actor");
        hasher.update(site.as_bytes());
        hasher.update(&epoch.to_le_bytes());
        hasher.update(document.as_bytes());
        Self::first_of(hasher.finalize().as_bytes())
    }

    /// Returns the actor of the change that every copy of a document begins with. No site has this actor.
    #[must_use]
    pub fn genesis(document: &str) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("starling 2026-11 v1 document genesis");
        hasher.update(document.as_bytes());
        Self::first_of(hasher.finalize().as_bytes())
    }

    /// Returns an actor from its bytes in a change; `None` if they are not 16 bytes.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// Returns the bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; ACTOR_BYTES] {
        &self.0
    }

    fn first_of(hash: &[u8; 32]) -> Self {
        let mut bytes = [0; ACTOR_BYTES];
        bytes.copy_from_slice(hash.split_at(ACTOR_BYTES).0);
        Self(bytes)
    }
}

impl std::fmt::Display for Actor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl std::fmt::Debug for Actor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actor_depends_on_site_epoch_and_document() {
        let site = |byte| SiteId::from_bytes([byte; 32]);
        let actors = [
            Actor::of(&site(1), 0, "mutes"),
            Actor::of(&site(2), 0, "mutes"),
            Actor::of(&site(1), 1, "mutes"),
            Actor::of(&site(1), 0, "notes"),
            Actor::genesis("mutes"),
            Actor::genesis("notes"),
        ];
        let distinct: std::collections::BTreeSet<_> = actors.iter().collect();
        assert_eq!(distinct.len(), actors.len());
        assert_eq!(actors[0], Actor::of(&site(1), 0, "mutes"));
    }
}
