//! `starling conflicts …`

use clap::{ArgGroup, Args, Subcommand};
use starling_api_types::{ConflictQuery, ConflictResolve, ContentHash, ExitStatus, SourceName};

use super::Outcome;
use super::mute::who;
use crate::candidates;
use crate::progress::Step;
use crate::render;
use crate::session::Session;

/// List and decide conflicts: records about which authors disagree
#[derive(Debug, Subcommand)]
pub(crate) enum Conflicts {
    List(List),
    Show(Show),
    Resolve(Resolve),
}

/// List the records that wait for a decision, and the decided ones
#[derive(Debug, Args)]
#[command(after_help = "\
Records wait for a decision if view.conflict_strategy is `fail`. Until then all statements of their authors apply: the
record is affected if any author says so, with the worst severity.

Example:
  starling conflicts list

Exit codes: 0 listed, 6 not reachable or locked")]
pub(crate) struct List {}

/// Show what each author states about one record
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  starling conflicts show ghsa GHSA-29mw-wpgm-hmr9

Exit codes: 0 shown, 4 no such record, 6 not reachable or locked")]
pub(crate) struct Show {
    /// The record's source
    #[arg(value_name = "SOURCE", add = candidates::sources())]
    source: SourceName,
    /// The record's id in the source
    #[arg(value_name = "RECORD")]
    record: String,
}

/// Decide which author's content of a record applies at this site
#[derive(Debug, Args)]
#[command(after_help = "\
The decision holds while an author states that content, and overrides every conflict strategy. The command ends after
the view has been updated.

Example:
  starling conflicts resolve ghsa GHSA-29mw-wpgm-hmr9 --site site-b \\
      --reason theirs-is-right
  starling conflicts resolve ghsa GHSA-29mw-wpgm-hmr9 --reopen \\
      --reason both-are-wrong

Exit codes: 0 decided, 2 usage, 3 no such content, 4 no such record, 6 not reachable or locked")]
#[command(group = ArgGroup::new("choice").required(true))]
pub(crate) struct Resolve {
    /// The record's source
    #[arg(value_name = "SOURCE", add = candidates::sources())]
    source: SourceName,
    /// The record's id in the source
    #[arg(value_name = "RECORD")]
    record: String,
    /// Use the content that this site states: its name or identity
    #[arg(long, value_name = "SITE", group = "choice")]
    site: Option<String>,
    /// Use this content: its hash, as `conflicts show` prints it
    #[arg(long, value_name = "HASH", group = "choice")]
    content: Option<ContentHash>,
    /// Withdraw the decision
    #[arg(long, group = "choice")]
    reopen: bool,
    /// Reason for the decision
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Person who decides [default: the site's name and the user's]
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
}

impl Conflicts {
    pub(crate) async fn run(self, session: &Session) -> Outcome {
        let site = session.site(&Step::silent()).await?;
        match self {
            Self::List(_) => session.print(&site.conflicts().await?, render::conflicts)?,
            Self::Show(args) => {
                let query = ConflictQuery {
                    source: args.source,
                    record: args.record,
                };
                let shown = site.conflict(query).await?;
                session.print(&shown, render::conflict)?;
            }
            Self::Resolve(args) => {
                let by = who(args.by, site.as_ref()).await?;
                let resolved = site
                    .resolve_conflict(ConflictResolve {
                        source: args.source,
                        record: args.record,
                        site: args.site,
                        content: args.content,
                        reopen: args.reopen,
                        reason: args.reason,
                        by: Some(by),
                    })
                    .await?;
                session.print(&resolved, render::conflict)?;
            }
        }
        Ok(ExitStatus::Pass)
    }
}
