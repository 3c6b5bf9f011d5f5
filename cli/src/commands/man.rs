//! `starling man`

use std::path::PathBuf;

use clap::{Args, Command, CommandFactory};
use starling_api::file_problem;
use starling_api_types::{ErrorCode, ExitStatus, Problem};

use super::Outcome;
use crate::args::Cli;
use crate::help_text;
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
            for (name, page) in pages(&root) {
                std::fs::write(dir.join(name), page).map_err(failed)?;
            }
            return Ok(ExitStatus::Pass);
        }
        print(&page(
            named(&root, &self.words)?,
            self.words.split_last().map(|(_, above)| above),
        ))?;
        Ok(ExitStatus::Pass)
    }
}

fn named<'a>(root: &'a Command, words: &[String]) -> Result<&'a Command, Problem> {
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
    Ok(command)
}

/// Builds the pages of a command and all below it, each with the name of its file.
fn pages(root: &Command) -> Vec<(String, String)> {
    fn below(command: &Command, words: &[String], pages: &mut Vec<(String, String)>) {
        let above = words.split_last().map(|(_, above)| above);
        let name = format!("{}.1", page_name(command));
        pages.push((name, page(command, above)));
        for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
            below(sub, &[words, &[sub.get_name().to_owned()]].concat(), pages);
        }
    }
    let mut all = Vec::new();
    below(root, &[], &mut all);
    all
}

fn page_name(command: &Command) -> &str {
    command.get_display_name().unwrap_or_else(|| command.get_name())
}

/// The beginning of the builder's output: an apostrophe for every formatter.
const PREAMBLE: &str = ".ie \\n(.g .ds Aq \\(aq\n.el .ds Aq '\n";

/// Builds a page. `above` are the words of the command above this one; `None` for the program itself.
fn page(command: &Command, above: Option<&[String]>) -> String {
    // The usage of `--help`: every option in one line cannot be read.
    let usage = command.clone().render_usage().to_string();
    let usage = usage.trim_start_matches("Usage: ").trim_end().to_owned();
    let after = command
        .get_after_help()
        .map(ToString::to_string)
        .unwrap_or_default();
    let man = clap_mangen::Man::new(command.clone().override_usage(usage));
    let mut page = Vec::new();
    // Nothing that is written to memory fails.
    let _ = man
        .render_name_section(&mut page)
        .and_then(|()| man.render_synopsis_section(&mut page))
        .and_then(|()| man.render_description_section(&mut page))
        .and_then(|()| man.render_options_section(&mut page));
    if command.has_subcommands() {
        let _ = man.render_subcommands_section(&mut page);
    }
    // Each section begins with it, for itself.
    let sections = String::from_utf8_lossy(&page).replace(PREAMBLE, "");
    // The builder leaves an empty date out, so that the program would stand in its place.
    let title = page_name(command).to_uppercase().replace('-', "\\-");
    let version = env!("CARGO_PKG_VERSION");
    let mut page =
        format!("{PREAMBLE}.TH \"{title}\" 1 \"\" \"starling {version}\" \"Starling Manual\"\n{sections}");
    page.push_str(&help_text::manual_sections(&after));
    if let Some(above) = above {
        let names = std::iter::once("starling").chain(above.iter().map(String::as_str));
        let name = names.collect::<Vec<_>>().join("\\-");
        page.push_str(&format!(".SH \"SEE ALSO\"\n.BR {name} (1)\n"));
    }
    page
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
            assert!(page.contains(" 1 \"\" \"starling 0"), "{name}: {page}");
            assert_eq!(page.matches(PREAMBLE).count(), 1, "{name}: {page}");
            assert!(
                page.contains(".SH \"EXIT STATUS\"\n.TP\n\\fB0\\fR\n"),
                "{name}: {page}"
            );
        }
        let words = ["bundle", "imprt"].map(str::to_owned);
        let mut root = Cli::command();
        root.build();
        assert_eq!(named(&root, &words).unwrap_err().code, ErrorCode::BadRequest);
        let add = ["sites", "add"].map(str::to_owned);
        let page = page(named(&root, &add).unwrap(), Some(&add[..1]));
        let usage = "\\fBstarling sites add\\fR [OPTIONS] \\-\\-key <KEY|@FILE> <SITE>\n";
        assert!(page.contains(usage), "{page}");
        assert!(page.contains(".BR starling\\-sites (1)"), "{page}");
    }
}
