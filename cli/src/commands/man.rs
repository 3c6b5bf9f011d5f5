//! `starling man`

use std::path::PathBuf;

use clap::{Args, Command, CommandFactory};
use starling_api::file_problem;
use starling_api_types::{ErrorCode, ExitStatus, Problem};

use super::Outcome;
use crate::args::Cli;
use crate::session::print;

/// Print a manual page, or write all of them into a folder
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  starling man scan | man -l -
  starling man --dir ~/.local/share/man/man1

Exit codes: 0 printed or written, 2 no such command or folder, 12 disk full")]
pub(crate) struct Man {
    /// A command such as `bundle import`; without it, the program itself
    #[arg(value_name = "COMMAND", conflicts_with = "dir")]
    words: Vec<String>,
    /// Write the pages of all commands into this folder; creates it if it is missing
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

impl Man {
    pub(crate) fn run(&self) -> Outcome {
        let mut root = Cli::command().disable_help_subcommand(true);
        root.build();
        if let Some(dir) = &self.dir {
            let failed = |error| file_problem("writing manual pages into", dir, &error);
            std::fs::create_dir_all(dir).map_err(failed)?;
            clap_mangen::generate_to(root, dir).map_err(failed)?;
            return Ok(ExitStatus::Pass);
        }
        let page = page(&root, &self.words)?;
        print(&String::from_utf8_lossy(&page))?;
        Ok(ExitStatus::Pass)
    }
}

fn page(root: &Command, words: &[String]) -> Result<Vec<u8>, Problem> {
    let mut command = root;
    for word in words {
        command = command.find_subcommand(word).ok_or_else(|| {
            Problem::new(
                ErrorCode::BadRequest,
                format!("printing a manual page: there is no command {word:?}"),
            )
            .hint("`starling help` lists the commands")
        })?;
    }
    let mut page = Vec::new();
    clap_mangen::Man::new(command.clone())
        .render(&mut page)
        .map_err(|error| Problem::internal("printing a manual page", error))?;
    Ok(page)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_a_page() {
        let folder = tempfile::tempdir().unwrap();
        let man = Man {
            words: Vec::new(),
            dir: Some(folder.path().join("man1")),
        };
        man.run().unwrap();
        for name in ["starling.1", "starling-scan.1", "starling-bundle-import.1"] {
            let page = std::fs::read_to_string(folder.path().join("man1").join(name)).unwrap();
            assert!(page.contains(".TH"), "{name}: {page}");
        }
        let words = ["bundle", "imprt"].map(str::to_owned);
        let root = Cli::command();
        assert_eq!(page(&root, &words).unwrap_err().code, ErrorCode::BadRequest);
        let scan = String::from_utf8(page(&root, &["scan".to_owned()]).unwrap()).unwrap();
        assert!(scan.contains("fail\\-on"), "{scan}");
    }
}
