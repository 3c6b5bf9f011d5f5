//! The site as a service: every operation once, for the API, for offline commands, for tests.
//!
//! Work on the store may wait for the disk, so every method runs on a thread that may block. Dropping the caller's
//! future never stops it midway. `calls` implements the API's trait, `site` holds an open site's parts, `assemble` opens
//! one; every other file is one topic, as methods of [`SiteParts`].

mod advisories;
mod advisory_shown;
mod as_of;
mod assemble;
mod bundle_claims;
mod bundle_conflicts;
mod bundle_export;
mod bundle_exporter;
mod bundle_ground;
mod bundle_import;
mod bundle_info;
mod bundle_plan;
mod bundle_restore;
mod bundle_trust;
mod calls;
mod check;
mod compact;
mod configuration;
mod conflicts;
mod damage_note;
mod differences;
mod doctor;
mod dry_run;
mod events;
mod excuses;
mod explain;
mod explain_cpe;
mod feed_runs;
mod feeds;
mod folding;
mod health;
mod index_upkeep;
mod known;
mod lost_claims;
mod mute_check;
mod mutes;
mod open_imports;
mod opening;
mod problem;
mod reach;
mod scan;
mod signing;
mod site;
mod sites;
mod status;
mod view_knowledge;

pub(crate) use self::assemble::{stop, take_lock};
pub use self::bundle_info::{inspect_bundle_alone, validate_bundle_alone};
pub(crate) use self::check::GONE_ADVICE;
pub use self::configuration::{CONFIG_CHECK, POLICY_CHECK};
pub use self::doctor::{is_about_what_is_lost, may_be_repaired};
pub use self::explain::shown_explanation;
pub(crate) use self::feed_runs::Trigger;
pub(crate) use self::folding::folding_of;
pub(crate) use self::health::MAKING_THE_INDEX;
pub(crate) use self::opening::OpeningSite;
pub(crate) use self::problem::store_problem;
pub(crate) use self::scan::Judge;
pub(crate) use self::site::{Site, SiteParts};
pub(crate) use self::view_knowledge::{KEV_SOURCE, ViewKnowledge, view_knowledge};
