//! `starling quickstart`

use std::path::PathBuf;

use clap::Args;

use super::Outcome;
use crate::quickstart::{self, Options};
use crate::session::{Session, note};

/// See it work: three sites on this machine, one of them without a network, one verdict
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  starling quickstart
  starling quickstart --feed all.zip --keep ./demo

Exit codes: 0 the three sites agree, 2 usage, 6 a site did not come up, 10 they do not agree;
  where a step fails, the code of its command")]
pub(crate) struct Quickstart {
    /// Take in this OSV zip, tar.zst, folder or file instead of the built-in advisories
    #[arg(long, value_name = "PATH")]
    feed: Option<PathBuf>,
    /// Leave the sites in this folder, which must be empty or absent
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
            // It has errors of its own: each is a step that a user could have taken.
            Err(error) => {
                note(&format!("error: {error}"));
                Ok(error.exit_status())
            }
        }
    }
}
