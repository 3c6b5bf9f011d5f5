//! What the fold depends on besides the claims: the compiled policy, the operator's decisions, and
//! how ecosystems spell package names.

use crate::policy::{CompiledPolicy, PolicyHash};
use crate::ports::Decisions;

/// Returns the one spelling of a package name within an ecosystem: `(ecosystem, name) -> name`.
///
/// A function, not a dependency: the rules belong to the scanner, which the view must not depend on.
/// It must be pure and idempotent; a change of it asks for a rebuild.
pub type NormaliseName = fn(&str, &str) -> String;

/// Version of the fold's rules, row layouts and counts: raised when equal claims would give others.
const FOLD_VERSION: u32 = 2;
/// Version of what rows hold beside that: raised when they must be made anew although what they say of the past is no other.
const ROWS_VERSION: u32 = 4;

/// What the fold depends on besides claims and bodies. Equal settings and claims give equal rows.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Who is believed, and whose fields come first.
    pub policy: CompiledPolicy,
    /// What an operator decided where authors disagree.
    pub decisions: Decisions,
    /// How ecosystems spell package names.
    pub normalise_name: NormaliseName,
}

impl Settings {
    /// Returns the hash that a verdict names the rules by: the policy's own, or where something was decided one of the
    /// policy and of the decisions.
    #[must_use]
    pub fn rules_hash(&self) -> PolicyHash {
        if self.decisions.is_empty() {
            return self.policy.hash();
        }
        let mut hasher = blake3::Hasher::new_derive_key("starling 2026-11 v1 view policy and decisions");
        hasher.update(self.policy.hash().as_bytes());
        self.write_decisions(&mut hasher);
        PolicyHash::from_bytes(*hasher.finalize().as_bytes())
    }

    fn write_decisions(&self, hasher: &mut blake3::Hasher) {
        for (record, content) in &self.decisions {
            for text in [record.source.as_str(), record.id.as_str()] {
                hasher.update(&(text.len() as u64).to_le_bytes());
                hasher.update(text.as_bytes());
            }
            hasher.update(content.as_bytes());
        }
    }

    /// Returns a hash that differs when rows say something else: other orders, another local site, or another version of
    /// the fold itself. The history goes on under another one only if the view of then can be folded again.
    #[must_use]
    pub fn mark(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_derive_key("starling 2026-11 v1 view settings");
        hasher.update(&FOLD_VERSION.to_le_bytes());
        hasher.update(self.policy.local().as_bytes());
        hasher.update(&self.policy.written().orders_hash());
        *hasher.finalize().as_bytes()
    }

    /// Returns a hash that differs when rows must be made anew under the same [`mark`](Self::mark): they hold something
    /// else by now, or operators decided otherwise.
    #[must_use]
    pub fn rows_fingerprint(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_derive_key("starling 2026-11 v1 view rows");
        hasher.update(&ROWS_VERSION.to_le_bytes());
        self.write_decisions(&mut hasher);
        *hasher.finalize().as_bytes()
    }
}
