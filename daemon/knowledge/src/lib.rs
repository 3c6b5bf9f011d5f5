//! From the view to what the scanner matches with: statements, names, severities, threats; pure.
//!
//! [`ViewKnowledge`] reads a site's view on demand and implements the scanner's [`Knowledge`]. The rows and bodies are
//! arguments, so it works the same over a store and in memory.
//!
//! [`Knowledge`]: starling_scanner::knowledge::Knowledge

mod advisory;
mod products;
mod ratings;
mod view;

pub use advisory::advisory_for_scan;
pub use ratings::stated_severities;
pub use view::{KEV_SOURCE, ViewKnowledge};
