//! `starling scan`

mod baseline;
mod report;
mod show;

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use starling_api::limits::{
    BASELINE_MAX_BYTES, POLICY_MAX_BYTES, REGO_MAX_BYTES, SBOM_MAX_BYTES, VEX_MAX_BYTES, VEX_MAX_DOCUMENTS,
    VEX_TOTAL_MAX_BYTES,
};
use starling_api::{ScanDocuments, SiteService};
use starling_api_types::{
    AsOf, ErrorCode, ExitStatus, FailOn, Problem, ScanParams, Timestamp, VerdictEnvelope,
};
use starling_policy::units::{parse_percent, parse_span};

use self::baseline::{Baseline, other_product};
pub(crate) use self::report::{ScanOutcome, ScanReport, Scanned};
use self::show::{Shape, Wanted};
use super::{Outcome, input};
use crate::local::scan_without_store;
use crate::output::{STANDARD, input_name};
use crate::outputs;
use crate::progress::Step;
use crate::render::Details;
use crate::session::{Session, note, warn};

/// Scan SBOMs or lockfiles and decide pass or fail
#[derive(Debug, Args)]
#[command(after_help = "\
Equal knowledge, policy and --at give the same verdict bytes at every site. With --as-of, a scan uses the knowledge of
an earlier time, including mutes, as far back as `starling status --all` shows. It still uses today's policy and stored
VEX documents (`starling vex list`). With the policy and VEX documents of that time, the verdict has the same bytes as
then.

Each SBOM is scanned by itself. If one is rejected, the others are still scanned. The exit code is the first of
1, 2, 3, 4, 5 that any SBOM ends with. Without a verdict, every report but json and cyclonedx says that the scan failed,
with the same exit code. An SBOM may have at most 64 MiB, 1,000,000 components, and 100,000 findings at 1,000,000 places.
Split larger ones.

Example:
  starling scan sbom.json --fail-on high
  starling scan web.json worker.json --min-coverage 95 --max-age 48h
  starling scan sbom.json --fail-on low --baseline accepted.json
  starling scan sbom.json --policy policy.yaml --vex supplier.vex.json
  starling scan sbom.json --format sarif -o scan.sarif
  starling scan sbom.json --fail-on high --format sarif=scan.sarif \\
      --format html=scan.html
  starling scan sbom.json --fail-on high --quiet
  starling scan sbom.json --policy policy.yaml --rego policy.rego
  starling scan sbom.json --fail-on high --explain
  starling scan sbom.json --as-of 2025-01-15T10:30:00.000Z
  starling scan sbom.json --as-of site-b@2025-01-15T10:30:00.000Z#0042
  syft -o cyclonedx-json dir:. | starling scan - --json

Exit codes: 0 pass, 1 fail by policy, 2 usage, 3 input refused, 4 knowledge missing or stale,
  5 coverage too low, 6 not reachable or locked, 10 internal error, 11 store damaged, 12 disk full")]
