//! Snapshots: how they are found, what they cost, how long they are kept, and which are refused.

use super::*;

fn full_moment() -> Moment {
    let log = LogNumber::from_bytes(&[0, 3, 0]).unwrap();
    let mut moment = Moment::new(UnixMillis::saturating(5));
    let position = PositionBefore {
        accepted: ClaimNumber(700),
        state: [9; 32],
    };
    moment.positions.insert((log, None), position);
    moment
        .positions
        .insert((log, Some("nvd".parse().unwrap())), position);
    moment.checks.insert((log, "nvd".parse().unwrap()), None);
    moment
        .checks
        .insert((log, "osv".parse().unwrap()), Some(UnixMillis::EPOCH));
    moment.listed.insert("site-b".parse().unwrap(), None);
    moment.settings = Some(SettingsBefore {
        mark: [7; 32],
        policy: "{}".to_owned(),
    });
    moment
}

#[test]
fn altered_snapshot_row_is_never_misread() {
    let moment = full_moment();
    let bytes = moment.encode();
    assert_eq!(Moment::<LogNumber>::decode(&bytes).as_ref(), Some(&moment));
    for end in 0..bytes.len() {
        assert_eq!(Moment::<LogNumber>::decode(&bytes[..end]), None, "{end}");
    }
    for place in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[place] ^= 0x81;
        if let Some(read) = Moment::<LogNumber>::decode(&changed) {
            assert_eq!(read.encode(), changed);
        }
    }
}

#[test]
fn history_costs_little_per_replaced_claim() {
    let a = Bench::in_memory("a", 1);
    let rows = || {
        let mut rows = 0;
        let mut bytes = 0;
        a.engine
            .scan_prefix(Tree::History, &[], Direction::Forward, &mut |key, value| {
                rows += 1;
                bytes += key.len() + value.len();
                ControlFlow::Continue(())
            })
            .unwrap();
        (rows, bytes)
    };
    let records =
        |text| -> Vec<(u8, Said)> { (0..200).map(|record| (record, Said::Content(text))).collect() };
    a.say(1, &records(1));
    let (first, bytes) = rows();
    assert_eq!(first, 2, "the floor and one moment");
    assert!(bytes < 150, "{bytes} bytes");
    a.say(1, &records(2));
    let (second, more) = rows();
    assert_eq!(second - first, 201);
    assert!(
        (more - bytes) / 200 < 80,
        "{} bytes a claim",
        (more - bytes) / 200
    );
}

#[test]
fn time_before_history_is_refused_with_oldest_snapshot() {
    let a = Bench::in_memory("a", 1);
    a.say(1, &[(1, Said::Content(1))]);
    let early = seen_at(&a.store, UnixMillis::saturating(999));
    assert!(matches!(early, Err(StoreError::BeforeHistory { oldest, .. }) if oldest.as_millis() == 1_000));
    a.time.store(2_000, Ordering::SeqCst);
    a.say(1, &[(1, Said::Content(2))]);
    a.store.drop_superseded(&Retention::NONE).unwrap();
    assert_eq!(a.store.history().unwrap().since.as_millis(), 2_000);
    assert!(seen_at(&a.store, UnixMillis::saturating(1_999)).is_err());
    assert_eq!(
        seen_at(&a.store, UnixMillis::saturating(2_000)).unwrap(),
        seen(&a.store)
    );
}

#[test]
fn retention_limits_age_and_bytes_of_the_past() {
    let a = Bench::in_memory("a", 1);
    for (round, text) in (0..4).enumerate() {
        a.time.store(1_000 * (round as u64 + 1), Ordering::SeqCst);
        a.say(1, &[(1, Said::Content(text))]);
    }
    let all = Retention {
        millis: u64::MAX,
        bytes: u64::MAX,
    };
    let collected = a.store.drop_superseded(&all).unwrap();
    assert_eq!((collected.live, collected.past, collected.dropped), (1, 3, 0));
    let some = Retention {
        millis: 1_500,
        bytes: u64::MAX,
    };
    let collected = a.store.drop_superseded(&some).unwrap();
    // State first known at 2,000 was still known at 2,500.
    assert_eq!((collected.live, collected.past, collected.dropped), (1, 2, 1));
    assert_eq!(a.store.history().unwrap().since.as_millis(), 2_000);
    let few = Retention {
        millis: u64::MAX,
        bytes: 400,
    };
    let collected = a.store.drop_superseded(&few).unwrap();
    assert_eq!((collected.live, collected.past, collected.dropped), (1, 1, 1));
    assert_eq!(a.store.history().unwrap().since.as_millis(), 3_000);
}

