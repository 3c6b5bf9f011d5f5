//! `starling advisory …`, also `starling canonical …`

use std::path::PathBuf;

use clap::{Args, Subcommand};
use starling_api::SiteService;
use starling_api_types::{
    AdvisoryListQuery, AdvisoryPage, AdvisoryQuery, AsOf, DumpQuery, ErrorCode, ExitStatus, Problem,
    RawDocument, RawQuery, SourceName,
};

use super::Outcome;
use crate::candidates;
use crate::output::{STANDARD, write_stream};
use crate::outputs;
use crate::progress::Step;
use crate::render;
use crate::session::{Session, note};

/// Look up canonical advisories and the records behind them
#[derive(Debug, Subcommand)]
pub(crate) enum Advisory {
    Get(Get),
    Raw(Raw),
    List(List),
    Dump(Dump),
}

/// Show the advisories for an id, package URL or merge hash, and where each field comes from
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  starling advisory get CVE-2021-44228
  starling canonical get pkg:npm/express
  starling advisory get CVE-2021-44228 --as-of 2025-01-15

Exit codes: 0 shown, 4 not known here, or --as-of goes back too far, 6 not reachable or locked")]
pub(crate) struct Get {
    /// CVE-…, GHSA-… or any other id, a package URL, or a merge hash
    #[arg(value_name = "NAME")]
    name: String,
    /// Show what the site knew at this time, date (end of day, UTC) or cursor
    #[arg(long, value_name = "MOMENT")]
    as_of: Option<AsOf>,
}

/// Write the document that a record came from, as it was fetched
///
/// Address, time and version are written to standard error; with --json to standard output, and --output is needed.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  starling advisory raw CVE-2021-44228 --source nvd
  starling advisory raw GHSA-jfh8-c2jp-5v3q --output record.json

Exit codes: 0 written, 2 usage, 4 not known here, or its document is not kept, 6 not reachable or locked")]
pub(crate) struct Raw {
    /// The record's id, or an alias
    #[arg(value_name = "ID")]
    id: String,
    /// The source of the record, if several have one of this name
    #[arg(long, value_name = "NAME", add = candidates::sources())]
    source: Option<SourceName>,
    /// Output file; `-` is standard output
    #[arg(long, short, value_name = "FILE|-", default_value = STANDARD)]
    output: PathBuf,
}

/// The answer of `advisory raw` to a file.
#[derive(Debug, serde::Serialize)]
struct RawWritten {
    output: PathBuf,
    #[serde(flatten)]
    document: RawDocument,
}

/// List advisories
#[derive(Debug, Args)]
#[command(after_help = "\
If there are more rows than --limit, --after continues with the token that the list ends with; with --json it is `next`.

Example:
  starling advisory list --purl pkg:npm/express
  starling advisory list --query log4j --limit 20

Exit codes: 0 listed (also if none matches), 2 usage, 6 not reachable or locked")]
pub(crate) struct List {
    /// Only advisories for this package URL; with a version, only those that affect it
    #[arg(long)]
    purl: Option<String>,
    /// Only advisories for this package, as ECOSYSTEM/NAME
    #[arg(long, value_name = "ECOSYSTEM/NAME")]
    package: Option<String>,
    /// Only advisories with this text in an id, a package name or the summary
    #[arg(long, short, value_name = "TEXT")]
    query: Option<String>,
    /// Maximum number of rows; 0 for all
    #[arg(long, value_name = "ROWS", default_value_t = AdvisoryListQuery::DEFAULT_LIMIT)]
    limit: u32,
    /// Continue after an earlier list: the token that it printed, which is `next` in its JSON
    #[arg(long, value_name = "TOKEN")]
    after: Option<String>,
}

/// Write the live records as NDJSON: canonical bytes, sorted by source and id
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  starling advisory dump --source ghsa -o ghsa.ndjson
  starling advisory dump -o - | jq -r .id

Exit codes: 0 written, 2 the file cannot be written, 4 no such source here, 6 not reachable or locked, 12 disk full")]
pub(crate) struct Dump {
    /// Only this source
    #[arg(long, value_name = "NAME", add = candidates::sources())]
    source: Option<SourceName>,
    /// Output file; `-` is standard output
    #[arg(long, short, value_name = "FILE|-")]
    output: PathBuf,
}

