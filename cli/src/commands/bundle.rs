//! `starling bundle …`

use std::collections::BTreeSet;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand};
use starling_api_types::{
    BundleValidation, ConflictStrategy, ErrorCode, ExitStatus, ExportRequest, ExportSummary, ImportLog,
    ImportParams, ImportReport, Problem, SiteCursor, SiteSlug,
};

use super::Outcome;
use crate::candidates;
use crate::local;
use crate::output::{STANDARD, input_name, open_input, write_stream};
use crate::outputs;
use crate::render;
use crate::session::{Session, note, warn};

/// Carry knowledge in files where there is no network
#[derive(Debug, Subcommand)]
pub(crate) enum Bundle {
    Export(Export),
    Import(Import),
    Validate(Validate),
    Inspect(Inspect),
}

/// Write a bundle with what another site lacks
#[derive(Debug, Args)]
#[command(after_help = "\
The file is a zstd stream: `zstd -dc FILE | jq` shows every record in it.

Example:
  starling bundle export --to site-air-gapped -o delta.stl
  starling bundle export -c 2025-01-15T10:30:00.000Z#0042 -o delta.stl

Exit codes: 0 written, 2 usage, 3 no such site, 4 a record body is not held, 6 not reachable or locked, 12 disk full")]
pub(crate) struct Export {
    /// What the reader already has: CURSOR in this site's log, or SITE=CURSOR; may be repeated. Without it, the bundle
    /// has everything
    #[arg(long = "cursor", short, value_name = "[SITE=]CURSOR")]
    cursors: Vec<SiteCursor>,
    /// The allow-listed site that the bundle is for; starts at that site's last known position
    #[arg(long, value_name = "SITE", add = candidates::sites())]
    to: Option<SiteSlug>,
    /// Output file; `-` is standard output
    #[arg(long, short, value_name = "FILE|-")]
    output: PathBuf,
}

/// Verify a bundle and import it. Each log in it is imported completely or not at all
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  starling bundle import delta.stl --dry-run
  starling bundle import delta.stl

Exit codes: 0 all of it was imported, or was here in part, 3 nothing was imported: all of it was here, or it was
  rejected (the error says which), 6 not reachable or locked,
  7 partly imported (some logs were held or rejected, and the answer lists them), 12 disk full")]
pub(crate) struct Import {
    /// The bundle; `-` is standard input
    #[arg(value_name = "FILE|-")]
    path: PathBuf,
    /// Import into a copy and report the result; change nothing
    #[arg(long)]
    dry_run: bool,
    /// Import even if the bundle has nothing new; never lowers a position
    #[arg(long)]
    force: bool,
    /// `fail`: reject a bundle that conflicts with another author's statement about the same record. Any other value
    /// settles nothing: view.conflict_strategy alone decides what the view shows, and a warning says if they differ
    #[arg(long, value_name = "STRATEGY", value_parser = strategy_parser())]
    on_conflict: Option<ConflictStrategy>,
    /// Skip the seal's signature check if the configuration allows it for this exporter; deltas are always verified
    #[arg(long)]
    skip_signature: bool,
}

/// Check a bundle as an import would, and change nothing. Without a site, only the file itself is checked
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  starling bundle validate delta.stl

Exit codes: 0 valid, 3 not valid, or valid and without news (`valid` and `news` of --json tell them apart),
  6 not reachable or locked")]
pub(crate) struct Validate {
    /// The bundle; `-` is standard input
    #[arg(value_name = "FILE|-")]
    path: PathBuf,
}

/// Show what a bundle says about itself, without verifying it
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  starling bundle inspect delta.stl

Exit codes: 0 shown, 3 not a bundle, 6 not reachable or locked")]
pub(crate) struct Inspect {
    /// The bundle; `-` is standard input
    #[arg(value_name = "FILE|-")]
    path: PathBuf,
}

fn strategy_parser() -> impl TypedValueParser<Value = ConflictStrategy> {
    PossibleValuesParser::new(ConflictStrategy::ALL.map(ConflictStrategy::as_str))
        .try_map(|text| text.parse::<ConflictStrategy>())
}

/// The answer of `bundle export`.
#[derive(Debug, serde::Serialize)]
struct Exported {
    output: PathBuf,
    #[serde(flatten)]
    summary: ExportSummary,
}

impl Bundle {
    pub(crate) async fn run(self, session: &Session) -> Outcome {
        match self {
            Self::Export(args) => args.run(session).await?,
            Self::Import(args) => return args.run(session).await,
            Self::Validate(args) => {
                let bundle = open_input(&args.path)?;
                let step = session.step(format!("Checking {}", input_name(&args.path)));
                let site = session.site_if_any(&step).await?;
                let validation = match site {
                    Some(site) => site.validate_bundle(bundle).await?,
                    None => local::validate_bundle(bundle).await?,
                };
                drop(step);
                session.print(&validation, render::bundle_validation)?;
                if let Some(why) = not_importable(&validation) {
                    session.close(ExitStatus::InputRefused, why);
                    return Ok(ExitStatus::InputRefused);
                }
            }
            Self::Inspect(args) => {
                let bundle = open_input(&args.path)?;
                let step = session.step(format!("Reading {}", input_name(&args.path)));
                let site = session.site_if_any(&step).await?;
                let info = match site {
                    Some(site) => site.inspect_bundle(bundle).await?,
                    None => local::inspect_bundle(bundle).await?,
                };
                drop(step);
                session.print(&info, render::bundle_info)?;
            }
        }
        Ok(ExitStatus::Pass)
    }
}

