//! Every truncation, bomb and false length is an error that says so, and nothing after it is passed on.

use super::*;

#[test]
fn truncated_archive_gives_its_complete_files() {
    let tar = tar_of(&FILES);
    // The end mark is two empty blocks; one is enough to know that nothing is missing.
    let content_bytes = tar
        .iter()
        .rposition(|&byte| byte != 0)
        .expect("not empty")
        .next_multiple_of(512);
    for (form, packed, whole) in [
        ("tar", tar.clone(), content_bytes + 512),
        ("tar.zst", zstd_of(&tar), zstd_of(&tar).len()),
        ("tar.gz", gzip_of(&tar), gzip_of(&tar).len()),
        ("zip", zip_of(&FILES), zip_of(&FILES).len()),
    ] {
        // Shorter pieces are not detected as an archive, and become a document that is rejected.
        for length in 512.min(whole - 1)..whole {
            if form != "tar" && length < 20 {
                continue;
            }
            let (found, ending) = walk_limited(bytes("input", &packed[..length]), &Limits::default());
            let error = ending.expect_err(form);
            assert!(error.is_truncated(), "{form} cut at {length}: {error}");
            assert!(
                sample().starts_with(&found),
                "{form} cut at {length} showed {found:?}"
            );
            assert_eq!(usize::try_from(error.progress.items), Ok(found.len()));
        }
    }
}

#[test]
fn truncated_lists_and_lines_are_errors() {
    for text in [
        r#"[{"id":"A"},{"id":"B"}]"#,
        r#"{"vulns":[{"id":"A"},{"id":"B"}],"n":{}}"#,
    ] {
        for length in 12..text.len() {
            // If it is cut after the answer's list, the remaining brackets may still be balanced.
            let kind = fault(bytes("d", &text[..length]));
            assert!(
                matches!(kind, InputErrorKind::Truncated),
                "{} gave {kind}",
                &text[..length]
            );
        }
    }
    let lines = "{\"id\":\"A\"}\n{\"id\":\"B\"}";
    for length in 12..lines.len() {
        assert!(matches!(
            fault(bytes("d", &lines[..length])),
            InputErrorKind::Truncated
        ));
    }
}

#[test]
fn damage_is_reported() {
    let tar = tar_of(&FILES);
    let mut packed = zstd_of(&tar);
    let middle = packed.len() / 2;
    packed[middle] ^= 0x55;
    assert!(matches!(
        fault(bytes("t", packed)),
        InputErrorKind::Damaged { .. }
    ));
    let mut broken_header = tar;
    broken_header[512 * 2 + 20] ^= 1;
    assert!(matches!(
        fault(bytes("t", broken_header)),
        InputErrorKind::Damaged { .. }
    ));
    assert!(matches!(
        fault(bytes("t", [zstd_of(b"{}"), b"more".to_vec()].concat())),
        InputErrorKind::Damaged { .. }
    ));
    assert!(matches!(
        fault(bytes("d", "[1] [2]")),
        InputErrorKind::Damaged { .. }
    ));
    assert!(matches!(fault(bytes("d", "[1}")), InputErrorKind::Damaged { .. }));
    assert!(matches!(
        fault(bytes("t", zstd_of(&zstd_of(b"{}")))),
        InputErrorKind::Unsupported { .. }
    ));
    let missing = Source::path("no/such/path");
    assert!(matches!(fault(missing), InputErrorKind::Open(_)));
}

