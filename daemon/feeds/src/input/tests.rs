//! Every form of input gives the same documents; every cut, bomb and lie is an error that says so.

use std::io::{Cursor, Write};
use std::ops::ControlFlow;
use std::path::Path;

use proptest::prelude::*;

use super::{
    Document, Ending, Expectation, Found, InputError, InputErrorKind, Limits, NotARecord, Source, Unreadable,
    read,
};

/// The files of the sample tree, in the order of their names.
const FILES: [(&str, &str); 4] = [
    ("LICENSE", "free"),
    ("README.md", "# words"),
    ("advisories/a.json", r#"{"id":"A"}"#),
    ("advisories/b.yaml", "id: B\n"),
];

fn walk_limited(source: Source, limits: &Limits) -> (Vec<Found>, Result<Ending, InputError>) {
    let mut found = Vec::new();
    let ending = read(source, limits, &mut |one| {
        found.push(one);
        ControlFlow::Continue(())
    });
    (found, ending)
}

fn walk(source: Source) -> Vec<Found> {
    let (found, ending) = walk_limited(source, &Limits::default());
    assert_eq!(ending.expect("a good input"), Ending::Complete);
    found
}

fn bytes(name: &str, bytes: impl Into<Vec<u8>>) -> Source {
    Source::stream(name, Cursor::new(bytes.into()))
}

fn fault(source: Source) -> InputErrorKind {
    walk_limited(source, &Limits::default())
        .1
        .expect_err("a bad input")
        .kind
}

/// The sample tree as a walk shows it.
fn sample() -> Vec<Found> {
    let document = |name: &str, text: &str| {
        let bytes = text.as_bytes().to_vec();
        Found::Document(Document {
            name: name.to_owned(),
            bytes,
            expectation: Expectation::Stated,
        })
    };
    let ignored = |name: &str| Found::Ignored {
        name: name.to_owned(),
        reason: NotARecord::OtherKind,
    };
    vec![
        ignored("LICENSE"),
        ignored("README.md"),
        document("advisories/a.json", FILES[2].1),
        document("advisories/b.yaml", FILES[3].1),
    ]
}

fn tar_of(files: &[(&str, &str)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, text) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        builder
            .append_data(&mut header, name, text.as_bytes())
            .expect("in memory");
    }
    builder.into_inner().expect("in memory")
}

fn zip_of(files: &[(&str, &str)]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, text) in files {
        writer
            .start_file(*name, zip::write::SimpleFileOptions::default())
            .expect("in memory");
        writer.write_all(text.as_bytes()).expect("in memory");
    }
    writer.finish().expect("in memory").into_inner()
}

fn zstd_of(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = zstd::Encoder::new(Vec::new(), 3).expect("in memory");
    encoder.include_checksum(true).expect("in memory");
    encoder.write_all(bytes).expect("in memory");
    encoder.finish().expect("in memory")
}

fn gzip_of(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).expect("in memory");
    encoder.finish().expect("in memory")
}

fn write_tree(root: &Path, files: &[(&str, &str)]) {
    for (name, text) in files {
        let path = root.join(name);
        std::fs::create_dir_all(path.parent().expect("inside the root")).expect("a temporary folder");
        std::fs::File::create(path)
            .expect("a temporary folder")
            .write_all(text.as_bytes())
            .expect("a temporary folder");
    }
}

fn names(found: &[Found]) -> Vec<&str> {
    found
        .iter()
        .map(|found| match found {
            Found::Document(Document { name, .. })
            | Found::Ignored { name, .. }
            | Found::Rejected { name, .. } => name.as_str(),
        })
        .collect()
}

