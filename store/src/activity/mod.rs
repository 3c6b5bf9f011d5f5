//! The activity of the site: events for subscribers, and the ledger of imports and exports.

pub(crate) mod event_row;
pub(crate) mod events;
pub(crate) mod ledger;
pub(crate) mod transfers;

pub use self::event_row::{FeedEnding, RestoreStep};
pub use self::events::{EVENTS_KEPT, Event, EventKind, EventNumber, Origin};
pub use self::ledger::{LedgerEntry, LedgerNumber};
pub(crate) use self::ledger::{decisions_in, decisions_until};
pub use self::transfers::{TRANSFERS_KEPT, Transfers};
