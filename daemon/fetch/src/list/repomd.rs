//! Reads the files of package repositories: the list of mirrors, and the file that names the notices.

use std::io::BufRead;

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use super::{ListFault, MAX_LINE_BYTES};
use crate::names::check_name;

/// Longest `repomd.xml`, in bytes.
const MAX_REPOMD_BYTES: u64 = 4 << 20;

/// The place of a repository's notices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Updateinfo {
    /// The path below the repository, checked.
    pub(crate) path: String,
    /// SHA-256 of the file as it is sent.
    pub(crate) sha256: Option<String>,
}

/// Returns the first address of a list of mirrors.
pub(crate) fn first_mirror(reader: &mut dyn BufRead) -> Result<Option<String>, ListFault> {
    let mut line = Vec::new();
    loop {
        line.clear();
        if std::io::Read::take(&mut *reader, MAX_LINE_BYTES).read_until(b'\n', &mut line)? == 0 {
            return Ok(None);
        }
        let text = String::from_utf8_lossy(&line);
        let text = text.trim();
        if !text.is_empty() && !text.starts_with('#') {
            return Ok(Some(text.to_owned()));
        }
    }
}

/// Reads `repomd.xml`. Returns `None` if the repository has no notices.
pub(crate) fn read_repomd(reader: &mut dyn BufRead) -> Result<Option<Updateinfo>, ListFault> {
    let broken = |error: &dyn std::fmt::Display| ListFault::Broken(error.to_string());
    let mut xml = Reader::from_reader(std::io::BufReader::new(std::io::Read::take(
        reader,
        MAX_REPOMD_BYTES,
    )));
    let mut buffer = Vec::new();
    let mut is_inside = false;
    let mut is_sha256 = false;
    let mut is_root_seen = false;
    let mut path = None;
    let mut sha256 = None;
    loop {
        buffer.clear();
        match xml.read_event_into(&mut buffer).map_err(|error| broken(&error))? {
            Event::Start(tag) | Event::Empty(tag) => match tag.local_name().as_ref() {
                "repomd" => is_root_seen = true,
                "data" => is_inside = attribute(&tag, "type").as_deref() == Some("updateinfo"),
                "checksum" if is_inside => is_sha256 = attribute(&tag, "type").as_deref() == Some("sha256"),
                "location" if is_inside => path = attribute(&tag, "href"),
                _ => {}
            },
            Event::Text(text) if is_sha256 => {
                let digits = text.xml10_content().trim().to_ascii_lowercase();
                is_sha256 = false;
                if digits.len() == 64 {
                    sha256 = Some(digits);
                }
            }
            Event::End(tag) if tag.local_name().as_ref() == "data" => {
                is_inside = false;
            }
            Event::Eof => break,
            _ => {}
        }
    }
    if !is_root_seen {
        return Err(ListFault::Broken("it is not a repomd.xml".to_owned()));
    }
    match path {
        Some(path) => {
            check_name(&path).map_err(ListFault::Broken)?;
            Ok(Some(Updateinfo { path, sha256 }))
        }
        None => Ok(None),
    }
}

fn attribute(tag: &BytesStart<'_>, name: &str) -> Option<String> {
    let attribute = tag.try_get_attribute(name).ok()??;
    Some(attribute.value.clone().into_owned())
}
