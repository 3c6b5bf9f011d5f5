use std::os::unix::fs::symlink;

use super::*;

fn document(id: &str) -> String {
    format!(
        r#"{{"@context":"https://openvex.dev/ns/v0.2.0","author":"supplier","statements":[{{"vulnerability":
        {{"name":"{id}"}},"products":[{{"@id":"pkg:npm/a@1"}}],"status":"fixed"}}]}}"#
    )
}

fn hash_of_text(text: &str) -> VexHash {
    VexHash::from_bytes(*blake3::hash(text.as_bytes()).as_bytes())
}

#[test]
fn document_is_stored_unchanged_and_once() {
    let home = tempfile::tempdir().unwrap();
    let kept = VexStore::in_home(home.path());
    assert!(kept.documents().unwrap().is_empty() && kept.list().unwrap() == VexList::default());
    let text = format!("\u{feff}{}\n", document("CVE-1"));
    let added = kept.add(text.as_bytes(), UnixMillis::EPOCH).unwrap();
    assert_eq!((added.statements, added.known), (1, false));
    assert!(kept.add(text.as_bytes(), UnixMillis::EPOCH).unwrap().known);
    assert_eq!(kept.show(&added.hash).unwrap(), text.as_bytes());
    assert_eq!(added.hash, hash_of_text(&text));
    kept.add(document("CVE-2").as_bytes(), UnixMillis::EPOCH).unwrap();
    // Another process sees the same documents in the same order.
    let other = VexStore::in_home(home.path());
    let hashes = |kept: &VexStore| {
        kept.list()
            .unwrap()
            .documents
            .iter()
            .map(|entry| entry.hash)
            .collect::<Vec<_>>()
    };
    assert_eq!(hashes(&other), hashes(&kept));
    assert!(hashes(&other).is_sorted());
    assert_eq!(other.documents().unwrap().len(), 2);
    other.remove(&added.hash).unwrap();
    assert_eq!(
        kept.documents().unwrap().len(),
        1,
        "what another process took away is gone"
    );
    let gone = [
        kept.show(&added.hash).map(|_| ()),
        kept.remove(&added.hash).map(|_| ()),
    ];
    for gone in gone {
        assert_eq!(gone.unwrap_err().code, ErrorCode::VexNotFound);
    }
}

#[test]
fn non_document_is_refused_without_side_effects() {
    let home = tempfile::tempdir().unwrap();
    let kept = VexStore::in_home(home.path());
    for bytes in [&b""[..], b"{}", b"\xff", br#"{"bomFormat":"CycloneDX"}"#] {
        let refused = kept.add(bytes, UnixMillis::EPOCH).unwrap_err();
        assert_eq!(refused.code, ErrorCode::VexUnreadable);
    }
    assert!(!home.path().join(FOLDER).exists());
}

