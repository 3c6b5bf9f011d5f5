//! Values of a newer daemon that this version does not know.

use serde::de::DeserializeOwned;

use crate::{
    AdvisoryState, Conclusion, ConflictState, EventAction, FeedOutcome, FeedPhase, FeedRunOutcome, FeedState,
    FeedTrigger, FetchReason, KeyRole, LogOutcome, MuteAction, MuteState, OpeningWork, PartState,
    RestoreAction, RestorePhase, SitePart, TransferKind,
};

fn read<T: DeserializeOwned>() -> T {
    serde_json::from_str("\"something_of_tomorrow\"").unwrap()
}

/// A new phase of a restore ended every `status` of an older command with an error.
#[test]
fn value_of_a_newer_daemon_is_unknown_and_no_error() {
    assert_eq!(read::<RestorePhase>(), RestorePhase::Unknown);
    assert_eq!(read::<PartState>(), PartState::Unknown);
    assert_eq!(read::<SitePart>(), SitePart::Unknown);
    assert_eq!(read::<OpeningWork>(), OpeningWork::Unknown);
    assert_eq!(read::<FeedState>(), FeedState::Unknown);
    assert_eq!(read::<FeedRunOutcome>(), FeedRunOutcome::Unknown);
    assert_eq!(read::<FeedPhase>(), FeedPhase::Unknown);
    assert_eq!(read::<FeedTrigger>(), FeedTrigger::Unknown);
    assert_eq!(read::<FetchReason>(), FetchReason::Unknown);
    assert_eq!(read::<FeedOutcome>(), FeedOutcome::Unknown);
    assert_eq!(read::<EventAction>(), EventAction::Unknown);
    assert_eq!(read::<MuteAction>(), MuteAction::Unknown);
    assert_eq!(read::<RestoreAction>(), RestoreAction::Unknown);
    assert_eq!(read::<AdvisoryState>(), AdvisoryState::Unknown);
    assert_eq!(read::<LogOutcome>(), LogOutcome::Unknown);
    assert_eq!(read::<Conclusion>(), Conclusion::Unknown);
    assert_eq!(read::<MuteState>(), MuteState::Unknown);
    assert_eq!(read::<ConflictState>(), ConflictState::Unknown);
    assert_eq!(read::<TransferKind>(), TransferKind::Unknown);
    assert_eq!(read::<KeyRole>(), KeyRole::Unknown);
    assert!(!FeedRunOutcome::Unknown.is_success());
    assert!(FeedState::Unknown.needs_attention());
}
