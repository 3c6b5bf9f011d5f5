//! `starling feeds …`

mod add;
mod history;
mod run;
mod set;
mod settings;
mod show;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use starling_api_types::{ErrorCode, ExitStatus, FeedImportOptions, FeedImportReport, Problem, SourceName};

use super::Outcome;
use crate::candidates;
use crate::output::{input_name, open_input};
use crate::render;
use crate::session::{Session, warn};
use crate::source_names;

/// Take in advisories: by hand, and by feeds that the site fetches itself
#[derive(Debug, Subcommand)]
pub(crate) enum Feeds {
    Add(add::Add),
    Presets(add::Presets),
    List(show::List),
    Status(show::Status),
    Run(run::Run),
    History(history::History),
    Approve(run::Approve),
    Set(set::Set),
    Enable(add::Enable),
    Disable(add::Disable),
    Remove(add::Remove),
    Import(Import),
}

/// Take in a feed: documents of any known kind as file, folder, zip, tar, tar.gz, tar.zst or NDJSON
#[derive(Debug, Args)]
#[command(after_help = "\
Documents in the OSV schema are taken as they are; those of other kinds (kev, epss, nvd, cve, csaf, debian, alpine, …) are
read into it. The kind of each document is detected from its shape; --kind states it for all of them.
Every file is accounted for: stored, unchanged, duplicate, ignored (holds no record) or rejected. A file that
is not looked into (packed as xz or bzip2, an archive inside an archive) is rejected.
An input that is truncated or damaged is refused and changes nothing.
An input that takes away much of a source (over a fifth of its records, or of their severities, of what they affect or
when it was fixed), or whose changed records are mostly older than those here, is suspect: it is refused and changes
nothing, unless --approve is given. A source of fewer than 20 records may change as it likes.
Without a daemon, the match index, which scans use, is built at the end: a minute for a whole corpus, less for an update.

Example:
  starling feeds import advisory-database.zip --source ghsa --complete
  curl -s https://example.org/osv.ndjson | starling feeds import - --source mine
  starling feeds import known_exploited_vulnerabilities.json --source kev \\
      --complete

Exit codes: 0 all of it was taken in (with --complete the last line says if it counts as a check), 2 usage or no such file,
  3 input refused or every file of it rejected (with --strict: any), or this site was restored and signs nothing yet;
  6 not reachable or locked, 7 partly imported (the rejected files are listed, the rest is stored), 12 disk full")]
pub(crate) struct Import {
    /// The input; `-` is standard input
    #[arg(value_name = "PATH|-")]
    path: PathBuf,
    /// The source that it is of, such as `ghsa`
    #[arg(long, value_name = "NAME", add = candidates::sources())]
    source: SourceName,
    /// The input is the whole source: what is missing from it becomes absent, and the source is checked as of now
    #[arg(long)]
    complete: bool,
    /// Refuse all of it when one file is rejected
    #[arg(long)]
    strict: bool,
    /// Kind of the documents, such as osv, nvd or csaf (default: detected from each document's shape)
    #[arg(long, value_name = "KIND")]
    kind: Option<String>,
    /// Let a --complete input be empty; one that holds files of which none is understood is refused all the same
    #[arg(long, requires = "complete")]
    allow_empty: bool,
    /// Accept an input that removes much of what the source stated before
    #[arg(long)]
    approve: bool,
}

impl Feeds {
    pub(crate) async fn run(self, session: &Session) -> Outcome {
        match self {
            Self::Add(args) => args.run(session).await,
            Self::Presets(args) => args.run(session),
            Self::List(args) => args.run(session).await,
            Self::Status(args) => args.run(session).await,
            Self::Run(args) => args.run(session).await,
            Self::History(args) => args.run(session).await,
            Self::Approve(args) => args.run(session).await,
            Self::Set(args) => args.run(session).await,
            Self::Enable(args) => args.run(session).await,
            Self::Disable(args) => args.run(session).await,
            Self::Remove(args) => args.run(session).await,
            Self::Import(args) => args.run(session).await,
        }
    }
}

/// Says what becomes of files that were rejected.
fn rejected(files: u64) -> String {
    format!(
        "{} rejected; earlier records of {} stay",
        render::counted(files, "file was", "files were"),
        if files == 1 { "it" } else { "them" }
    )
}

impl Import {
    async fn run(self, session: &Session) -> Outcome {
        let options = FeedImportOptions {
            complete: self.complete,
            strict: self.strict,
            allow_empty: self.allow_empty,
            approve: self.approve,
            kind: self.kind,
        };
        let input = open_input(&self.path)?;
        refuse_endless(&self.path)?;
        let step = session.step(format!(
            "Importing {} from {}",
            self.source,
            input_name(&self.path)
        ));
        let site = session.site(&step).await?;
        source_names::note_misspelt(site.as_ref(), &[self.source.as_str()]).await;
        let report = site.import_feed(self.source, input, options).await?;
        drop(step);
        if report.rejected > 0 {
            warn(&rejected(report.rejected));
        }
        session.print(&report, render::feed_report)?;
        let index_ms = session.make_ready_to_scan(&*site).await;
        session.print_text(&render::took(
            9,
            report.duration_ms,
            index_ms,
            Some(report.input_bytes),
        ))?;
        if let Some(why) = &report.unchecked {
            session.print_text(&render::unchecked(&report.source, why))?;
        }
        // An empty input that was allowed is a document that is rejected, and nothing of it is missing.
        let is_in_part = report.rejected > 0 && (!report.complete || report.unchecked.is_some());
        Ok(if is_in_part {
            session.close(ExitStatus::TakenInPart, &taken_in_part(&report));
            ExitStatus::TakenInPart
        } else {
            ExitStatus::Pass
        })
    }
}

/// Says why the import ends with 7, and what to do.
fn taken_in_part(report: &FeedImportReport) -> String {
    let (is, them) = match report.rejected {
        1 => ("is", "it"),
        _ => ("are", "them"),
    };
    let command = format!(
        "starling feeds import PATH --source {}{}",
        report.source,
        if report.complete { " --complete" } else { "" }
    );
    format!(
        "{} rejected and {is} not known here, the rest is stored: mend {them} or leave {them} out, then `{command}`",
        render::counted(report.rejected, "file was", "files were"),
    )
}

/// Refuses an input that may never end: a device, a socket, a pipe by its name.
fn refuse_endless(path: &Path) -> Result<(), Problem> {
    let Some(what) = starling_daemon::endless_input(path) else {
        return Ok(());
    };
    let detail = format!(
        "importing {}: it is {what}, expected a file or a folder",
        path.display()
    );
    Err(Problem::new(ErrorCode::FeedUnreadable, detail)
        .hint("nothing was changed; pass a pipe as standard input (`-`)"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn device_is_refused_as_an_input() {
        let problem = refuse_endless(Path::new("/dev/zero")).unwrap_err();
        assert!(problem.to_string().contains("a device"), "{problem}");
        assert!(refuse_endless(Path::new("/")).is_ok());
        assert!(refuse_endless(Path::new("-")).is_ok());
    }

    #[test]
    fn rejected_files_are_counted_in_words() {
        assert_eq!(rejected(1), "1 file was rejected; earlier records of it stay");
        assert!(rejected(2).starts_with("2 files were rejected; earlier records of them stay"));
    }
}
