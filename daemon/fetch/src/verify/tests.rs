use super::*;

fn checked(form: Form, content: &[u8]) -> Result<Checked, Fault> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("document");
    std::fs::write(&path, content).expect("written");
    check(&Job {
        path,
        form,
        encoding: None,
        content_type: None,
        max_unpacked_bytes: 1 << 20,
        max_written_bytes: 1 << 20,
        stop: CancellationToken::new(),
    })
}

#[test]
fn no_form_panics_on_any_beginning() {
    let beginnings: [&[u8]; 12] = [
        b"",
        b" ",
        b"\xEF\xBB\xBF",
        b"PK",
        b"PK\x03\x04",
        b"PK\x05\x06",
        b"\x1F\x8B",
        b"\x28\xB5\x2F\xFD",
        b"BZh9",
        b"\xFD7zXZ\0",
        b"{",
        b"<",
    ];
    let forms = [
        Form::Json,
        Form::Xml,
        Form::Text,
        Form::Html,
        Form::Gzip,
        Form::Bzip2,
        Form::Zip,
        Form::Tar,
        Form::Any,
    ];
    for beginning in beginnings {
        for form in forms {
            let taken = checked(form, beginning).is_ok();
            // A text may begin with anything: everything without a known form is a text.
            let may_be_taken =
                matches!(form, Form::Text | Form::Html) || (form == Form::Any && beginning == b"PK");
            assert!(!taken || may_be_taken, "{form:?} takes {beginning:?}");
        }
    }
}

#[test]
fn lines_of_json_are_whole() {
    assert!(checked(Form::Json, b"{\"a\":1}\n{\"b\":2}\n").is_ok());
    assert!(matches!(
        checked(Form::Json, b"{\"a\":1}\n{\"b\":"),
        Err(Fault::Truncated(_))
    ));
    assert!(checked(Form::Json, b"\xEF\xBB\xBF{}").is_ok());
}

#[test]
fn xz_is_reported_as_unsupported() {
    let fault = checked(Form::Any, b"\xFD7zXZ\0rest").expect_err("xz");
    assert!(
        matches!(&fault, Fault::Unexpected { found, .. } if found.contains("xz")),
        "{fault:?}"
    );
}

#[test]
fn hash_is_that_of_the_file() {
    let whole = checked(Form::Json, b"{}").expect("a document");
    assert_eq!(whole.hash, blake3::hash(b"{}").to_hex().to_string());
    assert_eq!(whole.bytes, 2);
}

#[test]
fn stopped_work_ends_early() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("document");
    std::fs::write(&path, zstd::encode_all(&b"text"[..], 1).expect("in memory")).expect("written");
    let stop = CancellationToken::new();
    stop.cancel();
    let fault = check(&Job {
        path,
        form: Form::Any,
        encoding: None,
        content_type: None,
        max_unpacked_bytes: 1 << 20,
        max_written_bytes: 1 << 20,
        stop,
    });
    assert!(matches!(fault, Err(Fault::Stopped)), "{fault:?}");
}

fn tar_of(name: &str, content: &[u8]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(content.len() as u64);
    header.set_mode(0o644);
    builder
        .append_data(&mut header, name, content)
        .expect("in memory");
    builder.into_inner().expect("in memory")
}

#[test]
fn zip_with_more_members_than_its_end_record_is_refused() {
    let mut writer = ::zip::ZipWriter::new(io::Cursor::new(Vec::new()));
    for name in ["a.json", "b.json"] {
        let options = ::zip::write::SimpleFileOptions::default();
        writer.start_file(name, options).expect("in memory");
    }
    let mut zip = writer.finish().expect("in memory").into_inner();
    assert!(checked(Form::Zip, &zip).is_ok());
    let end = zip.len() - 22;
    (zip[end + 8], zip[end + 10]) = (1, 1);
    let fault = checked(Form::Zip, &zip).err();
    assert!(matches!(fault, Some(Fault::Damaged(_))), "{fault:?}");
}

#[test]
fn archive_cut_anywhere_is_not_taken() {
    use std::io::Write;
    let tar = tar_of("a.json", br#"{"id":"A"}"#);
    let mut zip = ::zip::ZipWriter::new(io::Cursor::new(Vec::new()));
    zip.start_file("a.json", ::zip::write::SimpleFileOptions::default())
        .expect("in memory");
    zip.write_all(br#"{"id":"A"}"#).expect("in memory");
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    gzip.write_all(&tar).expect("in memory");
    let mut bzip2 = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::best());
    bzip2.write_all(&tar).expect("in memory");
    for (form, whole) in [
        (Form::Zip, zip.finish().expect("in memory").into_inner()),
        (Form::Tar, gzip.finish().expect("in memory")),
        (Form::Tar, zstd::encode_all(&tar[..], 1).expect("in memory")),
        (Form::Tar, bzip2.finish().expect("in memory")),
    ] {
        assert!(checked(form, &whole).is_ok(), "{form:?}");
        for cut in 0..whole.len() {
            let fault = checked(form, &whole[..cut]).err();
            assert!(
                matches!(
                    fault,
                    Some(Fault::Truncated(_) | Fault::Damaged(_) | Fault::Unexpected { .. })
                ),
                "{form:?} cut at {cut} of {}: {fault:?}",
                whole.len()
            );
        }
    }
}