#[test]
fn every_form_of_one_tree_gives_the_same_documents() {
    let tar = tar_of(&FILES);
    let zip = zip_of(&FILES);
    // By content, whatever the name says.
    for (form, packed) in [
        ("tar", tar.clone()),
        ("tar.zst", zstd_of(&tar)),
        ("tar.gz", gzip_of(&tar)),
        (
            "tar.zst in two frames",
            [zstd_of(&tar[..700]), zstd_of(&tar[700..])].concat(),
        ),
        ("zip", zip.clone()),
    ] {
        assert_eq!(
            walk(bytes("input", packed.clone())),
            sample(),
            "{form} as a stream"
        );
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        file.as_file().write_all(&packed).expect("a temporary file");
        assert_eq!(walk(Source::path(file.path())), sample(), "{form} as a file");
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    write_tree(folder.path(), &FILES);
    assert_eq!(walk(Source::path(folder.path())), sample(), "folder");
}

#[test]
fn a_single_document_may_have_any_name_and_packing() {
    let document = r#"{"id":"A"}"#;
    for (name, packed, shown) in [
        ("-", document.as_bytes().to_vec(), "-"),
        ("a.txt", document.as_bytes().to_vec(), "a.txt"),
        ("a.json.zst", zstd_of(document.as_bytes()), "a.json"),
        ("a.json.gz", gzip_of(document.as_bytes()), "a.json"),
    ] {
        let expected = Document {
            name: shown.to_owned(),
            bytes: document.as_bytes().to_vec(),
            expectation: Expectation::Stated,
        };
        assert_eq!(walk(bytes(name, packed)), [Found::Document(expected)], "{name}");
    }
    assert_eq!(
        names(&walk(bytes("-", ""))),
        ["-"],
        "an empty input is a document that will be refused"
    );
}

#[test]
fn what_is_called_otherwise_is_looked_into_and_what_is_hidden_is_not() {
    let found = walk(bytes(
        "t",
        tar_of(&[
            (".git/x.json", "{}"),
            ("d/.hidden.json", "{}"),
            ("all.zip", "PK\x03\x04"),
            ("data", " \n{\"id\":\"A\"}"),
            ("empty.json", ""),
            ("index.tsv", "a\tb"),
            ("list.txt", "[1] see there"),
            ("UPPER.JSON", "{}"),
        ]),
    ));
    let kinds: Vec<_> = found
        .iter()
        .map(|found| match found {
            Found::Document(document) => Ok(document.expectation),
            Found::Ignored { reason, .. } => Err(*reason),
            Found::Rejected { .. } => panic!("nothing here is rejected"),
        })
        .collect();
    assert_eq!(
        kinds,
        [
            Err(NotARecord::Hidden),
            Err(NotARecord::Hidden),
            Err(NotARecord::NestedArchive),
            Ok(Expectation::Guessed),
            Ok(Expectation::Stated),
            Err(NotARecord::OtherKind),
            Ok(Expectation::Guessed),
            Ok(Expectation::Stated),
        ]
    );
}

#[cfg(unix)]
#[test]
fn links_are_not_followed_out_of_a_folder() {
    use std::os::unix::fs::symlink;
    let outside = tempfile::tempdir().expect("a temporary folder");
    write_tree(outside.path(), &[("secret.json", r#"{"id":"S"}"#)]);
    let folder = tempfile::tempdir().expect("a temporary folder");
    write_tree(folder.path(), &[("real/a.json", r#"{"id":"A"}"#)]);
    symlink(
        outside.path().join("secret.json"),
        folder.path().join("file.json"),
    )
    .expect("a link");
    symlink(outside.path(), folder.path().join("folder")).expect("a link");
    symlink(folder.path(), folder.path().join("loop")).expect("a link");
    symlink("real/a.json", folder.path().join("inside.json")).expect("a link");
    symlink("nowhere", folder.path().join("broken.json")).expect("a link");
    let found = walk(Source::path(folder.path()));
    assert_eq!(
        names(&found),
        [
            "broken.json",
            "file.json",
            "folder",
            "inside.json",
            "loop",
            "real/a.json"
        ]
    );
    let documents: Vec<_> = found
        .iter()
        .filter(|found| matches!(found, Found::Document(_)))
        .collect();
    assert_eq!(documents.len(), 2);
}

#[test]
fn many_records_in_one_document_are_shown_one_by_one() {
    let shown = |text: &str| -> Vec<(String, String)> {
        walk(bytes("d", text))
            .into_iter()
            .map(|found| match found {
                Found::Document(Document { name, bytes, .. }) => (
                    name,
                    String::from_utf8(bytes)
                        .expect("text")
                        .trim_start_matches('\u{FEFF}')
                        .trim()
                        .to_owned(),
                ),
                other => panic!("{other:?}"),
            })
            .collect()
    };
    let pair = |name: &str, text: &str| (name.to_owned(), text.to_owned());
    let two = |a: &str, b: &str| vec![pair(a, r#"{"id":"A"}"#), pair(b, r#"{"id":"B,]}"}"#)];
    assert_eq!(shown("{\"id\":\"A\"}\n{\"id\":\"B,]}\"}\n"), two("d:1", "d:2"));
    assert_eq!(
        shown("\u{FEFF}{\"id\":\"A\"}\r\n\r\n{\"id\":\"B,]}\"}"),
        two("d:1", "d:3")
    );
    assert_eq!(
        shown("[ {\"id\":\"A\"} , {\"id\":\"B,]}\"} ]\n"),
        two("d#/0", "d#/1")
    );
    assert_eq!(
        shown("{ \"vulns\" : [{\"id\":\"A\"},{\"id\":\"B,]}\"}], \"x\":1}"),
        two("d#/vulns/0", "d#/vulns/1")
    );
    assert_eq!(shown("[]"), [pair("d", "[]")]);
    assert_eq!(
        shown("[1,,\"a\\\"]\"]"),
        [pair("d#/0", "1"), pair("d#/1", ""), pair("d#/2", "\"a\\\"]\"")]
    );
    let pretty = "{\n  \"id\": \"A\"\n}";
    assert_eq!(shown(pretty), [pair("d", pretty)]);
    // A bad line does not spoil the next.
    assert_eq!(
        shown("{\"id\":\"A\"}\n{\"id\":\n{}\n"),
        [
            pair("d:1", r#"{"id":"A"}"#),
            pair("d:2", r#"{"id":"#),
            pair("d:3", "{}")
        ]
    );
}

#[test]
fn documents_longer_than_a_record_are_split_or_rejected_and_the_walk_goes_on() {
    let limits = Limits {
        max_record_bytes: 64,
        ..Limits::default()
    };
    let long = format!(r#"{{"id":"{}"}}"#, "x".repeat(100));
    let short = r#"{"id":"A"}"#;
    let many = |separator: &str| [short; 20].join(separator);
    let too_large = |name: &str| Found::Rejected {
        name: name.to_owned(),
        reason: Unreadable::TooLarge { limit: 64 },
    };
    for (text, count, refused) in [
        (long.clone(), 1, "d"),
        (format!("{short}\n{long}\n{}", many("\n")), 22, "d:2"),
        (format!("[{short},{long},{}]", many(",")), 22, "d#/1"),
        (
            format!("{{\"vulns\":[{short},{long},{}]}}", many(",")),
            22,
            "d#/vulns/1",
        ),
    ] {
        let (found, ending) = walk_limited(bytes("d", text), &limits);
        assert_eq!(ending.expect("a good input"), Ending::Complete);
        assert_eq!(found.len(), count);
        assert!(found.contains(&too_large(refused)), "{refused}");
    }
    let (found, ending) = walk_limited(
        bytes("t", tar_of(&[("a.json", &long), ("b.json", short)])),
        &limits,
    );
    assert_eq!(ending.expect("a good input"), Ending::Complete);
    assert_eq!(names(&found), ["a.json", "b.json"]);
    assert_eq!(found[0], too_large("a.json"));
}

#[test]
fn an_archive_cut_anywhere_is_truncated_and_what_was_whole_is_shown() {
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
        // Shorter pieces are not known as an archive, and become a document that is refused.
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
fn lists_and_lines_cut_anywhere_are_truncated() {
    for text in [
        r#"[{"id":"A"},{"id":"B"}]"#,
        r#"{"vulns":[{"id":"A"},{"id":"B"}],"n":{}}"#,
    ] {
        for length in 12..text.len() {
            // Cut behind the answer's list, the brackets of the rest may still be in balance.
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
fn damage_is_named() {
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
fn bombs_are_refused_before_they_are_held() {
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
    // The member before the real one carries its long name: here, 8 MiB of it.
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
fn totals_are_bounded() {
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
fn an_error_says_where_and_how_far() {
    let tar = tar_of(&FILES);
    let (_, ending) = walk_limited(bytes("feed.tar", &tar[..512 * 5 + 3]), &Limits::default());
    let text = ending.expect_err("cut").to_string();
    assert_eq!(
        text,
        "reading advisories/a.json: it is cut off: the end is missing; fetch it again (until there: 2 items, 2563 bytes)"
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
    fn damaged_archives_never_panic_and_show_nothing_past_their_fault(
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
            // zstd's checksum covers every content byte.
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
