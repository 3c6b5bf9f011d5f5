//! `starling mute …`

use clap::{ArgGroup, Args, Subcommand};
use starling_api::SiteService;
use starling_api_types::{ExitStatus, MuteAdd, MuteListQuery, MuteRemove, Problem, Timestamp};

use super::Outcome;
use crate::candidates;
use crate::progress::Step;
use crate::render;
use crate::session::{Session, warn};

/// Mute findings: a list that all sites write and read
#[derive(Debug, Subcommand)]
pub(crate) enum Mute {
    Add(Add),
    List(List),
    Show(Show),
    Remove(Remove),
}

/// Mute a vulnerability, here and at every site that lets this site mute
#[derive(Debug, Args)]
#[command(after_help = "\
A muted finding stays in the verdict, with the mute's id, and does not fail or warn. The policy's rules come before
mutes. The mute is signed into this site's log and travels with its deltas, by network or by bundle.

Example:
  starling mute add CVE-2021-44228 \\
      --package pkg:maven/org.apache.logging.log4j/log4j-core \\
      --until 2026-12-31 --reason lookups-are-off
  starling mute add GHSA-29mw-wpgm-hmr9 --sbom 'shop*' \\
      --until 2026-06-30 --reason unreachable

Exit codes: 0 muted, 2 usage, 3 this site was restored and cannot sign yet, 6 not reachable or locked")]
#[command(group = ArgGroup::new("end").required(true))]
pub(crate) struct Add {
    /// An id or alias of the vulnerability; an unknown id is muted with a warning
    #[arg(value_name = "ID")]
    vulnerability: String,
    /// Only in this package: a package URL, with or without a version, or a pattern such as 'lodash*' or 'pkg:npm/*'
    #[arg(long, value_name = "PURL|PATTERN")]
    package: Option<String>,
    /// Only in ecosystems that match, such as npm, 'Debian:*' or 'Debian:12'
    #[arg(long, value_name = "PATTERN")]
    ecosystem: Option<String>,
    /// Only in SBOMs with a matching subject or hash (blake3:…)
    #[arg(long, value_name = "PATTERN")]
    sbom: Option<String>,
    /// Last day (UTC) or time at which the mute applies, as in 2026-12-31 or 2026-12-31T12:00:00Z
    #[arg(long, value_name = "DAY|TIME", value_parser = parse_end, group = "end")]
    until: Option<Timestamp>,
    /// The mute never ends
    #[arg(long, group = "end")]
    forever: bool,
    /// Reason for the mute
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Person who mutes [default: the site's name and the user's]
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
}

/// List the mutes that this site knows, newest first, and ignored changes
#[derive(Debug, Args)]
#[command(after_help = "\
With --json each mute comes with the signed claim that proves its author: the site, its epoch, the position in its
log, and the hashes of the delta and the change.

Example:
  starling mute list
  starling mute list --vulnerability CVE-2021-44228 --removed --json

Exit codes: 0 listed, 6 not reachable or locked")]
pub(crate) struct List {
    /// Only mutes of exactly this id
    #[arg(long, value_name = "ID")]
    vulnerability: Option<String>,
    /// Include removed mutes
    #[arg(long)]
    removed: bool,
}

/// Show one mute: its content, author and history
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  starling mute show 9f2c41d07ab35e68-12

Exit codes: 0 shown, 3 no such mute, 6 not reachable or locked")]
pub(crate) struct Show {
    /// The mute's id, as shown by `mute list` and in verdicts
    #[arg(value_name = "MUTE", add = candidates::mutes())]
    id: String,
}

/// Remove a mute, no matter who added it; it stays in the history
#[derive(Debug, Args)]
#[command(after_help = "\
A removal is final, even if it later meets other changes of the list. To mute again, add a new mute.

Example:
  starling mute remove 9f2c41d07ab35e68-12 --reason 'reachable'

Exit codes: 0 removed, 2 usage, 3 no such mute, or this site was restored and cannot sign yet, 6 not reachable or locked")]
pub(crate) struct Remove {
    /// The mute's id, as shown by `mute list` and in verdicts
    #[arg(value_name = "MUTE", add = candidates::mutes())]
    id: String,
    /// Reason for the removal
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Person who removes it [default: the site's name and the user's]
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
}

impl Mute {
    pub(crate) async fn run(self, session: &Session) -> Outcome {
        let site = session.site(&Step::silent()).await?;
        match self {
            Self::Add(args) => {
                let by = who(args.by, site.as_ref()).await?;
                let added = site
                    .add_mute(MuteAdd {
                        vulnerability: args.vulnerability,
                        package: args.package,
                        ecosystem: args.ecosystem,
                        sbom: args.sbom,
                        until: args.until,
                        forever: args.forever,
                        reason: args.reason,
                        by: Some(by),
                    })
                    .await?;
                for warning in &added.warnings {
                    warn(warning);
                }
                session.print(&added, |added| render::mute(&added.mute))?;
            }
            Self::List(args) => {
                let query = MuteListQuery {
                    vulnerability: args.vulnerability,
                    removed: args.removed,
                };
                session.print(&site.mutes(query).await?, render::mutes)?;
            }
            Self::Show(args) => session.print(&site.mute(&args.id).await?, render::mute)?,
            Self::Remove(args) => {
                let by = who(args.by, site.as_ref()).await?;
                let removal = MuteRemove {
                    reason: args.reason,
                    by: Some(by),
                };
                session.print(&site.remove_mute(&args.id, removal).await?, render::mute)?;
            }
        }
        Ok(ExitStatus::Pass)
    }
}

/// Returns the person who acts: as given, else the site's name and the system's user name.
pub(super) async fn who(given: Option<String>, site: &dyn SiteService) -> Result<String, Problem> {
    if let Some(given) = given {
        return Ok(given);
    }
    let site_id = site.health().await?.site_id;
    let names = ["USER", "LOGNAME"]
        .into_iter()
        .filter_map(|name| std::env::var(name).ok());
    let user = names
        .map(|name| render::plain(name.trim()).into_owned())
        .find(|name| !name.is_empty());
    Ok(match user {
        Some(user) => format!("{site_id}/{}", user.chars().take(100).collect::<String>()),
        None => site_id.to_string(),
    })
}

/// Parses a time, or a day, which stands for its end.
fn parse_end(text: &str) -> Result<Timestamp, String> {
    let moment = if text.len() == "2026-03-01".len() {
        format!("{text}T23:59:59.999Z")
    } else {
        text.to_owned()
    };
    moment.parse().map_err(|_| {
        let known = "expected a day as in 2026-12-31, or a time as in 2026-12-31T12:00:00Z";
        match text.starts_with("9999-12-31") {
            true => format!("{known}, up to 9999-12-30; for a mute that never ends, use --forever"),
            false => known.to_owned(),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mute_end_given_as_day_lasts_until_its_end() {
        assert_eq!(
            parse_end("2026-12-31").unwrap().to_string(),
            "2026-12-31T23:59:59.999Z"
        );
        assert_eq!(
            parse_end("2026-12-31T12:00:00Z").unwrap().to_string(),
            "2026-12-31T12:00:00.000Z"
        );
        for bad in ["", "tomorrow", "2026-13-01", "31.12.2026"] {
            assert!(parse_end(bad).is_err(), "{bad}");
        }
    }
}
