//! The routes, one file per subject. A handler reads its input, calls the service once, and builds the answer.

pub(crate) mod advisories;
pub(crate) mod bundles;
pub(crate) mod conflicts;
pub(crate) mod doctor;
pub(crate) mod events;
pub(crate) mod feeds;
pub(crate) mod mutes;
pub(crate) mod scan;
pub(crate) mod sites;
pub(crate) mod status;
pub(crate) mod store;
pub(crate) mod vex;

use axum::Json;

use crate::reply::ProblemReply;

/// The result of a handler that returns JSON.
pub(crate) type JsonReply<T> = Result<Json<T>, ProblemReply>;