pub(crate) struct Scan {
    /// The SBOMs; `-` is standard input
    #[arg(value_name = "SBOM|-", required = true)]
    sboms: Vec<PathBuf>,
    /// Fail on findings of this severity or higher, besides those that the policy fails; replaces scan.fail_on
    #[arg(long, value_name = "LEVEL", value_parser = level_parser())]
    fail_on: Option<FailOn>,
    /// Exit with 5 unless at least this percentage of packages was checked, as in 95 or 99.5
    #[arg(long, value_name = "PERCENT", value_parser = parse_percent)]
    min_coverage: Option<u16>,
    /// Exit with 4 if a source was never checked, or last checked longer ago than this, as in 48h or 7d
    #[arg(long, value_name = "SPAN", value_parser = parse_span)]
    max_age: Option<u64>,
    /// Time at which to evaluate, as in 2025-01-15T10:30:00.000Z; default: the time of --as-of, else now
    #[arg(long, value_name = "TIME")]
    at: Option<Timestamp>,
    /// Evaluate against what the site knew at this time, date (end of day, UTC) or cursor (CURSOR or SITE@CURSOR)
    #[arg(long, value_name = "MOMENT")]
    as_of: Option<AsOf>,
    /// Fail only on findings that are not in this verdict, or in this report of several SBOMs
    #[arg(long, value_name = "VERDICT")]
    baseline: Option<PathBuf>,
    /// Policy file, YAML or Rego (detected). Replaces both of the site's policies
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// Rego policy, used together with --policy. Without --policy, the only policy
    #[arg(long, value_name = "FILE")]
    rego: Option<PathBuf>,
    /// VEX document in OpenVEX, CSAF or CycloneDX JSON, used in addition to the stored ones; may be repeated
    #[arg(long, value_name = "FILE")]
    vex: Vec<PathBuf>,
    /// Fail if a policy rule decides nothing in any SBOM, or a mute for one of the SBOMs mutes nothing
    #[arg(long)]
    fail_on_unused: bool,
    /// Output format: table, json, sarif, junit, cyclonedx, csv, markdown or html; FORMAT=FILE writes it to a file.
    /// May be repeated. `--json` is short for json
    #[arg(long, value_name = "FORMAT[=FILE]")]
    format: Vec<Wanted>,
    /// Output file for the format without a FILE; `-` is standard output
    #[arg(
        short,
        long,
        value_name = "FILE|-",
        default_value = STANDARD
    )]
    output: PathBuf,
    /// Print nothing to standard output; files are still written
    #[arg(short, long)]
    quiet: bool,
    /// Exit with 0 for any verdict. Errors that prevent a verdict keep their exit code
    #[arg(long)]
    exit_zero: bool,
    /// For each finding, show the rule that matched, its place and its sources
    #[arg(long)]
    explain: bool,
    /// Show the other ids of each vulnerability
    #[arg(long)]
    aliases: bool,
}

fn level_parser() -> impl TypedValueParser<Value = FailOn> {
    PossibleValuesParser::new(FailOn::ALL.map(FailOn::as_str)).try_map(|text| text.parse::<FailOn>())
}

impl Scan {
    pub(crate) async fn run(self, session: &Session) -> Outcome {
        self.check(session)?;
        match self.scan(session).await {
            Ok((report, status)) => {
                self.show(session, &report).await?;
                let ended = self.ended(&report, status);
                if ended != status && !self.quiet {
                    note(&format!("{} by --exit-zero, in place of {status}", ended));
                }
                Ok(ended)
            }
            Err(problem) => {
                self.show_failure(session, &problem).await;
                Err(problem)
            }
        }
    }

    /// Scans the SBOMs; returns the results with the status that they end with.
    async fn scan(&self, session: &Session) -> Result<(ScanReport, ExitStatus), Problem> {
        session.ensure_gates_apply().await?;
        let baseline = match &self.baseline {
            Some(path) => Some(Baseline::of(
                input::read(path, "the baseline", BASELINE_MAX_BYTES).await?,
            )?),
            None => None,
        };
        let extras = self.extras(baseline).await?;
        if let [sbom] = self.sboms.as_slice() {
            let bytes = input::read(sbom, "the SBOM", SBOM_MAX_BYTES).await?;
            let step = session.step(format!("Scanning {}", input_name(sbom)));
            let envelope = self.judge(session, &step, sbom, bytes, &extras).await?;
            drop(step);
            return ScanReport::of(vec![extras.scanned(sbom, Ok(envelope))]);
        }
        let mut scans = Vec::with_capacity(self.sboms.len());
        for sbom in &self.sboms {
            let outcome = match input::read(sbom, "the SBOM", SBOM_MAX_BYTES).await {
                Ok(bytes) => {
                    let step = session.step(format!("Scanning {}", input_name(sbom)));
                    match self.judge(session, &step, sbom, bytes, &extras).await {
                        // The site gets the SBOM's bytes, so a file that it cannot open is one of its own files.
                        Err(problem) if problem.code == ErrorCode::FileAccess => return Err(problem),
                        judged => judged,
                    }
                }
                Err(problem) => Err(problem),
            };
            match outcome {
                Err(problem) if !is_of_the_sbom(problem.code) => return Err(problem),
                outcome => {
                    if let Err(problem) = &outcome
                        && !self.is_for_the_terminal(session)
                    {
                        note(&format!("refused: {problem}"));
                    }
                    scans.push(extras.scanned(sbom, outcome));
                }
            }
        }
        let (mut report, mut status) = ScanReport::of(scans)?;
        if self.fail_on_unused {
            for unused in report.unused() {
                note(&unused);
                status = ExitStatus::FailedByPolicy;
            }
            report.exit_code = status.code();
        }
        Ok((report, status))
    }

