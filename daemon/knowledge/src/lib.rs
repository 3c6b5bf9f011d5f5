//! From the view to what the scanner matches with: statements, names, severities, threats; pure.
//!
//! [`ViewKnowledge`] reads a site's view on demand and implements the scanner's [`Knowledge`]. The rows and bodies are
//! arguments, so it works the same over a store and in memory.
//!
//! # Why the view hands over text
//!
//! The view keeps each value as canonical JSON text ([`JsonText`](starling_view::JsonText)), and this crate reads it with the scanner's lenient types.
//! A typed hand-over would save that reading, and lose what the text is for: two records make one statement if, and only
//! if, their texts are equal; the API shows the values as they were signed, with numbers of any length; and the view would
//! have to know the scanner's types, or drop what they do not hold. So the text stays, and nothing is lost on the way:
//! each entry is read by [`Affected::from_entry`](starling_scanner::osv::Affected::from_entry), which leaves versions undecided if a part of it cannot be read, and
//! a list that cannot be read at all is one such entry.
//!
//! [`Knowledge`]: starling_scanner::knowledge::Knowledge

mod advisory;
mod malice;
mod products;
mod ratings;
mod view;
mod withdrawn_ratings;

pub use advisory::advisory_for_scan;
pub use malice::stated_malice;
pub use ratings::stated_severities;
pub use view::{KEV_SOURCE, ViewKnowledge};
