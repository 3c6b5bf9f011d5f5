//! `starling feeds add`, `presets`, `enable`, `disable` and `remove`: which feeds there are.

use std::path::Path;

use clap::Args;
use serde::Serialize;
use starling_api_types::{
    ErrorCode, ExitStatus, FeedAdd, FeedChange, FeedName, FeedPreset, Problem, SourceName,
};
use starling_daemon::{lacks_scheme, preset_of_file};

use super::Outcome;
use super::settings::{Settings, absolute_address, is_remote};
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
  starling feeds add /media/usb/vendor --kind osv --schedule 1d
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
    /// The source that the records are of (default: the preset's, else the feed's name, else that of the folder or file)
    #[arg(long, value_name = "NAME", add = candidates::sources())]
    source: Option<SourceName>,
    /// Kind of the documents, such as osv, nvd or csaf (default: the preset's, else detected from each document's shape)
    #[arg(long, value_name = "KIND")]
    kind: Option<String>,
    #[command(flatten)]
    settings: Settings,
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

Exit codes: 0 switched on, 2 its folder or a file that it names is missing, 3 no such feed, 6 not reachable or locked")]
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
        let given = self.settings.given()?;
        let is_server = lacks_scheme(&self.what) && !is_preset(&self.what);
        let (preset, address) = if is_address(&self.what) || is_server || is_only_a_path(&self.what) {
            (None, Some(absolute_address(&self.what)?))
        } else {
            (Some(self.what), given.address)
        };
        let source = match (self.source, &preset, &address) {
            (None, None, Some(address)) => {
                Some(source_of(address, self.name.as_ref(), self.kind.as_deref())?)
            }
            (source, ..) => source,
        };
        Ok(FeedAdd {
            name: self.name,
            preset,
            address,
            source,
            kind: self.kind,
            schedule: given.schedule,
            parameter: given.parameter,
            api_key_file: given.api_key_file,
            proxy: given.proxy,
            ca_file: given.ca_file,
            complete: self.partial.then_some(false),
            enabled: self.disabled.then_some(false),
            share_fetch: self.no_share.then_some(false),
        })
    }
}

/// Returns true for the name of a file or folder here that is not a preset's too.
fn is_only_a_path(what: &str) -> bool {
    !is_preset(what) && Path::new(what).exists()
}

fn is_preset(what: &str) -> bool {
    local::feed_presets().iter().any(|preset| preset.name == what)
}

/// Returns the source of a feed without a preset: as the feed is named, else as its folder or file is.
///
/// Its kind says how the documents are written, not who wrote them. A preset's name is left to the preset: another feed
/// of that source would stand in its way.
fn source_of(address: &str, name: Option<&FeedName>, kind: Option<&str>) -> Result<SourceName, Problem> {
    let problem = |what: String| {
        Problem::new(
            ErrorCode::BadRequest,
            format!("adding the feed {address}: {what}"),
        )
    };
    let named = match name {
        Some(name) => name.to_string(),
        None if is_remote(address) => {
            let hint = match preset_for(address, kind) {
                Some(preset) => format!(
                    "`starling feeds add {preset} --address {address}` fetches the source of that preset from there; else --source NAME"
                ),
                None => {
                    "--source NAME, such as the publisher's; a preset (`starling feeds presets`) knows its own".to_owned()
                }
            };
            return Err(problem("--source must say which source its records are of".to_owned()).hint(hint));
        }
        None => {
            let file = Path::new(address)
                .file_name()
                .unwrap_or_default()
                .to_string_lossy();
            file.split('.').next().unwrap_or_default().to_ascii_lowercase()
        }
    };
    let source = SourceName::new(&named).map_err(|_| {
        problem(format!("no source can be named {named:?}, as it is"))
            .hint("--source NAME says which source its records are of")
    })?;
    let presets = local::feed_presets();
    match presets.iter().find(|preset| preset.source == named || preset.name == named) {
        Some(preset) => Err(problem(format!("{named:?} is the source of the preset {}", preset.name)).hint(format!(
            "`starling feeds add {} --address {address}` fetches that source from there; for other records, --source \
             NAME says which source they are of",
            preset.name
        ))),
        None => Ok(source),
    }
}