    /// Writes that no SBOM was scanned to the reports that a file or a program expects: a missing report, or that of an
    /// earlier scan, would not tell.
    async fn show_failure(&self, session: &Session, problem: &Problem) {
        let scans = self.sboms.iter();
        let scans = scans.map(|sbom| Scanned::of(sbom, Err(problem.clone())));
        let Ok((report, _)) = ScanReport::of(scans.collect()) else {
            return;
        };
        let shape = self.shape(session);
        let is_printed = self.output.as_os_str() == STANDARD;
        // At a terminal the error itself is the report.
        let is_told = is_printed && (self.quiet || shape == Shape::Table);
        let output = (!is_told).then_some((shape, self.output.as_path()));
        let files = self.format.iter();
        let files = files.filter_map(|wanted| Some((wanted.shape, wanted.file.as_deref()?)));
        for (shape, target) in files.chain(output).filter(|(shape, _)| shape.can_say_failed()) {
            if let Err(unwritten) = show::write(&report, shape, Details::default(), target).await {
                warn(&unwritten.to_string());
            }
        }
    }

    /// Returns the command's exit status after verdicts that ended with `status`.
    fn ended(&self, report: &ScanReport, status: ExitStatus) -> ExitStatus {
        if !self.exit_zero {
            return status;
        }
        // An SBOM without a verdict still ends with its error.
        let refused = report.scans.iter().find_map(|scan| match &scan.outcome {
            ScanOutcome::Problem(problem) => Some(problem.exit_status()),
            ScanOutcome::Result(_) => None,
        });
        let is_a_verdict = matches!(
            status,
            ExitStatus::FailedByPolicy | ExitStatus::KnowledgeMissing | ExitStatus::CoverageTooLow
        );
        refused.unwrap_or(if is_a_verdict { ExitStatus::Pass } else { status })
    }

    async fn show(&self, session: &Session, report: &ScanReport) -> Result<(), Problem> {
        // With --quiet too: what is missing may change the verdict. The table says it itself.
        if let Some(unfinished) = report.unfinished().filter(|_| !self.is_for_the_terminal(session)) {
            warn(&unfinished);
        }
        if self.quiet {
            let notes: Vec<String> = report.known_in_part().into_iter().collect();
            crate::render::folded(&notes, "ecosystems")
                .iter()
                .for_each(|what| warn(what));
        }
        for other in report.scans.iter().filter_map(|scan| scan.other_product.as_ref()) {
            warn(other);
        }
        let files = self.format.iter().map(|wanted| wanted.shape);
        if files
            .chain([self.shape(session)])
            .any(|shape| shape == Shape::Cyclonedx)
        {
            report.without_answer().iter().for_each(|what| warn(what));
        }
        let details = Details {
            explain: self.explain,
            aliases: self.aliases,
        };
        for wanted in &self.format {
            if let Some(file) = &wanted.file {
                show::write(report, wanted.shape, details, file).await?;
                if !self.quiet && !session.json() && std::io::stderr().is_terminal() {
                    note(&format!("wrote {}", file.display()));
                }
            }
        }
        if self.quiet && self.output.as_os_str() == STANDARD {
            return Ok(());
        }
        show::write(report, self.shape(session), details, &self.output).await
    }

