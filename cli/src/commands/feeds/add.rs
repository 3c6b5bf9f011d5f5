//! `starling feeds add`, `presets`, `enable`, `disable` and `remove`: which feeds there are.

use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;
use starling_api::file_problem;
use starling_api_types::{ExitStatus, FeedAdd, FeedChange, FeedName, FeedPreset, Problem, SourceName};

use super::Outcome;
use crate::candidates;
use crate::local;
use crate::progress::Step;
use crate::render;
use crate::session::Session;

/// Add a feed that the site fetches by itself: a preset, an address or a folder
#[derive(Debug, Args)]
#[command(after_help = "\
The feed is written into starling.toml as [[feeds]]. A running daemon fetches it at once and then by its schedule;
without a daemon, `starling feeds run` fetches it.

A folder or file is read as an address is: an air-gapped site points a feed at the folder where its carrier lands. It
must exist, and so must the files of keys and certificates. For a folder that comes later, such as a mount, add the
feed with --disabled, and switch it on (`starling feeds enable`) when the folder is there.

Example:
  starling feeds presets
  starling feeds add nvd --api-key-file /etc/starling/nvd.key
  starling feeds add osv --ecosystem npm --ecosystem PyPI
  starling feeds add nvd --address https://mirror.example.org/nvd/ \\
      --ca-file /etc/ssl/own-ca.pem
  starling feeds add /media/usb/osv --kind osv --schedule 1d
  starling feeds add https://example.org/advisories.zip --source vendor \\
      --proxy none

Exit codes: 0 added, 2 not a preset or a wrong value, 3 a feed of this name is configured, 6 not reachable or locked")]
pub(crate) struct Add {
    /// A preset (`starling feeds presets`), an https:// or http:// address, or a path
    #[arg(value_name = "PRESET|ADDRESS", add = candidates::presets())]
    what: String,
    /// Name of the feed (default: the preset with its ecosystem, else the source)
    #[arg(long)]
    name: Option<FeedName>,
    /// The source that the records are of (default: the preset's, else the kind)
    #[arg(long, value_name = "NAME", add = candidates::sources())]
    source: Option<SourceName>,
    /// Kind of the documents, such as osv, nvd or csaf (default: the preset's, else detected from each document's shape)
    #[arg(long, value_name = "KIND")]
    kind: Option<String>,
    /// A mirror or folder in place of the preset's own address
    #[arg(long, value_name = "ADDRESS")]
    address: Option<String>,
    /// How often to fetch, such as 2h or 1d (default: the preset's, else 1d)
    #[arg(long, value_name = "SPAN")]
    schedule: Option<String>,
    /// What of the preset to fetch, such as an ecosystem of osv; may be given several times
    #[arg(long, visible_alias = "ecosystem", value_name = "TEXT", value_delimiter = ',')]
    parameter: Vec<String>,
    /// File with the key for the source's interface
    #[arg(long, value_name = "FILE")]
    api_key_file: Option<PathBuf>,
    /// Address of the proxy, or `none` (default: HTTPS_PROXY and NO_PROXY of the daemon's environment)
    #[arg(long, value_name = "ADDRESS|none")]
    proxy: Option<String>,
    /// File with certificates to trust besides the system's
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// The source is only a part of what its name stands for: what is missing from it never becomes absent
    #[arg(long)]
    partial: bool,
    /// Add it switched off
    #[arg(long)]
    disabled: bool,
    /// Fetch it here even if another site of the federation does
    #[arg(long)]
    no_share: bool,
}

/// List the sources that this version knows how to fetch
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  starling feeds presets
  starling feeds presets --json | jq -r '.presets[].name'

Exit codes: 0 listed")]
pub(crate) struct Presets {}

/// Answer of `feeds presets`.
#[derive(Debug, Serialize)]
struct PresetList {
    presets: Vec<FeedPreset>,
}

/// Let the daemon fetch a feed again
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  starling feeds enable nvd

Exit codes: 0 switched on, 3 no such feed, 6 not reachable or locked")]
pub(crate) struct Enable {
    /// The feed
    #[arg(add = candidates::feeds())]
    name: FeedName,
}

/// Stop fetching a feed; its records and its state stay
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  starling feeds disable nvd

Exit codes: 0 switched off, 3 no such feed, 6 not reachable or locked")]
pub(crate) struct Disable {
    /// The feed
    #[arg(add = candidates::feeds())]
    name: FeedName,
}

/// Take a feed out of the configuration; its records stay
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  starling feeds remove nvd

Exit codes: 0 removed, 3 no such feed, 6 not reachable, locked, or the feed is being run")]
pub(crate) struct Remove {
    /// The feed
    #[arg(add = candidates::feeds())]
    name: FeedName,
}

