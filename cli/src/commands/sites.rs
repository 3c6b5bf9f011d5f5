//! `starling sites …`

use std::path::Path;

use clap::{ArgGroup, Args, Subcommand};
use starling_api::SiteService;
use starling_api::limits::JSON_BODY_MAX_BYTES;
use starling_api_types::{
    ErrorCode, ExitStatus, Problem, SiteAdd, SiteChange, SiteSlug, SourcePattern, secrets,
};

use super::{Outcome, input};
use crate::candidates;
use crate::local;
use crate::progress::Step;
use crate::render;
use crate::session::{Session, warn};
use crate::size::parse_size;
use crate::source_names;

/// Manage the allow-list: the sites to exchange knowledge with
#[derive(Debug, Subcommand)]
pub(crate) enum Sites {
    Add(Add),
    List(List),
    Show(Show),
    Set(Set),
    Remove(Remove),
    History(History),
    Status(Status),
}

/// Add a site to the allow-list
#[derive(Debug, Args)]
#[command(after_help = "\
A site may only send its --allowed-sources; '*' allows every source.

Example:
  starling sites add site-eu-north-1 --key @site-eu-north-1.key \\
      --address /ip4/192.0.2.7/udp/7766/quic-v1 \\
      --allowed-sources ghsa,rustsec --max-bundle-size 100MB

Exit codes: 0 added, 2 usage, 3 already listed or the key is not valid, 6 not reachable or locked")]
pub(crate) struct Add {
    /// Name for the site in the list
    #[arg(value_name = "SITE")]
    site_id: SiteSlug,
    /// The output of its `starling keys export --public`, its identity (blake3:…), or @FILE with either
    #[arg(long, value_name = "KEY|@FILE")]
    key: String,
    /// Display name
    #[arg(long, value_name = "TEXT")]
    display_name: Option<String>,
    /// Multiaddress of the site; may be repeated; none if it is reached by file only
    #[arg(long = "address", value_name = "MULTIADDR")]
    addresses: Vec<String>,
    /// Sources to accept from it, separated by commas; '*' for all
    #[arg(long, value_name = "SOURCE,…", value_delimiter = ',')]
    allowed_sources: Vec<SourcePattern>,
    /// Largest bundle to accept from it, such as 100MB
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    max_bundle_size: Option<u64>,
    /// Add the site, but do not exchange anything with it yet
    #[arg(long)]
    disabled: bool,
    /// Apply this site's mutes to findings here
    #[arg(long)]
    may_mute: bool,
}

/// List the allow-list
#[derive(Debug, Args)]
#[command(after_help = "\
LAST SYNC is when a bundle of the site was imported, or a session last exchanged data or found that both hold the same;
AGE is how long ago that was. A bundle that was written for the site does not count: nobody knows if it arrived. CURSOR
is the newest position in the site's own log that is here, and `-` if it has stated nothing. LAG is how many claims of
that log are announced and not accepted here yet. HELD BACK, if there are any, are records here that are not used, with
their sources: this list does not accept them from the site.

Example:
  starling sites list

Exit codes: 0 listed, 2 no site in the folder, 6 not reachable or locked")]
pub(crate) struct List {}

/// Show one site of the allow-list
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  starling sites show site-eu-north-1

Exit codes: 0 shown, 3 no such site, 6 not reachable or locked")]
pub(crate) struct Show {
    /// The site's name
    #[arg(value_name = "SITE", add = candidates::sites())]
    site_id: SiteSlug,
}

/// Change a site of the allow-list; options that are not given keep their value
#[derive(Debug, Args)]
#[command(after_help = "\
A given list replaces the old list. Newly allowed records are accepted at once if their bodies are here. The daemon asks
peers for missing bodies; a bundle that has them can be imported again.

Example:
  starling sites set site-eu-north-1 --allowed-sources ghsa,rustsec,nvd
  starling sites set site-eu-north-1 --disable

