//! Checking the store, and rebuilding what is derived.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Query of `POST /api/v1/doctor`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct DoctorRequest {
    /// Derive everything again from the site's log. Includes `repair`.
    pub rebuild: bool,
    /// Drop damaged record bodies and rewrite damaged packs: peers or bundles bring the bodies again. A running
    /// daemon only names damage of the log; stop it and run `starling doctor --repair` to open the site past that.
    #[serde(default)]
    pub repair: bool,
}

/// One invariant of the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DoctorCheck {
    /// The invariant's name.
    pub name: String,
    /// Whether it holds (after a repair, where there was one).
    pub ok: bool,
    /// What was found, such as `90,123 examined`, and what to do about it where the call itself cannot.
    pub found: String,
    /// What is damaged, by name; the first 1,000.
    pub damaged: Vec<String>,
    /// How many damaged entries were repaired.
    pub repaired: u64,
}

/// Answer of `POST /api/v1/doctor`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DoctorReport {
    /// Whether every check holds.
    pub ok: bool,
    /// The checks, in order.
    pub checks: Vec<DoctorCheck>,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
}
