//! The inputs of the fold besides the claims: the compiled policy, the operator's decisions, and the
//! normalisation of package names.

use std::collections::BTreeSet;

use crate::policy::{CompiledPolicy, PolicyHash};
use crate::ports::Decisions;

/// Returns the normalised spelling of a package name within an ecosystem: `(ecosystem, name) -> name`.
///
/// This is a function and not a dependency, because the rules belong to the scanner, on which the view must not
/// depend. It must be pure and idempotent; a change requires a rebuild.
pub type NormaliseName = fn(&str, &str) -> String;

/// Returns the products that a record's body can call affected by CPE names, as `part:vendor:product`, and true if
/// there are others that cannot be looked up.
///
/// A function for the same reason as [`NormaliseName`]. It is only called for bodies with native data.
pub type ProductsOf = fn(&[u8]) -> (BTreeSet<String>, bool);

/// Version of the fold's rules, row layouts and counts: raised if equal claims would give a different result.
const FOLD_VERSION: u32 = 2;
/// Version of the rows' other content: raised if rows must be rebuilt although their statements about the past
/// are unchanged.
const ROWS_VERSION: u32 = 6;

/// The inputs of the fold besides claims and bodies. Equal settings and claims give equal rows.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The preferred sites, and the sources whose fields win.
    pub policy: CompiledPolicy,
    /// The operator's decisions about disagreements between authors.
    pub decisions: Decisions,
    /// The normalisation of package names.
    pub normalise_name: NormaliseName,
    /// The products of a record.
    pub products_of: ProductsOf,
}

impl Settings {
    /// Returns the hash by which a verdict names the rules: the policy's own hash, or, if there are decisions,
    /// a hash of the policy and the decisions.
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

    /// Returns a hash that changes when rows state something else: other orders, another local site, or another
    /// version of the fold. The history continues under another hash only if the former view can be folded
    /// again.
    #[must_use]
    pub fn mark(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_derive_key("starling 2026-11 v1 view settings");
        hasher.update(&FOLD_VERSION.to_le_bytes());
        hasher.update(self.policy.local().as_bytes());
        hasher.update(&self.policy.written().orders_hash());
        *hasher.finalize().as_bytes()
    }

    /// Returns a hash that changes when rows must be rebuilt under the same [`mark`](Self::mark): they hold
    /// other content, or operators decided differently.
    #[must_use]
    pub fn rows_fingerprint(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_derive_key("starling 2026-11 v1 view rows");
        hasher.update(&ROWS_VERSION.to_le_bytes());
        self.write_decisions(&mut hasher);
        *hasher.finalize().as_bytes()
    }
}