Exit codes: 0 changed, 2 usage, 3 no such site, 6 not reachable or locked")]
#[command(group = ArgGroup::new("change").required(true).multiple(true))]
pub(crate) struct Set {
    /// The site's name
    #[arg(value_name = "SITE", add = candidates::sites())]
    site_id: SiteSlug,
    /// Sources to accept from it, separated by commas; '*' for all
    #[arg(long, value_name = "SOURCE,…", value_delimiter = ',', group = "change")]
    allowed_sources: Option<Vec<SourcePattern>>,
    /// Accept no sources from it
    #[arg(long, conflicts_with = "allowed_sources", group = "change")]
    no_sources: bool,
    /// Largest bundle to accept from it, such as 100MB
    #[arg(long, value_name = "SIZE", value_parser = parse_size, group = "change")]
    max_bundle_size: Option<u64>,
    /// Display name
    #[arg(long, value_name = "TEXT", group = "change")]
    display_name: Option<String>,
    /// Multiaddress of the site; may be repeated
    #[arg(long = "address", value_name = "MULTIADDR", group = "change")]
    addresses: Option<Vec<String>>,
    /// Reach the site by file only
    #[arg(long, conflicts_with = "addresses", group = "change")]
    no_address: bool,
    /// Apply this site's mutes to findings here
    #[arg(long, conflicts_with = "may_not_mute", group = "change")]
    may_mute: bool,
    /// Apply none of this site's mutes here
    #[arg(long, group = "change")]
    may_not_mute: bool,
    /// Exchange knowledge with it
    #[arg(long, conflicts_with = "disable", group = "change")]
    enable: bool,
    /// Exchange and accept nothing, but keep the site in the list
    #[arg(long, group = "change")]
    disable: bool,
}

/// Remove a site from the allow-list. Its data is kept, but no longer accepted
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  starling sites remove site-eu-north-1

Exit codes: 0 removed, 3 no such site, 6 not reachable or locked")]
pub(crate) struct Remove {
    /// The site's name
    #[arg(value_name = "SITE", add = candidates::sites())]
    site_id: SiteSlug,
}

/// Show what was received from a site, newest first
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  starling sites history site-eu-north-1

Exit codes: 0 shown, 3 no such site, 6 not reachable or locked")]
pub(crate) struct History {
    /// The site's name
    #[arg(value_name = "SITE", add = candidates::sites())]
    site_id: SiteSlug,
}

/// Show how much of a site's logs is here, and what blocks the rest
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  starling sites status site-eu-north-1

Exit codes: 0 shown, 3 no such site, 6 not reachable or locked")]
pub(crate) struct Status {
    /// The site's name
    #[arg(value_name = "SITE", add = candidates::sites())]
    site_id: SiteSlug,
}

impl Sites {
    pub(crate) async fn run(self, session: &Session) -> Outcome {
        match self {
            Self::Add(args) => args.run(session).await?,
            Self::List(_) => {
                let site = session.site(&Step::silent()).await?;
                if session.json() {
                    session.print(&site.sites().await?, |_| String::new())?;
                } else {
                    let status = site.status().await?;
                    session.print(&site.sites().await?, |list| {
                        render::sites(&render::SitesView {
                            list,
                            status: &status,
                            now: local::now().into(),
                        })
                    })?;
                }
            }
            Self::Show(args) => {
                let site = session.site(&Step::silent()).await?;
                session.print(&site.site(&args.site_id).await?, render::site)?;
            }
            Self::Set(args) => args.run(session).await?,
            Self::Remove(args) => {
                let site = session.site(&Step::silent()).await?;
                let removed = site.remove_site(&args.site_id).await?;
                session.print(&removed, |site| format!("removed {}", site.site_id))?;
            }
            Self::History(args) => {
                let site = session.site(&Step::silent()).await?;
                session.print(&site.site_history(&args.site_id).await?, render::site_history)?;
            }
            Self::Status(args) => {
                let site = session.site(&Step::silent()).await?;
                session.print(&site.site_status(&args.site_id).await?, render::site_status)?;
            }
        }
        Ok(ExitStatus::Pass)
    }
}