    /// Returns the format for `--output`.
    fn shape(&self, session: &Session) -> Shape {
        let default = if session.json() { Shape::Json } else { Shape::Table };
        let mut without_file = self.format.iter().filter(|wanted| wanted.file.is_none());
        without_file.next().map_or(default, |wanted| wanted.shape)
    }

    /// Returns true if the report is printed to the terminal.
    fn is_for_the_terminal(&self, session: &Session) -> bool {
        !self.quiet && self.shape(session) == Shape::Table && self.output.as_os_str() == STANDARD
    }

    /// Returns the paths of all documents that the scan reads.
    fn inputs(&self) -> impl Iterator<Item = &Path> {
        let policies = self.policy.iter().chain(&self.rego);
        let more = self.baseline.iter().chain(policies).chain(&self.vex);
        self.sboms.iter().chain(more).map(PathBuf::as_path)
    }

    fn check(&self, session: &Session) -> Result<(), Problem> {
        if self.inputs().filter(|path| path.as_os_str() == STANDARD).count() > 1 {
            return Err(Problem::new(
                ErrorCode::BadRequest,
                "reading the SBOMs: `-` is given twice, but standard input can be read only once",
            ));
        }
        if self.format.iter().filter(|wanted| wanted.file.is_none()).count() > 1 {
            return Err(Problem::new(
                ErrorCode::BadRequest,
                "writing the report: only one --format can go to --output; give the others a file, as in --format sarif=FILE",
            ));
        }
        let printed = self.shape(session);
        if session.json() && printed != Shape::Json {
            return Err(Problem::new(
                ErrorCode::BadRequest,
                "writing the report: --json and a --format without a file both choose what goes to --output",
            )
            .hint("leave out --json, or give the format a file, as in --format html=FILE"));
        }
        let files = self.format.iter().filter_map(|wanted| wanted.file.as_deref());
        let named = files.clone().filter(|file| file.as_os_str() == STANDARD).count();
        let is_shown = self.output.as_os_str() == STANDARD && !self.quiet;
        if named + usize::from(is_shown) > 1 {
            return Err(Problem::new(
                ErrorCode::BadRequest,
                "writing the report: two reports would go to standard output, one after the other",
            )
            .hint("for one format, leave out `=-`; give the others a file, as in --format sarif=FILE"));
        }
        outputs::check(
            session.home(),
            self.inputs(),
            files.chain([self.output.as_path()]),
        )
    }

    /// Reads the documents that apply to every SBOM.
    async fn extras(&self, baseline: Option<Baseline>) -> Result<Extras, Problem> {
        let policy = match &self.policy {
            Some(path) => Some(input::read(path, "the policy", POLICY_MAX_BYTES).await?),
            None => None,
        };
        let rego = match &self.rego {
            Some(path) => Some(input::read(path, "the Rego policy", REGO_MAX_BYTES).await?),
            None => None,
        };
        let too_much = |found: String| {
            let allowed = format!(
                "{found}: expected at most {VEX_MAX_DOCUMENTS} documents with {VEX_TOTAL_MAX_BYTES} bytes in total"
            );
            Problem::new(
                ErrorCode::BodyTooLarge,
                format!("reading the VEX documents: {allowed}"),
            )
        };
        if self.vex.len() > VEX_MAX_DOCUMENTS {
            return Err(too_much(format!("there are {}", self.vex.len())));
        }
        let mut vex = Vec::with_capacity(self.vex.len());
        let mut size = 0;
        for path in &self.vex {
            let document = input::read(path, "the VEX document", VEX_MAX_BYTES).await?;
            size += document.len() as u64;
            if size > VEX_TOTAL_MAX_BYTES {
                return Err(too_much(format!(
                    "those up to {} have {size} bytes",
                    input_name(path)
                )));
            }
            vex.push(document);
        }
        Ok(Extras {
            baseline,
            policy,
            rego,
            vex,
        })
    }

