//! `starling completions`

use clap::Args;
use clap_complete::Shell;
use clap_complete::env::Shells;
use starling_api_types::{ExitStatus, Problem};

use super::Outcome;
use crate::candidates::VARIABLE;
use crate::session::print;

/// Print a shell's completion script
#[derive(Debug, Args)]
#[command(after_help = "\
The script calls `starling` to complete commands and options and, if a daemon runs, the names of sites, sources and
mutes. Print it again after an update.

Example:
  starling completions bash \\
      > ~/.local/share/bash-completion/completions/starling

Exit codes: 0 printed, 2 no such shell")]
pub(crate) struct Completions {
    /// The shell
    shell: Shell,
}

impl Completions {
    pub(crate) fn run(&self) -> Outcome {
        let failed = |cause| Problem::internal("printing the completion script", cause);
        let shells = Shells::builtins();
        let name = self.shell.to_string();
        let shell = shells
            .completer(&name)
            .ok_or_else(|| failed(format!("no completions for {name}")))?;
        let mut script = Vec::new();
        shell
            .write_registration(VARIABLE, "starling", "starling", "starling", &mut script)
            .map_err(|error| failed(error.to_string()))?;
        print(&String::from_utf8_lossy(&script))?;
        Ok(ExitStatus::Pass)
    }
}
