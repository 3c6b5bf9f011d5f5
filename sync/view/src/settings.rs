//! What the fold depends on besides the claims: the compiled policy, the operator's decisions, and
//! how ecosystems spell package names.

use crate::policy::CompiledPolicy;
use crate::ports::Decisions;

/// Returns the one spelling of a package name within an ecosystem: `(ecosystem, name) -> name`.
///
/// A function, not a dependency: the rules belong to the scanner, which the view must not depend on.
/// It must be pure and idempotent; a change of it asks for a rebuild.
pub type NormaliseName = fn(&str, &str) -> String;

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
