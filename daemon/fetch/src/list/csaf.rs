//! Reads the metadata of CSAF providers, which say where the documents are, and ROLIE feeds.

use std::fmt;
use std::io::BufRead;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};

use super::formats::{Walk, json, skip_mark};
use super::{ListFault, MAX_LIST_BYTES, Naming, Row, Rows, quoted, time_ms};

/// The content of a `provider-metadata.json`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Provider {
    pub(crate) distributions: Vec<Distribution>,
    /// Labels of the distributions that are not public.
    pub(crate) restricted: Vec<String>,
}

/// The place of documents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Distribution {
    /// A ROLIE feed.
    Rolie(String),
    /// A folder with `changes.csv` and `index.txt`.
    Directory(String),
}

#[derive(Deserialize)]
struct Metadata {
    #[serde(default)]
    distributions: Vec<DistributionJson>,
}

#[derive(Deserialize)]
struct DistributionJson {
    directory_url: Option<String>,
    rolie: Option<RolieJson>,
}

#[derive(Deserialize)]
struct RolieJson {
    #[serde(default)]
    feeds: Vec<FeedJson>,
}

#[derive(Deserialize)]
struct FeedJson {
    url: String,
    tlp_label: Option<String>,
}

/// Reads a `provider-metadata.json`. A provider that has ROLIE feeds for everybody is read by them, else by folders.
pub(crate) fn read_provider(reader: &mut dyn BufRead) -> Result<Provider, ListFault> {
    let metadata: Metadata = json(reader)?;
    let mut feeds = Vec::new();
    let mut folders = Vec::new();
    let mut restricted = Vec::new();
    for distribution in metadata.distributions {
        for feed in distribution.rolie.into_iter().flat_map(|rolie| rolie.feeds) {
            match feed.tlp_label.as_deref() {
                None | Some("WHITE" | "CLEAR" | "UNLABELED") => feeds.push(Distribution::Rolie(feed.url)),
                Some(label) => restricted.push(format!("{} ({})", quoted(&feed.url), quoted(label))),
            }
        }
        folders.extend(distribution.directory_url.map(Distribution::Directory));
    }
    let distributions = if feeds.is_empty() { folders } else { feeds };
    if distributions.is_empty() {
        return Err(ListFault::Broken(
            "it names neither a ROLIE feed for everybody nor a folder of documents".to_owned(),
        ));
    }
    Ok(Provider {
        distributions,
        restricted,
    })
}

#[derive(Deserialize)]
struct Entry {
    id: Option<String>,
    updated: String,
    content: Option<Content>,
    #[serde(default)]
    link: Vec<Link>,
}

#[derive(Deserialize)]
struct Content {
    src: String,
}

#[derive(Deserialize)]
struct Link {
    rel: String,
    href: String,
}

/// Reads a ROLIE feed, or a page of one. A document is named by the end of its address: the year's folder and the file.
pub(super) fn rolie(reader: &mut dyn BufRead, naming: Naming<'_>, rows: &mut Rows) -> Result<(), ListFault> {
    let mut bounded = std::io::Read::take(reader, MAX_LIST_BYTES + 1);
    skip_mark(&mut bounded)?;
    let mut each = |entry: Entry, rows: &mut Rows| take(entry, naming, rows);
    let mut feed = Feed {
        walk: Walk {
            rows,
            expected: "updated and content",
            each: &mut each,
            fault: None,
        },
        next: None,
    };
    let mut text = serde_json::Deserializer::from_reader(&mut bounded);
    let read = Member("feed", &mut feed)
        .deserialize(&mut text)
        .and_then(|()| text.end());
    let (fault, next) = (feed.walk.fault.take(), feed.next.take());
    drop(text);
    if let Some(fault) = fault {
        return Err(fault);
    }
    rows.next = next;
    match read {
        Ok(()) => Ok(()),
        Err(_) if bounded.limit() == 0 => Err(ListFault::TooLong),
        Err(error) => Err(ListFault::Broken(error.to_string())),
    }
}

/// The parts of a ROLIE feed that are read.
struct Feed<'w> {
    walk: Walk<'w, Entry>,
    next: Option<String>,
}

/// The only member of an object that is read; it must exist. The others are skipped.
struct Member<'a, 'w>(&'static str, &'a mut Feed<'w>);

impl<'de> DeserializeSeed<'de> for Member<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Member<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an object with {}", self.0)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let mut is_found = false;
        while let Some(name) = members.next_key::<String>()? {
            match (self.0, name.as_str()) {
                ("feed", "feed") => members.next_value_seed(Member("entry", self.1))?,
                ("entry", "entry") => members.next_value_seed(&mut self.1.walk)?,
                ("entry", "link") => {
                    let links = members.next_value::<Vec<Link>>()?;
                    let next = links
                        .into_iter()
                        .find(|link| link.rel.eq_ignore_ascii_case("next"));
                    self.1.next = next.map(|link| link.href);
                    continue;
                }
                _ => {
                    members.next_value::<IgnoredAny>()?;
                    continue;
                }
            }
            is_found = true;
        }
        // A feed without an entry has no document; the caller refuses it.
        match is_found || self.0 == "entry" {
            true => Ok(()),
            false => Err(serde::de::Error::missing_field("feed")),
        }
    }
}

impl<'de> DeserializeSeed<'de> for &mut Walk<'_, Entry> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

fn take(entry: Entry, naming: Naming<'_>, rows: &mut Rows) -> Result<(), ListFault> {
    let own = || entry.link.iter().find(|link| link.rel == "self");
    let address = match (&entry.content, own()) {
        (Some(content), _) => content.src.clone(),
        (None, Some(own)) => own.href.clone(),
        (None, None) => {
            let id = entry.id.as_deref().unwrap_or("an entry");
            rows.odd(format!("{}: it says no address", quoted(id)));
            return Ok(());
        }
    };
    // The longest of the named checksums.
    let sums = entry
        .link
        .iter()
        .filter(|link| link.rel.eq_ignore_ascii_case("hash"));
    let sums = sums.map(|link| link.href.clone());
    let checksum = sums.max_by_key(|sum| sum.to_ascii_lowercase().contains("sha512"));
    let time = time_ms(&entry.updated);
    if time.is_none() {
        rows.odd(format!(
            "{}: {} is not a time with a zone",
            quoted(&address),
            quoted(&entry.updated)
        ));
        return Ok(());
    }
    rows.take(
        Row {
            name: name_of(&address),
            address: Some(address),
            time_ms: time,
            fingerprint: entry.updated,
            sha256: None,
            checksum,
        },
        naming,
    )
}

fn name_of(address: &str) -> String {
    let path = address.split(['?', '#']).next().unwrap_or_default();
    let mut parts = path.rsplit('/');
    let file = parts.next().unwrap_or_default();
    match parts.next() {
        Some(year) if year.len() == 4 && year.bytes().all(|byte| byte.is_ascii_digit()) => {
            format!("{year}/{file}")
        }
        _ => file.to_owned(),
    }
}
