//! Documents of other kinds than OSV: among the files of an input, compressed separately, longer than a record.

use std::ops::ControlFlow;

use super::super::{Found, Limits, Source, Unreadable, read_as};
use super::{bytes, gzip_of, zstd_of};
use crate::connectors::Kind;

const TABLE: &str = "cve,epss\nCVE-2030-0001,0.5\n";
const CATALOGUE: &str = r#"{"catalogVersion":"1","vulnerabilities":[]}"#;
const NOTICES: &str = "<updates><update><id>ALSA-2030:1</id></update></updates>";

/// Returns the result of each file: its kind, or why it was ignored or rejected.
fn shown(kind: Option<&str>, source: Source, limits: &Limits) -> Vec<String> {
    let kind = kind.map(|name| name.parse::<Kind>().expect("a kind"));
    let mut lines = Vec::new();
    let ending = read_as(kind, source, limits, &mut |found| {
        lines.push(match found {
            Found::Document(document) => format!("{}: {}", document.name, document.kind),
            Found::Ignored { name, reason } => format!("{name}: {reason}"),
            Found::Rejected { name, reason } => format!("{name}! {reason}"),
        });
        ControlFlow::Continue(())
    });
    if let Err(error) = ending {
        lines.push(error.kind.to_string());
    }
    lines
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let mut torn = gzip_of(TABLE.as_bytes());
    let middle = torn.len() / 2;
    torn.truncate(middle);
    for (name, content) in [
        ("catalogue.json", CATALOGUE.as_bytes().to_vec()),
        ("notices.xml", NOTICES.as_bytes().to_vec()),
        ("notices.xml.zst", zstd_of(NOTICES.as_bytes())),
        ("osv.json", br#"{"id":"X"}"#.to_vec()),
        ("other.xml", b"<other/>".to_vec()),
        ("packed.bz2", b"BZh91AY&SY...".to_vec()),
        ("scores.csv.gz", gzip_of(TABLE.as_bytes())),
        ("torn.csv.gz", torn),
        ("words.txt", b"words".to_vec()),
    ] {
        write(&folder, name, &content);
    }
    folder
}

fn write(folder: &tempfile::TempDir, name: &str, content: &[u8]) {
    std::io::Write::write_all(
        &mut std::fs::OpenOptions::new()
            .create_new(true)
            .write(true)
            .open(folder.path().join(name))
            .expect("a file"),
        content,
    )
    .expect("written");
}

#[test]
fn kind_of_each_document_in_a_folder_is_detected() {
    let folder = folder();
    assert_eq!(
        shown(None, Source::path(folder.path()), &Limits::default()),
        [
            "catalogue.json: kev",
            "notices.xml: almalinux",
            "notices.xml: almalinux",
            "osv.json: osv",
            "other.xml: neither JSON nor YAML, nor a document of another known kind",
            "packed.bz2: packed as bzip2, which is not supported; unpack it first",
            "scores.csv: epss",
            "torn.csv.gz! it cannot be read (incomplete deflate stream)",
            "words.txt: neither JSON nor YAML, nor a document of another known kind",
        ]
    );
}

#[test]
fn requested_kind_ignores_other_documents() {
    let folder = folder();
    let lines = shown(Some("kev"), Source::path(folder.path()), &Limits::default());
    assert_eq!(lines[0], "catalogue.json: kev");
    assert_eq!(lines[1], "notices.xml: not a document of the kind kev");
    assert_eq!(
        lines[3], "osv.json: kev",
        "it is called JSON, so the connector says what is wrong"
    );
    let lines = shown(Some("osv"), Source::path(folder.path()), &Limits::default());
    assert_eq!(lines[0], "catalogue.json: osv");
}

#[test]
fn given_document_of_unknown_kind_is_reported() {
    for (name, content, line) in [
        (
            "x",
            "<other/>",
            "x! unknown kind of XML document: if you know its kind, state it with --kind",
        ),
        ("x", TABLE, "x: epss"),
        ("x.json", CATALOGUE, "x.json: kev"),
    ] {
        assert_eq!(shown(None, bytes(name, content), &Limits::default()), [line]);
    }
    assert_eq!(
        shown(None, bytes("x.bz2", "BZh91AY&SY..."), &Limits::default()),
        ["it is bzip2, which is not supported; unpack it first"]
    );
}

#[test]
fn lines_of_a_kind_are_documents_of_it() {
    let (first, second) = (CATALOGUE.trim_end(), CATALOGUE.replace('\n', " "));
    assert!(!first.contains('\n'), "a line");
    let lines = format!("{first}\n\n{second}\n");
    for kind in [None, Some("kev")] {
        assert_eq!(
            shown(kind, bytes("x.ndjson", lines.as_str()), &Limits::default()),
            ["x.ndjson:1: kev", "x.ndjson:3: kev"]
        );
    }
    let limits = Limits {
        max_document_bytes: first.len() - 1,
        ..Limits::default()
    };
    let too_large = Unreadable::TooLarge {
        limit: first.len() - 1,
    };
    assert_eq!(
        shown(None, bytes("x.ndjson", lines.as_str()), &limits)[0],
        format!("x.ndjson:1! {too_large}")
    );
}

#[test]
fn bundle_is_refused_as_a_feed() {
    // A skippable frame with the seal, then a frame whose lines would read as records.
    let mut bundle = vec![0x51, 0x2A, 0x4D, 0x18, 4, 0, 0, 0];
    bundle.extend_from_slice(b"STSL");
    bundle.extend(zstd_of(b"{\"id\":\"A-1\"}"));
    let told = shown(None, bytes("delta.stl", bundle), &Limits::default());
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told[0].contains("take it in with `starling bundle import`"),
        "{told:?}"
    );
}