#[test]
fn cursor_maps_to_the_snapshot_that_accepted_it() {
    let (a, b) = (Bench::in_memory("a", 1), Bench::in_memory("b", 2));
    a.list(&b, &["*"]);
    let mut cursors = Vec::new();
    for round in 0..3 {
        b.time.store(5_000 + round, Ordering::SeqCst);
        b.say(
            0,
            &[
                (1, Said::Content(u8::try_from(round).unwrap() * 2)),
                (2, Said::Content(0)),
            ],
        );
        cursors.push(b.store.log(b.own()).unwrap().unwrap().tip.cursor);
        a.time.store(10_000 + 100 * round, Ordering::SeqCst);
        a.pull(&b, None);
    }
    for (round, cursor) in (0..).zip(&cursors) {
        assert_eq!(a.store.logs_with_cursor(None, *cursor).unwrap(), [b.own()]);
        let at = a.store.moment_of(b.own(), cursor.number).unwrap();
        assert!(
            matches!(at, CursorAt::Moment(moment) if moment.at.as_millis() == 10_000 + 100 * round),
            "{at:?}"
        );
    }
    // A number within a delta counts after the whole delta was accepted; a held delta that waits does not
    // count.
    let within = a.store.moment_of(b.own(), ClaimNumber(3)).unwrap();
    assert!(matches!(within, CursorAt::Moment(moment) if moment.at.as_millis() == 10_100));
    b.time.store(6_000, Ordering::SeqCst);
    b.say(0, &[(1, Said::Content(4)), (7, Said::Content(2))]);
    a.pull(&b, Some(0));
    let tip = b.store.log(b.own()).unwrap().unwrap().tip.cursor;
    assert_eq!(
        a.store.moment_of(b.own(), tip.number).unwrap(),
        CursorAt::NotAccepted
    );
    let other_time = Cursor {
        time: UnixMillis::saturating(1),
        ..tip
    };
    assert!(a.store.logs_with_cursor(None, other_time).unwrap().is_empty());
    a.store.drop_superseded(&Retention::NONE).unwrap();
    let gone = a.store.moment_of(b.own(), cursors[0].number).unwrap();
    assert_eq!(gone, CursorAt::BeforeHistory);
}

#[test]
fn unreadable_history_restarts_and_wrong_one_is_refused() {
    let a = Bench::in_memory("a", 1);
    a.say(1, &[(1, Said::Content(1))]);
    a.time.store(2_000, Ordering::SeqCst);
    a.say(1, &[(1, Said::Content(2))]);
    let lost = superseded_key(LogNumber::from_bytes(&[0, 0, 0]).unwrap(), ClaimNumber(2));
    let key = match a.engine.get(Tree::History, &lost).unwrap() {
        Some(_) => lost,
        None => {
            let rows = a.store.superseded().unwrap();
            superseded_key(rows[0].log, rows[0].by)
        }
    };
    let mut batch = crate::engine::Batch::new();
    batch.delete(Tree::History, &key);
    a.engine.commit(&batch).unwrap();
    let answer = seen_at(&a.store, UnixMillis::saturating(1_500));
    assert!(
        matches!(answer, Err(StoreError::HistoryDamaged { .. })),
        "{answer:?}"
    );
    assert!(!a.store.doctor(false).unwrap().healthy());
    let before = a.store.history().unwrap();
    assert!(a.store.doctor(true).unwrap().healthy());
    assert_eq!(a.store.history().unwrap(), before, "the log tells it again");
    seen_at(&a.store, UnixMillis::saturating(1_500)).unwrap();
    a.say(1, &[(1, Said::Content(3))]);
    let mut batch = crate::engine::Batch::new();
    batch.put(Tree::History, &moment_key(MomentNumber(3)), b"no moment");
    a.engine.commit(&batch).unwrap();
    a.time.store(3_000, Ordering::SeqCst);
    let again = open_store(&a.disk, a.engine.clone(), &a.chain, &a.time);
    assert_eq!(again.history().unwrap().since.as_millis(), 3_000);
    assert_eq!(seen(&again), seen(&a.store));
}
