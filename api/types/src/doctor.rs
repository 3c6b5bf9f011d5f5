//! Checks of the store, and rebuilding derived data.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Query of `POST /api/v1/doctor`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct DoctorRequest {
    /// Rebuild all derived data from the site's log. Includes `repair`.
    pub rebuild: bool,
    /// Drop damaged record bodies and rewrite damaged packs; peers or bundles bring the bodies back. A running daemon
    /// only reports damage of the log: to open the site without the damaged part, stop it and run `starling doctor
    /// --repair`.
    #[serde(default)]
    pub repair: bool,
}

/// One invariant of the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DoctorCheck {
    /// The invariant's name.
    pub name: String,
    /// True if it holds (after a repair, if there was one).
    pub ok: bool,
    /// The finding, such as `90,123 examined`, and what to do about it if the call itself cannot fix it.
    pub found: String,
    /// Names of the damaged entries; the first 1,000.
    pub damaged: Vec<String>,
    /// Number of repaired entries.
    pub repaired: u64,
    /// True if the check did not run, so that `ok` says nothing; `found` has the reason.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub not_examined: bool,
}

/// Answer of `POST /api/v1/doctor`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DoctorReport {
    /// True if nothing is damaged or lost. A check may still not hold: bodies that never came, or a copied home.
    pub ok: bool,
    /// The checks, in order.
    pub checks: Vec<DoctorCheck>,
    /// Duration, in milliseconds.
    pub duration_ms: u64,
}
