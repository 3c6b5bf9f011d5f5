//! The fold from claims to canonical advisories: identity, policy order, provenance, conflicts.
//!
//! Pure: claims, bodies, rows and settings are arguments. The rows are a function of the current accepted
//! claims, the policy and the operator's decisions alone. The order and the batches in which claims arrive have
//! no effect, so a rebuild gives the same bytes.
//!
//! Key layouts and the rules of identity: `docs/formats/view.md`.

mod advisory;
mod changed;
mod changes;
mod codec;
mod edges;
mod error;
mod extract;
mod fold;
mod identity;
#[cfg(test)]
mod interleavings;
pub mod limits;
mod lookup;
mod memo;
mod package;
mod parsed_body;
mod policy;
mod ports;
mod reading;
mod rows;
mod settings;
mod update;
mod vulnerability;
mod weight;

pub use advisory::{
    AdvisoryState, CanonicalAdvisory, Conflict, Edge, EdgeState, Field, FieldName, Fields, JsonText, Member,
    OutvotedClaim, OutvotedValue, Provenance, Stated, WithdrawnStatement,
};
pub use changed::packages_changed;
pub use changes::{Action, Change, Changes, LiveChange, Problem, ProblemCounts};
pub use error::{PortError, ViewError};
pub use fold::{
    ContributingRecord, canonical_advisory, canonical_advisory_remembering, contributing_records,
    stated_fields, stated_severity, stated_withdrawal,
};
pub use lookup::{
    AdvisoryRef, LiveRecord, PRODUCT_ECOSYSTEM, ProductAdvisory, Resolution, add_sources_of_package,
    advisories_by_id, advisories_by_package, advisories_by_product, advisories_in_any_release,
    chosen_content, ecosystems_with_suffix, for_each_advisory, for_each_live_record, for_each_product,
    held_records, knows_ecosystem, knows_products, live_record_counts, live_records, records_about, resolve,
    silent_records, sources_of_ecosystem, sources_of_product, sources_of_products,
};
pub use memo::FoldMemo;
pub use package::{PackageId, normalise_repository};
pub use policy::{
    Choice, CompiledPolicy, ConflictStrategy, PolicyHash, Ranges, SourcePolicy, StrategyError, ViewPolicy,
};
pub use ports::{Bodies, Claims, Decisions, RecordKey, Statement, StatementKind};
pub use rows::{MemoryRows, Rows, RowsMut, Table, Visitor};
pub use settings::{NormaliseName, ProductsOf, Settings};
pub use update::{update, wipe};
pub use vulnerability::VulnerabilityId;
pub use weight::Weight;