impl Export {
    async fn run(self, session: &Session) -> Result<(), Problem> {
        outputs::check(session.home(), [], [self.output.as_path()])?;
        if self.output.as_os_str() == STANDARD && std::io::stdout().is_terminal() {
            let detail = "writing the bundle: standard output is a terminal, and a bundle is not text";
            return Err(
                Problem::new(ErrorCode::BadRequest, detail).hint("give a file, as in --output delta.stl")
            );
        }
        let step = session.step(format!("Exporting to {}", self.output.display()));
        let site = session.site(&step).await?;
        let bundle = site
            .export_bundle(ExportRequest {
                cursors: self.cursors,
                to_site: self.to,
            })
            .await?;
        let mut summary = bundle.summary;
        summary.size_bytes = Some(write_stream(&self.output, bundle.bytes).await?);
        drop(step);
        for warning in &summary.warnings {
            warn(warning);
        }
        let exported = Exported {
            output: self.output,
            summary,
        };
        if exported.output.as_os_str() == STANDARD {
            note(&render::export(&exported.summary));
            return Ok(());
        }
        session.print(&exported, |exported| {
            format!(
                "{}\nwrote {}",
                render::export(&exported.summary),
                exported.output.display()
            )
        })
    }
}

/// Says that nothing of an import is used here, if that is so. It is this site's choice, and no failure.
fn nothing_used(report: &ImportReport) -> Option<String> {
    let is_unused = |log: &ImportLog| !log.not_used.is_empty() && log.other_claims == Some(0);
    if report.logs.is_empty() || !report.logs.iter().all(is_unused) {
        return None;
    }
    let sources: BTreeSet<&str> = report
        .logs
        .iter()
        .flat_map(|log| &log.not_used)
        .map(|unused| unused.source.as_str())
        .collect();
    let sources: Vec<&str> = sources.into_iter().collect();
    Some(format!(
        "NOTHING of this bundle is used here: the allow-list accepts none of its sources ({}) from their authors; \
         `starling sites set SITE --allowed-sources …` accepts them",
        sources.join(", ")
    ))
}

impl Import {
    async fn run(self, session: &Session) -> Outcome {
        let params = ImportParams {
            dry_run: self.dry_run,
            skip_signature: self.skip_signature,
            on_conflict: self.on_conflict,
            force: self.force,
        };
        let bundle = open_input(&self.path)?;
        let step = session.step(format!("Importing {}", input_name(&self.path)));
        let site = session.site(&step).await?;
        let report = match site.import_bundle(bundle, params).await {
            // Nothing failed: only the exit code says that nothing was imported.
            Err(problem) if problem.code == ErrorCode::CursorNotAfterCurrent && !session.json() => {
                drop(step);
                session.print_text(&render::nothing_new(&problem))?;
                return Ok(problem.exit_status());
            }
            imported => imported?,
        };
        drop(step);
        session.print(&report, render::import_report)?;
        if let Some(unused) = nothing_used(&report) {
            warn(&unused);
        }
        let index_ms = if self.dry_run {
            0
        } else {
            session.make_ready_to_scan(&*site).await
        };
        session.print_text(&render::took(12, report.duration_ms, index_ms, None))?;
        if report.success {
            return Ok(ExitStatus::Pass);
        }
        session.close(ExitStatus::TakenInPart, &taken_in_part(&report, &self.path));
        Ok(ExitStatus::TakenInPart)
    }
}

/// Says why a bundle that was checked is not one to import as it is, and what to do; `None` if it is.
fn not_importable(validation: &BundleValidation) -> Option<&'static str> {
    match (validation.valid, validation.news) {
        (false, Some(true)) => Some(
            "not all of it would be imported: each NO above says why; `starling bundle import FILE --dry-run` shows the result",
        ),
        (false, _) => Some("no import would take any of it: each NO above says why, and what to do"),
        (true, Some(false)) => Some("nothing of it is new here, so there is nothing to import"),
        (true, _) => None,
    }
}

/// Says why an import ends with 7, and what to do.
fn taken_in_part(report: &ImportReport, path: &Path) -> String {
    let left = report.logs.iter();
    let left: Vec<String> = left
        .filter(|log| log.reason.is_some() && log.not_used.is_empty())
        .map(|log| render::author(log.site_id.as_ref(), &log.site))
        .collect();
    let whose = match left.as_slice() {
        [] => "some logs".to_owned(),
        [one] => format!("the log of {one}"),
        [first, rest @ ..] => format!(
            "the logs of {first} and {}",
            render::counted(rest.len() as u64, "other", "others")
        ),
    };
    let verb = if left.len() == 1 { "was" } else { "were" };
    let file = if path.as_os_str() == STANDARD {
        "FILE".to_owned()
    } else {
        path.display().to_string()
    };
    format!(
        "{whose} {verb} held or refused, the rest is imported: do what the reasons above say, then \
         `starling bundle import {file}` again"
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn import_without_usable_claims_is_reported() {
        let report = |other_claims: u64| -> ImportReport {
            let hash = format!("blake3:{}", "0".repeat(64));
            serde_json::from_value(json!({
                "success": true, "bundle_hash": hash, "imported_cursor": null, "conflicts": [], "duration_ms": 1,
                "counts": {"canonical_created": 0, "canonical_updated": 0, "canonical_skipped": 0, "edges_added": 0,
                    "deletions_processed": 0},
                "logs": [{"site": hash, "site_id": "site-b", "lane": "federation", "outcome": "taken", "cursor": null,
                    "not_used": [{"source": "ghsa", "claims": 3}], "other_claims": other_claims}],
            }))
            .unwrap()
        };
        let told = nothing_used(&report(0)).unwrap();
        assert!(told.contains("NOTHING") && told.contains("(ghsa)"), "{told}");
        assert_eq!(nothing_used(&report(1)), None);
    }
}