    /// Scans one SBOM with the daemon, else with the match index alone, else with the store.
    async fn judge(
        &self,
        session: &Session,
        step: &Step,
        sbom: &Path,
        bytes: Bytes,
        extras: &Extras,
    ) -> Result<VerdictEnvelope, Problem> {
        let documents = ScanDocuments {
            sbom: bytes,
            baseline: extras
                .baseline
                .as_ref()
                .and_then(|baseline| baseline.of_sbom(&sbom.to_string_lossy())),
            policy: extras.policy.clone(),
            rego: extras.rego.clone(),
            vex: extras.vex.clone(),
        };
        let params = ScanParams {
            fail_on: self.fail_on,
            at: self.at,
            as_of: self.as_of.clone(),
            min_coverage_basis_points: self.min_coverage,
            max_age_seconds: self.max_age,
            // A rule unused in one SBOM may be used in another, so this is checked at the end.
            fail_on_unused: self.fail_on_unused && self.sboms.len() == 1,
        };
        let judged = match session.daemon(step).await {
            Ok(daemon) => match daemon.scan(documents.clone(), params.clone()).await {
                // The daemon is still opening its store, and the index alone cannot answer.
                Err(problem) if problem.code == ErrorCode::Busy => {
                    session.open_daemon(step).await?.scan(documents, params).await
                }
                judged => judged,
            },
            Err(problem) if problem.code == ErrorCode::DaemonNotRunning => {
                match scan_without_store(session.home(), &documents, &params) {
                    Some(judged) => judged,
                    None => session.site(step).await?.scan(documents, params).await,
                }
            }
            Err(problem) => Err(problem),
        };
        judged.map_err(|problem| self.about(sbom, self.about_policy(problem)))
    }

    /// Names the file of a policy that cannot be read: the site only sees its bytes.
    fn about_policy(&self, mut problem: Problem) -> Problem {
        let rego = self.rego.as_ref().or(self.policy.as_ref());
        for (given, file) in [
            ("the policy given", self.policy.as_ref()),
            ("the Rego policy given", rego),
        ] {
            let rest = problem.detail.strip_prefix(given).map(str::to_owned);
            if let (Some(rest), Some(file)) = (rest, file) {
                problem.detail = format!("{}{rest}", input_name(file));
            }
        }
        problem
    }

    /// Puts the SBOM's name before a problem that is, or may be, about that SBOM: the site only sees its bytes.
    fn about(&self, sbom: &Path, mut problem: Problem) -> Problem {
        let of_the_site = problem.code == ErrorCode::FileAccess;
        if !of_the_site && (is_of_the_sbom(problem.code) || self.sboms.len() > 1) {
            problem.detail = format!("{}: {}", input_name(sbom), problem.detail);
        }
        problem
    }
}

/// Documents that apply to every SBOM.
struct Extras {
    baseline: Option<Baseline>,
    policy: Option<Bytes>,
    rego: Option<Bytes>,
    vex: Vec<Bytes>,
}

/// Returns true if a problem concerns one SBOM only, so that the others can still be scanned.
fn is_of_the_sbom(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::SbomUnreadable | ErrorCode::BodyTooLarge | ErrorCode::FileAccess
    )
}

impl Extras {
    /// Returns an SBOM with its result, and a note if the baseline is of another product.
    fn scanned(&self, sbom: &Path, outcome: Result<VerdictEnvelope, Problem>) -> Scanned {
        let mut scanned = Scanned::of(sbom, outcome);
        let name = sbom.to_string_lossy();
        let baseline = self
            .baseline
            .as_ref()
            .and_then(|baseline| baseline.of_sbom(&name));
        if let (ScanOutcome::Result(envelope), Some(baseline)) = (&scanned.outcome, baseline) {
            scanned.other_product = other_product(&name, &baseline, envelope.verdict.as_str().as_bytes());
        }
        scanned
    }
}