#[test]
fn a_zip_member_whose_checksum_is_wrong_is_damage() {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let stored = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    writer.start_file("a.json", stored).expect("in memory");
    writer
        .write_all(br#"{"id":"A-unmistakable"}"#)
        .expect("in memory");
    let mut packed = writer.finish().expect("in memory").into_inner();
    let at = packed
        .windows(8)
        .position(|window| window == b"unmistak")
        .expect("stored as it is");
    packed[at] ^= 1;
    assert!(matches!(
        fault(bytes("z", packed)),
        InputErrorKind::Damaged { .. }
    ));
}

#[test]
fn zip_with_more_members_than_its_end_record_is_damaged() {
    let mut packed = zip_of(&[("a.json", r#"{"id":"A"}"#), ("b.json", r#"{"id":"B"}"#)]);
    let end = packed.len() - 22;
    for at in [end + 8, end + 10] {
        assert_eq!(packed[at], 2, "the count of members");
        packed[at] = 1;
    }
    assert!(matches!(
        fault(bytes("z", packed)),
        InputErrorKind::Damaged { .. }
    ));
}

#[test]
fn bombs_are_refused_before_they_fill_memory() {
    let limits = Limits {
        ratio_free_bytes: 256 << 10,
        ..Limits::default()
    };
    let zeros = vec![b' '; 7 << 20];
    let text = String::from_utf8(zeros.clone()).expect("spaces");
    for (form, packed) in [
        ("zst", zstd_of(&zeros)),
        ("gz", gzip_of(&zeros)),
        ("zip", zip_of(&[("a.json", &text)])),
        ("tar.zst", zstd_of(&tar_of(&[("a.json", &text)]))),
    ] {
        let (found, ending) = walk_limited(bytes("bomb", packed), &limits);
        let error = ending.expect_err(form);
        assert!(
            matches!(error.kind, InputErrorKind::Bomb { .. }),
            "{form}: {error}"
        );
        assert!(
            error.progress.bytes < 6 << 20,
            "{form} went on for {} bytes",
            error.progress.bytes
        );
        assert_eq!(found, [], "{form}");
    }
}

#[test]
fn endless_names_in_a_tar_are_refused() {
    // The member before the real one contains its long name: here, 8 MiB of it.
    let mut builder = tar::Builder::new(Vec::new());
    let name = vec![b'n'; 8 << 20];
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::GNULongName);
    header.set_size(name.len() as u64);
    builder
        .append_data(&mut header, "././@LongLink", name.as_slice())
        .expect("in memory");
    let packed = builder.into_inner().expect("in memory");
    assert!(matches!(
        fault(bytes("t", packed)),
        InputErrorKind::Headers { .. }
    ));
}

#[test]
fn totals_are_limited() {
    let limits = Limits {
        max_total_bytes: 2_000,
        ..Limits::default()
    };
    for packed in [
        tar_of(&FILES),
        zstd_of(&tar_of(&FILES)),
        format!("[{}1]", "1,".repeat(2_000)).into_bytes(),
    ] {
        let error = walk_limited(bytes("t", packed), &limits)
            .1
            .expect_err("too large");
        assert!(
            matches!(error.kind, InputErrorKind::TooLarge { limit: 2_000 }),
            "{error}"
        );
    }
    let limits = Limits {
        max_items: 3,
        ..Limits::default()
    };
    let (found, ending) = walk_limited(bytes("t", tar_of(&FILES)), &limits);
    assert!(matches!(
        ending.expect_err("too many").kind,
        InputErrorKind::TooMany { limit: 3 }
    ));
    assert_eq!(found.len(), 3);
}

#[test]
fn the_visitor_can_stop_a_walk() {
    let mut seen = 0;
    let ending = read(bytes("t", tar_of(&FILES)), &Limits::default(), &mut |_| {
        seen += 1;
        if seen == 2 {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    });
    assert_eq!((ending.expect("a good input"), seen), (Ending::Stopped, 2));
}

#[test]
fn error_contains_place_and_progress() {
    let tar = tar_of(&FILES);
    let (_, ending) = walk_limited(bytes("feed.tar", &tar[..512 * 5 + 3]), &Limits::default());
    let text = ending.expect_err("cut").to_string();
    assert_eq!(
        text,
        "reading advisories/a.json: it is truncated: the end is missing. Fetch it again (until there: 2 items, 2563 bytes)"
    );
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(
        magic in proptest::sample::select(vec![
            &b""[..], b"PK\x03\x04", b"\x28\xB5\x2F\xFD", b"\x1F\x8B\x08", b"[{", b"{\"vulns\":[", b"{}\n{",
        ]),
        rest in proptest::collection::vec(any::<u8>(), 0..600),
    ) {
        let _ = walk_limited(bytes("x", [magic, &rest].concat()), &Limits::default());
    }

    #[test]
    fn damaged_archives_never_panic_or_read_past_the_fault(
        form in 0usize..4,
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let tar = tar_of(&FILES);
        let mut packed = match form {
            0 => tar,
            1 => zstd_of(&tar),
            2 => gzip_of(&tar),
            _ => zip_of(&FILES),
        };
        let frame_header = packed[..8].to_vec();
        for (at, byte) in changes {
            let at = at.index(packed.len());
            packed[at] = byte;
        }
        let is_same_frame = packed.starts_with(&frame_header);
        let (found, ending) = walk_limited(bytes("x", packed), &Limits::default());
        if form == 1 && is_same_frame && ending.is_ok() {
            // zstd's checksum covers all content bytes.
            prop_assert_eq!(found, sample());
        }
    }

    #[test]
    fn splitting_does_not_depend_on_the_size_of_the_document(
        items in proptest::collection::vec("\\{\"id\":\"[A-Z,\\]}{]{1,8}\"\\}", 2..12),
        limit in 20usize..200,
    ) {
        let limits = Limits { max_record_bytes: limit, ..Limits::default() };
        for (text, name) in [(items.join("\n"), "d:"), (format!("[{}]", items.join(",")), "d#/")] {
            let (found, ending) = walk_limited(bytes("d", text), &limits);
            prop_assert_eq!(ending.expect("a good input"), Ending::Complete);
            let shown: Vec<_> = found.into_iter().map(|found| match found {
                Found::Document(document) => {
                    assert!(document.name.starts_with(name));
                    String::from_utf8(document.bytes).expect("text")
                }
                other => panic!("{other:?}"),
            }).collect();
            prop_assert_eq!(&shown, &items);
        }
    }
}
