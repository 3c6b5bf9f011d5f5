//! One site's running parts: configuration, keys, the store's service, peers over QUIC, and the daemon that connects
//! them. Owns sockets, the clock and tasks; all decisions are made in the pure crates below it.

mod clock;
pub mod config;
mod convert;
mod ecosystem_names;
mod feed_presets;
mod gate;
mod generate;
pub mod home;
mod init;
mod logging;
mod match_index;
mod net;
mod offline;
mod opening;
mod policies;
mod policy_commands;
mod rego;
mod restore;
mod rotate;
mod run;
mod schedule;
mod service;
mod small_file;
mod sync_task;
mod unfinished;
mod upkeep;
mod vex_store;
mod without_store;

pub use convert::convert_store;
pub use ecosystem_names::{is_ecosystem, nearest_ecosystem};
pub use feed_presets::feed_presets;
pub use generate::generate_sbom;
pub use home::SECRETS_CHECK;
pub use home::home_problem;
pub use init::{init_site, init_site_as};
pub use offline::{Offline, open_offline, open_offline_on, open_offline_watched, open_to_repair};
pub use opening::OpeningWatcher;
pub use policies::invalid as invalid_policy;
pub use policy_commands::{PolicyKind, policy_history, rollback_policy};
pub use rego::{REGO_STACK_BYTES, REGO_WORKER, RegoSummary, check_rego, evaluate_rego_by, test_rego};
pub use restore::{RestoreMode, go_on_alone_if_held, restore_home};
pub use rotate::rotate_key;
pub use run::{RunError, run, run_on};
pub use service::{
    CONFIG_CHECK, POLICY_CHECK, inspect_bundle_alone, is_about_what_is_lost, may_be_repaired,
    shown_explanation, validate_bundle_alone,
};
pub use starling_feeds::input::endless as endless_input;
pub use starling_fetch::{lacks_scheme, preset_of_file};
pub use starling_store::engine::quiet_contained_panics;
pub use without_store::scan_without_store;
