//! `starling completions`

use clap::{Args, CommandFactory};
use clap_complete::Shell;
use starling_api_types::ExitStatus;

use super::Outcome;
use crate::args::Cli;
use crate::session::print;

/// Print a shell's completion script
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  starling completions bash > ~/.local/share/bash-completion/completions/starling

Exit codes: 0 printed, 2 no such shell")]
pub(crate) struct Completions {
    /// The shell
    shell: Shell,
}

impl Completions {
    pub(crate) fn run(&self) -> Outcome {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "starling", &mut script);
        print(&String::from_utf8_lossy(&script))?;
        Ok(ExitStatus::Pass)
    }
}