/// The answer of `advisory dump` to a file.
#[derive(Debug, serde::Serialize)]
struct Dumped {
    output: PathBuf,
    size_bytes: u64,
}

impl Advisory {
    pub(crate) async fn run(self, session: &Session) -> Outcome {
        match self {
            Self::Get(args) => {
                let site = session.site(&Step::silent()).await?;
                let query = AdvisoryQuery { as_of: args.as_of };
                session.print(&site.advisory(&args.name, query).await?, render::advisories)?;
            }
            Self::Raw(args) => args.run(session).await?,
            Self::List(args) => {
                let site = session.site(&Step::silent()).await?;
                let page = args.pages(&*site).await?;
                session.print(&page, render::advisory_page)?;
                if let Some(next) = &page.next {
                    note(&format!(
                        "there are more rows: use --limit 0 for all, or continue with\n--after {next}"
                    ));
                }
            }
            Self::Dump(args) => {
                outputs::check(session.home(), [], [args.output.as_path()])?;
                let step = session.step("Writing records");
                let site = session.site(&step).await?;
                let records = site.dump(DumpQuery { source: args.source }).await?;
                let size_bytes = write_stream(&args.output, records).await?;
                drop(step);
                if args.output.as_os_str() != STANDARD {
                    let dumped = Dumped {
                        output: args.output,
                        size_bytes,
                    };
                    session.print(&dumped, |dumped| {
                        format!(
                            "wrote {} to {}",
                            render::size(dumped.size_bytes),
                            dumped.output.display()
                        )
                    })?;
                }
            }
        }
        Ok(ExitStatus::Pass)
    }
}

impl Raw {
    async fn run(self, session: &Session) -> Result<(), Problem> {
        let is_file = self.output.as_os_str() != STANDARD;
        if session.json() && !is_file {
            let detail = "writing a document: --json and the document cannot both go to standard output";
            return Err(Problem::new(ErrorCode::BadRequest, detail).hint("add --output FILE"));
        }
        outputs::check(session.home(), [], [self.output.as_path()])?;
        let step = session.step("Looking for the document");
        let site = session.site(&step).await?;
        let query = RawQuery { source: self.source };
        let answer = site.advisory_raw(&self.id, query).await?;
        drop(step);
        write_stream(&self.output, answer.bytes).await?;
        if session.json() {
            let written = RawWritten {
                output: self.output,
                document: answer.document,
            };
            return session.print(&written, |_| String::new());
        }
        note(&raw_words(&answer.document));
        Ok(())
    }
}

/// Says in lines what a raw document is.
fn raw_words(document: &RawDocument) -> String {
    let mut lines = vec![
        format!(
            "{} {} of feed {}",
            document.source, document.record_id, document.feed
        ),
        format!("address   {}", document.address),
        format!("document  {}", document.name),
        format!("fetched   {}", document.fetched_at),
    ];
    lines.extend(
        document
            .validator
            .iter()
            .map(|version| format!("version   {version}")),
    );
    if !document.is_stated {
        lines.push("this document alone does not give the record as this site states it".to_owned());
    }
    lines.join("\n")
}

impl List {
    /// Fetches as many pages as the limit needs and joins them.
    async fn pages(self, site: &dyn SiteService) -> Result<AdvisoryPage, Problem> {
        let mut left = if self.limit == 0 { u32::MAX } else { self.limit };
        let mut after = self.after;
        let mut all = Vec::new();
        loop {
            let query = AdvisoryListQuery {
                purl: self.purl.clone(),
                package: self.package.clone(),
                q: self.query.clone(),
                limit: Some(left.min(AdvisoryListQuery::MAX_LIMIT)),
                after,
            };
            let mut page = site.advisories(query).await?;
            left = left.saturating_sub(u32::try_from(page.advisories.len()).unwrap_or(u32::MAX));
            all.append(&mut page.advisories);
            if page.next.is_none() || left == 0 {
                page.advisories = all;
                return Ok(page);
            }
            after = page.next;
        }
    }
}
