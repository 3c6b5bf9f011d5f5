//! Checks text documents: JSON, XML, and HTML pages in place of a document.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::{Fault, open};
use crate::names::shorten;
use crate::plan::Form;

/// The name of a JSON document in messages.
pub(crate) const JSON: &str = "a JSON document";

fn expected(form: Form) -> &'static str {
    match form {
        Form::Json => JSON,
        Form::Xml => "an XML document",
        Form::Text | Form::TextOrEmpty => "a text file",
        Form::Html => "a page",
        Form::Gzip => "a gzip file",
        Form::Bzip2 => "a bzip2 file",
        Form::Zip => "a zip archive",
        Form::Tar => "a tar archive",
        Form::Any => "a document or an archive",
    }
}

/// Returns the error for a document of another form.
pub(super) fn not_of(form: Form, head: &[u8]) -> Fault {
    let found = match first_byte(head) {
        None => return Fault::Truncated("it is empty".to_owned()),
        Some(b'<') if is_html(head) => "an HTML page".to_owned(),
        Some(b'<') => "an XML document".to_owned(),
        Some(b'{' | b'[') => "JSON".to_owned(),
        Some(_) => {
            let text = String::from_utf8_lossy(&head[..head.len().min(40)]);
            format!("{:?}", shorten(&text))
        }
    };
    Fault::Unexpected {
        expected: expected(form),
        found,
    }
}

/// Returns the first byte that is not white space or a byte order mark.
pub(super) fn first_byte(head: &[u8]) -> Option<u8> {
    body(head).first().copied()
}

fn body(head: &[u8]) -> &[u8] {
    head.strip_prefix(b"\xEF\xBB\xBF")
        .unwrap_or(head)
        .trim_ascii_start()
}

fn is_html(head: &[u8]) -> bool {
    let start = body(head);
    let begins = |word: &str| {
        start
            .get(..word.len())
            .is_some_and(|begin| begin.eq_ignore_ascii_case(word.as_bytes()))
    };
    let text = String::from_utf8_lossy(start).to_ascii_lowercase();
    begins("<!doctype html") || begins("<html") || (text.starts_with('<') && text.contains("<html"))
}

/// Refuses an HTML page that a server sends with a success status: a login page, or a notice of a proxy.
pub(super) fn refuse_html(head: &[u8], content_type: Option<&str>, form: Form) -> Result<(), Fault> {
    let is_called_html = content_type.is_some_and(|text| text.to_ascii_lowercase().starts_with("text/html"));
    // Some servers label every text as HTML; then the beginning of the text decides.
    let looks_like_html = is_html(head) || (is_called_html && first_byte(head) == Some(b'<'));
    match looks_like_html {
        true => Err(Fault::Unexpected {
            expected: expected(form),
            found: "an HTML page".to_owned(),
        }),
        false => Ok(()),
    }
}

/// Checks that a JSON text has its end. Other faults are left to the import, with a note.
pub(super) fn json(path: &Path, head: &[u8]) -> Result<Option<String>, Fault> {
    if !matches!(first_byte(head), Some(b'{' | b'[')) {
        return Err(not_of(Form::Json, head));
    }
    let mut reader = BufReader::with_capacity(256 << 10, open(path)?);
    if head.starts_with(b"\xEF\xBB\xBF") {
        reader.seek(SeekFrom::Start(3))?;
    }
    let mut texts = serde_json::Deserializer::from_reader(reader);
    loop {
        // More than one text is NDJSON.
        match IgnoredAny::deserialize(&mut texts) {
            Ok(IgnoredAny) => {}
            Err(error) if error.is_io() => {
                return Err(Fault::from(std::io::Error::from(error)));
            }
            Err(error) if error.is_eof() => {
                return Err(Fault::Truncated(format!(
                    "the JSON text does not close ({error})"
                )));
            }
            Err(error) => {
                let note = format!("it is not valid JSON ({error}); the import takes what it can read");
                return Ok(Some(note));
            }
        }
        if texts.end().is_ok() {
            return Ok(None);
        }
    }
}

/// Checks that an XML text begins and ends with markup.
pub(super) fn xml(path: &Path, head: &[u8]) -> Result<(), Fault> {
    const TAIL_BYTES: u64 = 4096;
    if first_byte(head) != Some(b'<') {
        return Err(not_of(Form::Xml, head));
    }
    let mut file: File = open(path)?;
    let length = file.seek(SeekFrom::End(0))?;
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
    let mut tail = Vec::new();
    file.take(TAIL_BYTES).read_to_end(&mut tail)?;
    match tail.trim_ascii_end().last() {
        Some(b'>') => Ok(()),
        _ => Err(Fault::Truncated(
            "the XML text does not end with a tag".to_owned(),
        )),
    }
}