#[test]
fn other_kinds_have_their_own_length_limit() {
    let limits = Limits {
        max_record_bytes: 16,
        max_document_bytes: CATALOGUE.len(),
        ..Limits::default()
    };
    let unknown = Unreadable::TooLarge { limit: 16 };
    assert_eq!(
        shown(None, bytes("x", CATALOGUE), &limits),
        [format!("x! {unknown}")],
        "its beginning tells too little"
    );
    let limits = Limits {
        max_record_bytes: 40,
        ..limits
    };
    assert_eq!(shown(None, bytes("x", CATALOGUE), &limits), ["x: kev"]);
    let longer = format!("{CATALOGUE} ");
    let too_large = Unreadable::TooLarge {
        limit: CATALOGUE.len(),
    };
    assert_eq!(
        shown(None, bytes("x", longer), &limits),
        [format!("x! {too_large}")]
    );
}

#[test]
fn document_in_utf_16_is_read_as_its_text() {
    let wide = |text: &str, is_little: bool| -> Vec<u8> {
        let units = std::iter::once(0xFEFF).chain(text.encode_utf16());
        units
            .flat_map(|unit: u16| {
                if is_little {
                    unit.to_le_bytes()
                } else {
                    unit.to_be_bytes()
                }
            })
            .collect()
    };
    let folder = tempfile::tempdir().expect("a folder");
    let mut cut = wide(NOTICES, true);
    cut.pop();
    for (name, content) in [
        (".hidden.xml", wide(NOTICES, true)),
        ("catalogue.json", wide(CATALOGUE, true)),
        ("cut.xml", cut),
        ("notices.xml", wide(NOTICES, false)),
        ("notices.xml.gz", gzip_of(&wide(NOTICES, true))),
        ("osv.json", wide(r#"{"id":"X"}"#, true)),
        ("picture", vec![0xFF, 0xD8, 0]),
        ("words", wide("words", true)),
    ] {
        write(&folder, name, &content);
    }
    let lines = shown(None, Source::path(folder.path()), &Limits::default());
    assert_eq!(
        lines,
        [
            ".hidden.xml: hidden",
            "catalogue.json: kev",
            "cut.xml! it cannot be read (it begins as UTF-16, and is not)",
            "notices.xml: almalinux",
            "notices.xml: almalinux",
            "osv.json: osv",
            "picture: neither JSON nor YAML, nor a document of another known kind",
            "words: neither JSON nor YAML, nor a document of another known kind",
        ]
    );
    let alone = shown(
        None,
        Source::path(folder.path().join("notices.xml")),
        &Limits::default(),
    );
    assert_eq!(alone, ["notices.xml: almalinux"]);
    let stated = shown(
        Some("kev"),
        Source::path(folder.path().join("catalogue.json")),
        &Limits::default(),
    );
    assert_eq!(stated, ["catalogue.json: kev"]);
}
