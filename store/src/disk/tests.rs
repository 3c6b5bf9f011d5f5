//! Tests that both disks behave alike, and that the one in memory loses exactly what it should.

use super::*;

fn both(check: impl Fn(&dyn Disk)) {
    let folder = tempfile::tempdir().unwrap();
    check(&FolderDisk::new(folder.path()));
    check(&MemoryDisk::default());
}

#[test]
fn files_are_written_cut_renamed_and_removed() {
    both(|disk| {
        disk.create_folder("a").unwrap();
        let file = disk.open("a/one", OpenFile::Create).unwrap();
        assert!(disk.open("a/one", OpenFile::Create).is_err());
        file.write_all_at(b"hello", 0).unwrap();
        file.write_all_at(b"world", 7).unwrap();
        assert_eq!(file.len().unwrap(), 12);
        let mut bytes = [0; 12];
        file.read_exact_at(&mut bytes, 0).unwrap();
        assert_eq!(&bytes, b"hello\0\0world");
        assert!(file.read_exact_at(&mut bytes, 1).is_err());
        file.set_len(3).unwrap();
        file.sync_data().unwrap();
        disk.rename("a/one", "a/two").unwrap();
        disk.sync_folder("a").unwrap();
        assert_eq!(disk.list("a").unwrap(), ["two"]);
        disk.remove("a/two").unwrap();
        assert!(disk.list("a").unwrap().is_empty());
        assert!(disk.list("missing").unwrap().is_empty());
        let mut bytes = [0; 3];
        file.read_exact_at(&mut bytes, 0).unwrap();
        assert_eq!(&bytes, b"hel");
    });
}

#[test]
fn pipes_and_folders_in_place_of_files_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let disk = FolderDisk::new(folder.path());
    let pipe = folder.path().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    std::fs::create_dir(folder.path().join("folder")).unwrap();
    for (name, what) in [("pipe", "a pipe"), ("folder", "a folder")] {
        for how in [OpenFile::Read, OpenFile::Write] {
            let refused = disk.open(name, how).unwrap_err().to_string();
            assert!(
                refused.contains(&format!("it is {what}, expected a file")),
                "{refused}"
            );
        }
        let refused = super::open_file(&folder.path().join(name)).unwrap_err();
        assert_eq!(refused.kind(), std::io::ErrorKind::InvalidInput);
        assert!(
            refused.to_string().contains(&format!("it is {what}")),
            "{refused}"
        );
        let made = disk.open(name, OpenFile::Create).unwrap_err();
        assert_eq!(made.kind(), std::io::ErrorKind::AlreadyExists);
    }
}

#[test]
fn crash_loses_unsynced_bytes() {
    for (unsynced, expected) in [
        (UnsyncedBytes::Kept, &b"synced-later!"[..]),
        (UnsyncedBytes::Lost, b"synced"),
        (UnsyncedBytes::Torn, b"synced-lat\0\0\0"),
    ] {
        let disk = MemoryDisk::default();
        let file = disk.open("f", OpenFile::Create).unwrap();
        file.write_all_at(b"synced", 0).unwrap();
        file.sync_data().unwrap();
        disk.sync_folder("").unwrap();
        file.write_all_at(b"-later!", 6).unwrap();
        disk.crash(unsynced);
        assert!(file.len().is_err());
        let disk = disk.reopen(DiskPlan::default());
        let file = disk.open("f", OpenFile::Read).unwrap();
        assert_eq!(contents(file.as_ref()), expected, "{unsynced:?}");
    }
}

/// A crash without a sync restores the last synced content, whatever was overwritten, cut and grown since.
#[test]
fn crash_restores_bytes_of_the_last_sync() {
    let mut random = 1_u64;
    let mut next = |below: u64| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (random >> 33) % below
    };
    for round in 0..200 {
        let disk = MemoryDisk::default();
        let file = disk.open("f", OpenFile::Create).unwrap();
        disk.sync_folder("").unwrap();
        let mut synced = Vec::new();
        for step in 0..next(12) {
            match next(4) {
                0 => file.set_len(next(40)).unwrap(),
                1 => {
                    file.sync_data().unwrap();
                    synced = contents(file.as_ref());
                }
                _ => {
                    let bytes = vec![u8::try_from(step + 1).unwrap(); usize::try_from(next(12)).unwrap()];
                    file.write_all_at(&bytes, next(30)).unwrap();
                }
            }
        }
        disk.crash(UnsyncedBytes::Lost);
        let disk = disk.reopen(DiskPlan::default());
        let file = disk.open("f", OpenFile::Read).unwrap();
        assert_eq!(contents(file.as_ref()), synced, "round {round}");
    }
}

fn contents(file: &dyn DiskFile) -> Vec<u8> {
    let mut bytes = vec![0; usize::try_from(file.len().unwrap()).unwrap()];
    file.read_exact_at(&mut bytes, 0).unwrap();
    bytes
}

#[test]
fn full_disk_stores_what_fits() {
    let disk = MemoryDisk::new(DiskPlan {
        capacity: Some(8),
        ..DiskPlan::default()
    });
    let file = disk.open("f", OpenFile::Create).unwrap();
    let error = file.write_all_at(b"0123456789", 0).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    assert_eq!(file.len().unwrap(), 8);
    assert_eq!(disk.free_bytes().unwrap(), Some(0));
}
