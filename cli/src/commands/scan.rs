//! `starling scan`

use std::path::PathBuf;

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use futures::StreamExt;
use starling_api::limits::SBOM_MAX_BYTES;
use starling_api::{SiteService, Upload, file_problem};
use starling_api_types::{ErrorCode, ExitStatus, FailOn, Problem, ScanParams, Timestamp};

use super::Outcome;
use crate::local::scan_cold;
use crate::output::open_input;
use crate::render;
use crate::session::Session;

/// Judge an SBOM: CycloneDX or SPDX JSON
#[derive(Debug, Args)]
#[command(after_help = "\
Equal knowledge, policy and --as-of give the same verdict bytes at every site.

Example:
  starling scan sbom.json --fail-on high
  syft -o cyclonedx-json dir:. | starling scan - --json

Exit codes: 0 pass, 1 fail by policy, 3 not an SBOM, 4 knowledge missing or stale,
  5 coverage too low, 6 not reachable or locked")]
pub(crate) struct Scan {
    /// The SBOM; `-` is standard input
    #[arg(value_name = "SBOM|-")]
    sbom: PathBuf,
    /// Fail from this severity on; the site's policy alone when absent
    #[arg(long, value_name = "LEVEL", value_parser = level_parser())]
    fail_on: Option<FailOn>,
    /// The moment to judge at, as in 2025-01-15T10:30:00.000Z; now when absent
    #[arg(long, value_name = "TIME")]
    as_of: Option<Timestamp>,
}

fn level_parser() -> impl TypedValueParser<Value = FailOn> {
    PossibleValuesParser::new(FailOn::ALL.map(FailOn::as_str)).try_map(|text| text.parse::<FailOn>())
}

impl Scan {
    pub(crate) async fn run(self, session: &Session) -> Outcome {
        let sbom = read(open_input(&self.sbom)?).await?;
        let step = session.step(format!("Scanning {}", self.sbom.display()));
        let params = ScanParams {
            fail_on: self.fail_on,
            as_of: self.as_of,
        };
        let envelope = match session.daemon(&step).await {
            Ok(daemon) => daemon.scan(sbom.into(), params).await?,
            Err(problem) if problem.code == ErrorCode::DaemonNotRunning => {
                match scan_cold(session.home(), &sbom, &params) {
                    Some(judged) => judged?,
                    None => session.site(&step).await?.scan(sbom.into(), params).await?,
                }
            }
            Err(problem) => return Err(problem),
        };
        drop(step);
        session.print(&envelope, render::verdict)?;
        ExitStatus::from_code(envelope.exit_code).ok_or_else(|| {
            Problem::internal(
                "ending the scan",
                format!("the verdict has the exit code {}", envelope.exit_code),
            )
        })
    }
}

/// The whole SBOM, within the bound that the daemon sets too.
async fn read(input: Upload) -> Result<Vec<u8>, Problem> {
    let too_large = || {
        Problem::new(
            ErrorCode::BodyTooLarge,
            format!("reading the SBOM: it has more than {SBOM_MAX_BYTES} bytes"),
        )
    };
    match input {
        Upload::Path(path) => {
            let size = std::fs::metadata(&path)
                .map_err(|error| file_problem("opening", &path, &error))?
                .len();
            if size > SBOM_MAX_BYTES {
                return Err(too_large());
            }
            std::fs::read(&path).map_err(|error| file_problem("reading", &path, &error))
        }
        Upload::Stream(mut stream) => {
            let mut all = Vec::new();
            while let Some(chunk) = stream.next().await {
                all.extend_from_slice(&chunk?);
                if all.len() as u64 > SBOM_MAX_BYTES {
                    return Err(too_large());
                }
            }
            Ok(all)
        }
        Upload::File(_) => Err(Problem::internal(
            "reading the SBOM",
            "an open file is no input of the command line",
        )),
    }
}