impl Set {
    async fn run(self, session: &Session) -> Result<(), Problem> {
        let change = SiteChange {
            display_name: self.display_name,
            addresses: self.addresses.or(self.no_address.then(Vec::new)),
            allowed_sources: self.allowed_sources.or(self.no_sources.then(Vec::new)),
            max_bundle_size: self.max_bundle_size,
            enabled: match (self.enable, self.disable) {
                (true, _) => Some(true),
                (_, true) => Some(false),
                _ => None,
            },
            may_mute: match (self.may_mute, self.may_not_mute) {
                (true, _) => Some(true),
                (_, true) => Some(false),
                _ => None,
            },
        };
        let step = session.step("Updating the view for the changed list");
        let site = session.site(&step).await?;
        let named = change.allowed_sources.clone().unwrap_or_default();
        let entry = site.change_site(&self.site_id, change).await?;
        drop(step);
        note_misspelt_sources(site.as_ref(), &named).await;
        session.print(&entry, render::site)
    }
}

impl Add {
    async fn run(self, session: &Session) -> Result<(), Problem> {
        let added = SiteAdd {
            key: read_key(self.key)?,
            site_id: self.site_id,
            display_name: self.display_name,
            addresses: self.addresses,
            allowed_sources: self.allowed_sources,
            max_bundle_size: self.max_bundle_size,
            enabled: self.disabled.then_some(false),
            may_mute: self.may_mute,
        };
        let site = session.site(&Step::silent()).await?;
        let named = added.allowed_sources.clone();
        let entry = site.add_site(added).await?;
        note_misspelt_sources(site.as_ref(), &named).await;
        if entry.allowed_sources.is_empty() {
            warn(&format!(
                "no source is accepted from {} yet: set --allowed-sources ('*' for all)",
                entry.site_id
            ));
        }
        session.print(&entry, render::site)
    }
}

/// Notes allowed sources that were probably meant to be another.
async fn note_misspelt_sources(site: &dyn SiteService, named: &[SourcePattern]) {
    let named: Vec<&str> = named.iter().map(SourcePattern::as_str).collect();
    source_names::note_misspelt(site, &named).await;
}

/// Returns true if a text that stands for a key names a file: there is one, or its name ends as one that holds a key.
fn is_a_file(text: &str) -> bool {
    let path = Path::new(text);
    path.extension().is_some_and(|end| end == "key") || path.is_file()
}

/// Returns the key as given, or reads it from the file that it names.
fn read_key(given: String) -> Result<String, Problem> {
    let (key, place) = match given.strip_prefix('@').map(Path::new) {
        None => (given, "--key".to_owned()),
        Some(path) => {
            let bytes = input::read_file(path, "the key", JSON_BODY_MAX_BYTES)?;
            // Bytes that are not text are not a key, and are refused as one.
            let text = String::from_utf8_lossy(&bytes).trim().to_owned();
            (text, path.display().to_string())
        }
    };
    if secrets::has_private_key(&key) {
        let detail = format!(
            "reading a site's public identity: {place} is a private key, which must stay with its site"
        );
        return Err(Problem::new(ErrorCode::SiteKeyInvalid, detail)
            .hint("get the public one with `starling keys export --public` at that site"));
    }
    if place == "--key" && is_a_file(&key) {
        let detail = format!("reading a site's public identity: {key:?} is the name of a file, not a key");
        return Err(Problem::new(ErrorCode::SiteKeyInvalid, detail).hint(format!(
            "did you mean --key @{key}? The sign @ reads the key from a file"
        )));
    }
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_of_a_key_file_is_answered_with_its_sign() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("north");
        std::fs::write(&file, "starling-site-v1:x").unwrap();
        for name in ["n.key", file.to_str().unwrap()] {
            let problem = read_key(name.to_owned()).unwrap_err();
            assert_eq!(problem.code, ErrorCode::SiteKeyInvalid);
            let hint = problem.hint.clone().unwrap();
            assert!(
                hint.starts_with(&format!("did you mean --key @{name}?")),
                "{hint}"
            );
        }
        assert_eq!(read_key("blake3:12".to_owned()).unwrap(), "blake3:12");
        assert_eq!(
            read_key(format!("@{}", file.display())).unwrap(),
            "starling-site-v1:x"
        );
    }
}
