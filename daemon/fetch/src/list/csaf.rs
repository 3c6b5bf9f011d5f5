//! Providers of CSAF documents: where they say their documents are, and ROLIE feeds.

use std::io::BufRead;

use serde::Deserialize;

use super::formats::json;
use super::{ListFault, Naming, Row, Rows, quoted, time_ms};

/// What a `provider-metadata.json` says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Provider {
    pub(crate) distributions: Vec<Distribution>,
    /// Distributions that are not for everybody, by their label.
    pub(crate) restricted: Vec<String>,
}

/// Where documents are.
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
struct Rolie {
    feed: Feed,
}

#[derive(Deserialize)]
struct Feed {
    #[serde(default)]
    entry: Vec<serde_json::Value>,
}

#[derive(Deserialize)]
struct Entry {
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

/// Reads a ROLIE feed. A document is named by the end of its address: the year's folder and the file.
pub(super) fn rolie(reader: &mut dyn BufRead, naming: Naming<'_>, rows: &mut Rows) -> Result<(), ListFault> {
    let Rolie { feed } = json(reader)?;
    for value in feed.entry {
        let Ok(entry) = Entry::deserialize(&value) else {
            rows.odd(format!(
                "{}: expected updated and content",
                quoted(&value.to_string())
            ));
            continue;
        };
        let own = || {
            entry
                .link
                .iter()
                .find(|link| link.rel == "self")
                .map(|link| link.href.clone())
        };
        let Some(address) = entry
            .content
            .as_ref()
            .map(|content| content.src.clone())
            .or_else(own)
        else {
            rows.odd(format!("{}: it says no address", quoted(&value.to_string())));
            continue;
        };
        let time = time_ms(&entry.updated);
        if time.is_none() {
            rows.odd(format!(
                "{}: {:?} is not a time with a zone",
                quoted(&address),
                entry.updated
            ));
            continue;
        }
        rows.take(
            Row {
                name: name_of(&address),
                address: Some(address),
                time_ms: time,
                fingerprint: entry.updated,
                sha256: None,
            },
            naming,
        )?;
    }
    Ok(())
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
