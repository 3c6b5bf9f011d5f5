//! `starling quickstart`

use std::path::PathBuf;

use clap::Args;

use super::Outcome;
use crate::quickstart::{self, Options};
use crate::session::{Session, labelled};
use crate::terminal::Tone;

/// Run a demo: three sites on this machine, one of them without a network, reach one verdict
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  starling quickstart
  starling quickstart --feed all.zip --keep ./demo

Exit codes: 0 the three sites agree, 2 usage, 6 a site did not start, 10 they do not agree;
  if a step fails, the code of its command")]
pub(crate) struct Quickstart {
    /// Import this OSV zip, tar.zst, folder or file instead of the built-in advisories
    #[arg(long, value_name = "PATH")]
    feed: Option<PathBuf>,
    /// Keep the sites in this folder, which must be empty or missing
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
}

impl Quickstart {
    pub(crate) async fn run(self, session: &Session) -> Outcome {
        let options = Options {
            feed: self.feed,
            keep: self.keep,
            json: session.json(),
        };
        match quickstart::run(&options).await {
            Ok(status) => Ok(status),
            // Quickstart has its own errors: each is a step that a user could have run.
            Err(error) => {
                labelled("error", Tone::Worst, &error.to_string());
                Ok(error.exit_status())
            }
        }
    }
}