impl Add {
    pub(crate) async fn run(self, session: &Session) -> Outcome {
        let add = self.into_body()?;
        let site = session.site(&Step::silent()).await?;
        let has_daemon = site.status().await?.daemon;
        let feed = site.add_feed(add).await?;
        session.print(&feed, |feed| render::feed_added(feed, has_daemon))?;
        Ok(ExitStatus::Pass)
    }

    fn into_body(self) -> Result<FeedAdd, Problem> {
        let (preset, address) = if is_address(&self.what) {
            (None, Some(absolute_address(&self.what)?))
        } else {
            (
                Some(self.what),
                self.address.as_deref().map(absolute_address).transpose()?,
            )
        };
        let of_kind = self.kind.as_deref().and_then(|kind| SourceName::new(kind).ok());
        let source = match (&preset, self.source) {
            (None, None) => of_kind,
            (_, source) => source,
        };
        Ok(FeedAdd {
            name: self.name,
            preset,
            address,
            source,
            kind: self.kind,
            schedule: self.schedule,
            parameter: (!self.parameter.is_empty()).then(|| self.parameter.join(",")),
            api_key_file: self.api_key_file.as_deref().map(absolute).transpose()?,
            proxy: self.proxy,
            ca_file: self.ca_file.as_deref().map(absolute).transpose()?,
            complete: self.partial.then_some(false),
            enabled: self.disabled.then_some(false),
            share_fetch: self.no_share.then_some(false),
        })
    }
}

impl Presets {
    pub(crate) fn run(&self, session: &Session) -> Outcome {
        let presets = PresetList {
            presets: local::feed_presets(),
        };
        session.print(&presets, |list| render::feed_presets(&list.presets))?;
        Ok(ExitStatus::Pass)
    }
}

impl Enable {
    pub(crate) async fn run(self, session: &Session) -> Outcome {
        switch(session, &self.name, true).await
    }
}

impl Disable {
    pub(crate) async fn run(self, session: &Session) -> Outcome {
        switch(session, &self.name, false).await
    }
}

async fn switch(session: &Session, name: &FeedName, enabled: bool) -> Outcome {
    let site = session.site(&Step::silent()).await?;
    let change = FeedChange {
        enabled: Some(enabled),
        ..FeedChange::default()
    };
    session.print(&site.change_feed(name, change).await?, render::feed_changed)?;
    Ok(ExitStatus::Pass)
}

impl Remove {
    pub(crate) async fn run(self, session: &Session) -> Outcome {
        let site = session.site(&Step::silent()).await?;
        let removed = site.remove_feed(&self.name).await?;
        session.print(&removed, render::feed_removed)?;
        Ok(ExitStatus::Pass)
    }
}

/// Returns true for what is an address or a path, and not the name of a preset.
fn is_address(what: &str) -> bool {
    what.contains("://") || what.contains('/') || what.starts_with('.')
}

/// Returns an address as it is, and a path as the daemon finds it from wherever it was started.
pub(super) fn absolute_address(address: &str) -> Result<String, Problem> {
    if address.contains("://") || address.starts_with("file:") {
        return Ok(address.to_owned());
    }
    let path = absolute(Path::new(address))?;
    path.into_os_string().into_string().map_err(|path| {
        let error = std::io::Error::new(std::io::ErrorKind::InvalidInput, "its name is not UTF-8");
        file_problem("adding", Path::new(&path), &error)
    })
}

pub(super) fn absolute(path: &Path) -> Result<PathBuf, Problem> {
    std::path::absolute(path).map_err(|error| file_problem("looking for", path, &error))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        add: Add,
    }

    fn body(line: &str) -> FeedAdd {
        Line::try_parse_from(line.split(' '))
            .unwrap()
            .add
            .into_body()
            .unwrap()
    }

    #[test]
    fn presets_addresses_and_paths_are_told_apart() {
        let preset = body("add osv --ecosystem npm --ecosystem PyPI --address https://mirror.example.org/");
        assert_eq!(
            (
                preset.preset.as_deref(),
                preset.address.as_deref(),
                preset.parameter.as_deref()
            ),
            (Some("osv"), Some("https://mirror.example.org/"), Some("npm,PyPI"))
        );
        let address = body("add https://example.org/a.zip --source vendor");
        assert_eq!(
            (
                address.preset,
                address.address.as_deref(),
                address.source.unwrap().as_str()
            ),
            (None, Some("https://example.org/a.zip"), "vendor")
        );
        let folder = body("add /media/usb/osv --kind osv --partial");
        assert_eq!(
            (
                folder.address.as_deref(),
                folder.source.unwrap().as_str(),
                folder.complete
            ),
            (Some("/media/usb/osv"), "osv", Some(false))
        );
        let relative = body("add ./usb --kind osv").address.unwrap();
        assert!(
            relative.starts_with('/') && relative.ends_with("/usb"),
            "{relative}"
        );
    }
}
