//! Every form of an input gives the same documents. Contains the sample inputs of both test files.

mod faults;
mod kinds;

use std::io::{Cursor, Write};
use std::ops::ControlFlow;
use std::path::Path;

use proptest::prelude::*;

use super::{
    Document, Ending, Expectation, Found, InputError, InputErrorKind, Limits, NotARecord, Source, Unreadable,
    read,
};
use crate::connectors::Kind;

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

/// Returns the expected result of a walk over the sample tree.
fn sample() -> Vec<Found> {
    let document = |name: &str, text: &str| {
        let bytes = text.as_bytes().to_vec();
        Found::Document(Document {
            name: name.to_owned(),
            bytes,
            expectation: Expectation::Stated,
            kind: Kind::OSV,
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
        write_file(&root.join(name), text.as_bytes());
    }
}

fn write_file(path: &Path, content: &[u8]) {
    std::fs::create_dir_all(path.parent().expect("inside the root")).expect("a temporary folder");
    std::fs::File::create(path)
        .expect("a temporary folder")
        .write_all(content)
        .expect("a temporary folder");
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
fn archives_in_a_folder_are_read_below_their_names() {
    let folder = tempfile::tempdir().expect("a folder");
    let one = [("a.json", r#"{"id":"A"}"#), ("sub/b.json", r#"{"id":"B"}"#)];
    for (name, content) in [
        ("1.zip", zip_of(&one)),
        ("2.tar", tar_of(&one)),
        ("3.tar.gz", gzip_of(&tar_of(&one))),
        ("4.tar.zst", zstd_of(&tar_of(&one))),
        ("5.json.gz", gzip_of(br#"{"id":"C"}"#)),
        ("6.json", br#"{"id":"D"}"#.to_vec()),
    ] {
        write_file(&folder.path().join(name), &content);
    }
    let names: Vec<String> = walk(Source::path(folder.path()))
        .into_iter()
        .map(|found| match found {
            Found::Document(document) => document.name,
            other => panic!("{other:?}"),
        })
        .collect();
    let expected = [
        "1/a.json",
        "1/sub/b.json",
        "2/a.json",
        "2/sub/b.json",
        "3/a.json",
        "3/sub/b.json",
        "4/a.json",
        "4/sub/b.json",
        "5.json",
        "6.json",
    ];
    assert_eq!(names, expected);
}

#[test]
fn torn_archive_in_a_folder_ends_the_walk() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut torn = zip_of(&FILES);
    torn.truncate(torn.len() - 10);
    write_file(&folder.path().join("1.zip"), &torn);
    let kind = fault(Source::path(folder.path()));
    assert!(matches!(kind, InputErrorKind::Truncated), "{kind:?}");
}

/// A page of HTML named as an archive, in a folder of tools or of documentation, refused all of the input.
#[test]
fn file_named_like_an_archive_is_rejected_if_it_is_not_one() {
    for (name, content, what) in [
        ("1.zip", &b""[..], "is empty"),
        ("1.ZIP", b"<html>503</html>", "a page of HTML"),
        ("1.tar.zst", &[0; 64], "of another form"),
        ("1.tar", b"BZh91AY&SY", "packed as bzip2"),
        ("docs/page.zip", b"<html>404</html>", "a page of HTML"),
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        write_tree(folder.path(), &FILES);
        let file = folder.path().join(name);
        std::fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
        write_file(&file, content);
        let mut told = Vec::new();
        let found = walk(Source::path(folder.path()));
        let others = found.into_iter().filter(|one| match one {
            Found::Rejected { name, reason } => {
                told.push(format!("{name}: {reason}"));
                false
            }
            _ => true,
        });
        assert_eq!(others.collect::<Vec<_>>(), sample(), "{name}");
        assert_eq!(told.len(), 1, "{name}");
        assert!(
            told[0].starts_with(name) && told[0].contains("named as an archive") && told[0].contains(what),
            "{told:?}"
        );
    }
}

/// A device without an end was read for ever, and a pipe was waited for.
#[test]
fn input_without_an_end_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let pipe = folder.path().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.expect("mkfifo").success());
    let socket = folder.path().join("socket");
    let _socket = std::os::unix::net::UnixListener::bind(&socket).expect("a socket");
    for (path, what) in [
        (Path::new("/dev/zero"), "a device"),
        (Path::new("/dev/urandom"), "a device"),
        (&pipe, "a pipe"),
        (&socket, "a socket"),
    ] {
        let kind = fault(Source::path(path));
        assert!(
            matches!(kind, InputErrorKind::NotAFile { what: told } if told == what),
            "{kind:?}"
        );
    }
}

#[test]
fn unopened_files_may_contain_records() {
    use NotARecord::*;
    assert!(OtherPacking("xz").may_hold_records("a.json.xz"));
    assert!(NestedArchive.may_hold_records("a.zip"));
    assert!(Link.may_hold_records("a.JSON") && Special.may_hold_records("b/a.yaml"));
    assert!(!Link.may_hold_records("README") && !Special.may_hold_records("socket"));
    assert!(!Hidden.may_hold_records(".a.json") && !OtherKind.may_hold_records("LICENSE"));
}

#[test]
fn every_form_of_one_tree_gives_the_same_documents() {
    let tar = tar_of(&FILES);
    let zip = zip_of(&FILES);
    // Detected from the content, for any name.
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
            kind: Kind::OSV,
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
fn other_names_are_examined_but_hidden_files_are_not() {
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
fn records_of_one_document_are_passed_on_one_by_one() {
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
    // A bad line does not affect the next one.
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
fn too_long_documents_are_split_or_rejected() {
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