#[test]
fn damaged_document_is_an_error_even_if_cached() {
    let home = tempfile::tempdir().unwrap();
    let kept = VexStore::in_home(home.path());
    let text = document("CVE-1");
    let other = kept.add(document("CVE-9").as_bytes(), UnixMillis::EPOCH).unwrap();
    let hash = kept.add(text.as_bytes(), UnixMillis::EPOCH).unwrap().hash;
    let path = kept.path(&hash);
    assert_eq!(kept.documents().unwrap().len(), 2);
    type Damage = fn(&Path);
    let damages: [(&str, Damage); 4] = [
        ("of the same size", |path| {
            fs::write(path, document("CVE-2")).unwrap();
        }),
        ("cut short", |path| fs::write(path, b"").unwrap()),
        ("a folder", |path| {
            fs::remove_file(path).unwrap();
            fs::create_dir(path).unwrap();
        }),
        ("a link to what is never read to its end", |path| {
            fs::remove_dir(path).unwrap();
            symlink("/dev/zero", path).unwrap();
        }),
    ];
    for (how, damage) in damages {
        damage(&path);
        for kept in [&kept, &VexStore::in_home(home.path())] {
            for problem in [
                kept.documents().map(|_| ()).unwrap_err(),
                kept.show(&hash).map(|_| ()).unwrap_err(),
                kept.add(document("CVE-3").as_bytes(), UnixMillis::EPOCH)
                    .map(|_| ())
                    .unwrap_err(),
            ] {
                assert_eq!(problem.code, ErrorCode::VexUnreadable, "{how}");
                assert!(problem.detail.contains(&hash.to_string()), "{how}: {problem}");
            }
            // The others are listed, and the damaged one by its name, so that it can be removed.
            let list = kept.list().unwrap();
            assert_eq!((list.documents.len(), list.damaged.len()), (1, 1), "{how}");
            assert_eq!(list.damaged[0].hash, hash, "{how}");
            assert!(kept.matter().unwrap().contains(&hash.to_string()), "{how}");
        }
    }
    kept.remove(&hash).unwrap();
    let left = kept.list().unwrap().documents;
    assert_eq!((left.len(), kept.matter()), (1, None));
    assert_eq!(left[0].hash, other.hash);
    kept.add(text.as_bytes(), UnixMillis::EPOCH).unwrap();
    assert_eq!(kept.documents().unwrap().len(), 2);
}

#[test]
fn damaged_document_is_named_by_the_doctor() {
    let home = tempfile::tempdir().unwrap();
    let kept = VexStore::in_home(home.path());
    assert_eq!(kept.check(), None);
    let hash = kept
        .add(document("CVE-1").as_bytes(), UnixMillis::EPOCH)
        .unwrap()
        .hash;
    assert!(kept.check().is_some_and(|check| check.ok));
    fs::write(kept.path(&hash), b"").unwrap();
    let check = kept.check().unwrap();
    assert!(!check.ok);
    assert!(check.damaged[0].contains(&hash.to_string()), "{check:?}");
    assert!(check.damaged[0].contains("starling vex remove"), "{check:?}");
}

#[test]
fn document_with_a_wrong_name_is_reported() {
    let home = tempfile::tempdir().unwrap();
    let kept = VexStore::in_home(home.path());
    let hash = kept
        .add(document("CVE-1").as_bytes(), UnixMillis::EPOCH)
        .unwrap()
        .hash;
    let folder = home.path().join(FOLDER);
    // The rest of an interrupted write, and a note of the owner.
    fs::write(kept.path(&hash).with_extension("new"), b"{").unwrap();
    fs::write(folder.join("notes.txt"), b"not ours").unwrap();
    assert_eq!(kept.list().unwrap().documents.len(), 1);
    let upper = format!("{}.json", hex::encode_upper(hash.as_bytes()));
    for name in ["supplier.json", ".json", "00.json", upper.as_str()] {
        fs::write(folder.join(name), document("CVE-2")).unwrap();
        let problem = kept.documents().unwrap_err();
        assert!(problem.detail.contains(name), "{problem}");
        fs::remove_file(folder.join(name)).unwrap();
    }
    assert_eq!(kept.list().unwrap().documents.len(), 1);
}

#[test]
fn number_of_stored_documents_is_limited() {
    let home = tempfile::tempdir().unwrap();
    let kept = VexStore::in_home(home.path());
    fs::create_dir(home.path().join(FOLDER)).unwrap();
    let put = |text: &str| fs::write(kept.path(&hash_of_text(text)), text).unwrap();
    for number in 0..MAX_DOCUMENTS {
        put(&document(&format!("CVE-{number}")));
    }
    assert_eq!(kept.documents().unwrap().len(), MAX_DOCUMENTS);
    let refused = kept
        .add(document("CVE-X").as_bytes(), UnixMillis::EPOCH)
        .unwrap_err();
    assert!(refused.detail.contains("1000 documents"), "{refused}");
    put(&document("CVE-X"));
    let refused = kept.documents().unwrap_err();
    assert!(refused.detail.contains("1000 documents"), "{refused}");
}

