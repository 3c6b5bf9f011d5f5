//! Loses power at every operation, with every outcome for the unsynced bytes.

use proptest::prelude::*;

use super::*;

const FATES: [UnsyncedBytes; 3] = [UnsyncedBytes::Kept, UnsyncedBytes::Lost, UnsyncedBytes::Torn];

fn faults() -> Vec<DiskFaultKind> {
    let crashes = FATES.iter().flat_map(|fate| {
        [
            DiskFaultKind::CrashBefore(*fate),
            DiskFaultKind::CrashAfter(*fate),
        ]
    });
    crashes
        .chain([DiskFaultKind::Fail, DiskFaultKind::Short])
        .collect()
}

/// Creates a log and appends until `groups` are there or something fails for good. Returns the number of
/// acknowledged groups; `None` if not even the creation was acknowledged.
fn run(disk: &MemoryDisk, groups: u64) -> Option<u64> {
    let log = Log::create_with(Arc::new(disk.clone()), FOLDER, ID, SMALL).ok()?;
    for number in 1..=groups {
        for attempt in 0.. {
            match append(&log, number) {
                Ok(_) => break,
                // Refused cleanly: the same append may follow.
                Err(LogError::NoRoom { .. } | LogError::Io { .. }) if attempt < 2 => {}
                Err(_) => {
                    assert_eq!(log.end().group, number - 1);
                    return Some(number - 1);
                }
            }
        }
        if number % 3 == 0 {
            let _ = log.sync_tip();
        }
    }
    Some(groups)
}

/// Opens after a crash, asserts the expected content, appends, and opens again.
fn assert_recovers(disk: &MemoryDisk, acknowledged: Option<u64>, context: &str) {
    if !Log::exists(disk, FOLDER).unwrap() {
        assert_eq!(acknowledged, None, "{context}");
        fill(&create(disk), 2);
        return;
    }
    let (reader, read) = open(disk, None, LogAccess::Read);
    let (log, recovery) = open(disk, None, LogAccess::Write);
    assert_eq!(read, recovery, "{context}");
    let (acknowledged, found) = (acknowledged.unwrap_or(0), recovery.end.group);
    assert!(
        found == acknowledged || found == acknowledged + 1,
        "{context}: {acknowledged} acknowledged, {found} found"
    );
    assert_eq!(recovery.damage, [], "{context}");
    assert_eq!(recovery.lost, None, "{context}");
    assert_holds(&reader, found);
    assert_holds(&log, found);
    fill(&log, 4);
    assert_holds(&log, found + 4);
    disk.crash(UnsyncedBytes::Lost);
    let (log, recovery) = open(&disk.reopen(DiskPlan::default()), None, LogAccess::Write);
    assert_eq!((recovery.cut, recovery.lost), (None, None), "{context}");
    assert_holds(&log, found + 4);
}

#[test]
fn crash_at_every_operation_keeps_what_was_acknowledged() {
    let dry = MemoryDisk::default();
    assert_eq!(run(&dry, 12), Some(12));
    assert!(open(&dry, None, LogAccess::Read).0.end().segment > 2);
    for operation in 1..=dry.operations() {
        for kind in faults() {
            for fate in FATES {
                let disk = MemoryDisk::new(DiskPlan::at(operation, kind));
                let acknowledged = run(&disk, 12);
                // A fault that was not a crash is followed by one.
                disk.crash(fate);
                let context = format!("operation {operation}, {kind:?}, then {fate:?}");
                assert_recovers(&disk.reopen(DiskPlan::default()), acknowledged, &context);
            }
        }
    }
}

#[test]
fn crash_during_recovery_is_recovered_from() {
    let dry = MemoryDisk::default();
    run(&dry, 5);
    for operation in 1..=dry.operations() {
        for fate in FATES {
            let disk = MemoryDisk::new(DiskPlan::at(operation, DiskFaultKind::CrashAfter(fate)));
            let acknowledged = run(&disk, 5);
            disk.crash(fate);
            for second in 1..=6 {
                for kind in faults() {
                    let disk = disk.reopen(DiskPlan::at(second, kind));
                    let opened =
                        Log::open_with(Arc::new(disk.clone()), FOLDER, None, LogAccess::Write, SMALL);
                    drop(opened);
                    disk.crash(fate);
                    let context = format!("operation {operation}, {fate:?}; then {second}, {kind:?}");
                    assert_recovers(&disk.reopen(DiskPlan::default()), acknowledged, &context);
                }
            }
        }
    }
}

proptest! {
    #[test]
    fn several_crashes_keep_what_was_acknowledged(
        crashes in prop::collection::vec((1_u64..40, 0_usize..8, 0_usize..3, 1_u64..8), 1..6),
    ) {
        let mut disk = MemoryDisk::default();
        drop(create(&disk));
        let mut acknowledged = 0;
        for (operation, kind, fate, groups) in crashes {
            disk.crash(UnsyncedBytes::Lost);
            disk = disk.reopen(DiskPlan::at(operation, faults()[kind]));
            if let Ok((log, recovery)) =
                Log::open_with(Arc::new(disk.clone()), FOLDER, None, LogAccess::Write, SMALL)
            {
                prop_assert!(recovery.end.group == acknowledged || recovery.end.group == acknowledged + 1);
                prop_assert_eq!(recovery.lost, None);
                prop_assert_eq!(recovery.damage, []);
                acknowledged = recovery.end.group;
                while log.end().group < recovery.end.group + groups {
                    match append(&log, log.end().group + 1) {
                        Ok(appended) => acknowledged = appended.end.group,
                        Err(_) => break,
                    }
                }
            }
            disk.crash(FATES[fate]);
            let next = disk.reopen(DiskPlan::default());
            let (log, recovery) = open(&next, Some(LogPosition::START), LogAccess::Write);
            prop_assert!(recovery.end.group == acknowledged || recovery.end.group == acknowledged + 1);
            acknowledged = recovery.end.group;
            assert_holds(&log, acknowledged);
            disk = next;
        }
    }
}