/// Returns the preset that an address is probably of: by the name of its file, else as the only one of its kind.
fn preset_for(address: &str, kind: Option<&str>) -> Option<String> {
    if let Some(preset) = preset_of_file(address) {
        return Some(preset.name.to_owned());
    }
    let presets = local::feed_presets();
    let mut of_kind = presets.iter().filter(|preset| Some(preset.kind.as_str()) == kind);
    let only = of_kind.next().filter(|_| of_kind.next().is_none())?;
    Some(only.name.clone())
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
    fn presets_addresses_and_paths_are_distinguished() {
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
        let folder = body("add /media/usb/Vendor --kind osv --partial");
        assert_eq!(
            (
                folder.address.as_deref(),
                folder.source.unwrap().as_str(),
                folder.complete
            ),
            (Some("/media/usb/Vendor"), "vendor", Some(false))
        );
        let relative = body("add ./usb --kind osv").address.unwrap();
        assert!(
            relative.starts_with('/') && relative.ends_with("/usb"),
            "{relative}"
        );
    }

    /// A server without its scheme was taken for a path, or for a preset.
    #[test]
    fn server_without_a_scheme_is_not_a_path() {
        for (line, address) in [
            ("add 127.0.0.1:8080/a.zip --source vendor", "127.0.0.1:8080/a.zip"),
            (
                "add mirror.example.org/a.zip --source vendor --disabled",
                "mirror.example.org/a.zip",
            ),
            ("add localhost:8080", "localhost:8080"),
            ("add mirror.example.org", "mirror.example.org"),
            (
                "add kev --address mirror.example.org:80/",
                "mirror.example.org:80/",
            ),
        ] {
            let add = Line::try_parse_from(line.split(' ')).unwrap().add;
            let problem = add.into_body().unwrap_err();
            let hint = problem.hint.clone().unwrap();
            assert!(hint.contains(&format!("https://{address} ")), "{line}: {hint}");
        }
        let path = body("add ./mirror.example.org/a.zip --source vendor")
            .address
            .unwrap();
        assert!(path.ends_with("/mirror.example.org/a.zip"), "{path}");
    }

    #[test]
    fn source_of_an_address_never_takes_a_presets_place() {
        let refused = |line: &str| {
            let add = Line::try_parse_from(line.split(' ')).unwrap().add;
            let problem = add.into_body().unwrap_err();
            format!("{} {}", problem.detail, problem.hint.clone().unwrap_or_default())
        };
        let named = |line: &str| body(line).source.unwrap().to_string();
        assert_eq!(named("add ./data/acme.osv.zip --kind osv"), "acme");
        assert_eq!(named("add https://example.org/a.zip --name mine"), "mine");
        // A folder of this crate, where the test runs.
        assert_eq!(named("add src --kind osv"), "src");
        assert_eq!(named("add /media/usb/osv --kind osv --source osv"), "osv");
        let folder = refused("add /media/usb/osv --kind osv");
        assert!(
            folder.contains("`starling feeds add osv --address /media/usb/osv`"),
            "{folder}"
        );
        let address = refused("add https://example.org/a.zip --kind osv");
        assert!(address.contains("--source NAME"), "{address}");
        for line in [
            "add https://example.org/known_exploited_vulnerabilities.json",
            "add https://example.org/x.json --kind kev",
        ] {
            let told = refused(line);
            let address = line.split(' ').nth(1).unwrap();
            assert!(
                told.contains(&format!("`starling feeds add kev --address {address}`")),
                "{told}"
            );
        }
        assert!(refused("add /").contains("--source NAME"));
    }
}