#[test]
fn bytes_and_statements_of_documents_are_limited() {
    let home = tempfile::tempdir().unwrap();
    let kept = VexStore::in_home(home.path());
    let padded = |id: &str| {
        let text = document(id);
        format!("{text}{}", " ".repeat(MAX_VEX_BYTES - text.len()))
    };
    for number in 0..4 {
        kept.add(padded(&format!("CVE-{number}")).as_bytes(), UnixMillis::EPOCH)
            .unwrap();
    }
    let refused = kept
        .add(document("CVE-X").as_bytes(), UnixMillis::EPOCH)
        .unwrap_err();
    assert!(refused.detail.contains("bytes"), "{refused}");
    assert_eq!(over(MAX_DOCUMENTS, MAX_BYTES, MAX_STATEMENTS), None);
    let over = over(1, 1, MAX_STATEMENTS + 1);
    assert!(over.is_some_and(|over| over.contains("250001 statements")));
}

#[test]
fn replaced_document_is_never_seen_as_missing() {
    let home = tempfile::tempdir().unwrap();
    let (reader, writer) = (VexStore::in_home(home.path()), VexStore::in_home(home.path()));
    let mut kept = writer
        .add(document("CVE-0").as_bytes(), UnixMillis::EPOCH)
        .unwrap()
        .hash;
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reading = scope.spawn(|| {
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                let found = reader.documents().unwrap().len();
                assert!((1..=2).contains(&found), "{found} documents");
            }
        });
        for number in 1..100 {
            let text = document(&format!("CVE-{number}"));
            let next = writer.add(text.as_bytes(), UnixMillis::EPOCH).unwrap().hash;
            writer.remove(&kept).unwrap();
            kept = next;
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        reading.join().unwrap();
    });
}

/// A file that somebody put there by hand kept the whole list from being shown.
#[test]
fn foreign_file_is_named_beside_the_documents() {
    let home = tempfile::tempdir().unwrap();
    let kept = VexStore::in_home(home.path());
    let hash = kept
        .add(document("CVE-1").as_bytes(), UnixMillis::EPOCH)
        .unwrap()
        .hash;
    let path = home.path().join(FOLDER).join("mine.json");
    fs::write(&path, document("CVE-2")).unwrap();
    let list = kept.list().unwrap();
    assert_eq!((list.documents.len(), list.documents[0].hash), (1, hash));
    let [foreign] = &list.foreign[..] else {
        panic!("{list:?}");
    };
    assert_eq!(foreign.file, path.display().to_string());
    let check = kept.check().unwrap();
    assert!(!check.ok && check.damaged[0].contains("mine.json"), "{check:?}");
    assert!(kept.matter().unwrap().contains("mine.json"));
    // Whoever put it there may believe that it counts: no scan goes on without it.
    assert_eq!(kept.documents().unwrap_err().code, ErrorCode::VexUnreadable);
    fs::remove_file(&path).unwrap();
    assert_eq!((kept.matter(), kept.documents().unwrap().len()), (None, 1));
}

/// Every status read damaged documents again, and a doctor believed what was read before.
#[test]
fn only_a_doctor_reads_unchanged_documents_again() {
    let home = tempfile::tempdir().unwrap();
    let kept = VexStore::in_home(home.path());
    let hash = kept
        .add(document("CVE-1").as_bytes(), UnixMillis::EPOCH)
        .unwrap()
        .hash;
    fs::write(kept.path(&hash), "damaged").unwrap();
    assert!(kept.matter().is_some());
    let (found, remembered) = kept.lock().get(&hash).cloned().unwrap();
    assert!(remembered.is_err());
    // As if the bytes had changed under the same metadata.
    let whole = VexDocument::read(document("CVE-1").as_bytes()).unwrap();
    kept.lock().insert(hash, (found, Ok(whole)));
    assert_eq!(kept.matter(), None);
    assert!(!kept.check().unwrap().ok);
    assert!(kept.matter().is_some());
}
