//! The `starling` binary: parses the command line, runs one command, reports its end.
//!
//! Each command is written once, against [`starling_api::SiteService`]; [`session`] decides if the daemon or the store
//! answers. Work on a site's folder itself is in [`local`].

mod allocator;
mod args;
mod candidates;
mod client;
mod commands;
mod environment;
mod healthy;
mod help_text;
mod local;
mod output;
mod outputs;
mod progress;
mod quickstart;
#[cfg(test)]
mod reference;
mod rego_worker;
mod render;
mod session;
mod size;
mod source_names;
mod terminal;
mod workers;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory, Parser};
use starling_api_types::{ErrorCode, ExitStatus, Problem, secrets};

use crate::args::Cli;
use crate::session::{Session, labelled, note_document, resolve_home};
use crate::terminal::Tone;

fn main() -> ExitCode {
    allocator::take_small_pages();
    if std::env::args_os()
        .nth(1)
        .is_some_and(|word| word == starling_daemon::REGO_WORKER)
    {
        return rego_worker::run();
    }
    candidates::answer_shell();
    local::quiet_engine_panics();
    // Opened through the kernel, so that it is this program even after an update replaced the file.
    starling_daemon::evaluate_rego_by(PathBuf::from("/proc/self/exe"));
    let cli = match parse() {
        Ok(cli) => cli,
        Err(error) => {
            if error.use_stderr() && wants_json() {
                report(&usage_problem(&error), true);
            } else if secrets::has_private_key(&error.render().to_string()) {
                report(&usage_problem(&error), false);
            } else {
                // Help and version also arrive here.
                let _ = error.print();
            }
            let status = if error.use_stderr() {
                ExitStatus::Usage
            } else {
                ExitStatus::Pass
            };
            return ExitCode::from(status.code());
        }
    };
    let json = cli.global.json;
    terminal::set(cli.global.color, cli.global.wide);
    let status = run(cli).unwrap_or_else(|problem| {
        report(&problem, json);
        problem.exit_status()
    });
    ExitCode::from(status.code())
}

/// Parses the command line.
///
/// # Errors
/// The error's usage line lists the options that were given. A folder from the environment is not one of them, so the
/// error is made again without it. Help arrives as an error too, and only then it is fitted to the terminal.
fn parse() -> Result<Cli, clap::Error> {
    Cli::try_parse().map_err(|error| {
        let without_environment = Cli::command().mut_arg("home", |home| home.env(None::<&'static str>));
        let shown = help_text::fitted(without_environment);
        without_useless_tip(shown.try_get_matches().err().unwrap_or(error))
    })
}

/// Removes the tip to pass an unknown option as a value: nobody who misspells `--wide` means a file of that name. It stays
/// for a value with one dash, such as a file called `-x.json`.
fn without_useless_tip(mut error: clap::Error) -> clap::Error {
    let is_option = matches!(
        error.get(ContextKind::InvalidArg),
        Some(ContextValue::String(given)) if given.starts_with("--")
    );
    if error.kind() == ErrorKind::UnknownArgument && is_option {
        error.remove(ContextKind::Suggested);
    }
    error
}

/// Returns true if `--json` was given, even if the rest of the command line is not valid.
fn wants_json() -> bool {
    let words = std::env::args_os().skip(1);
    words.take_while(|word| word != "--").any(|word| word == "--json")
}

/// Converts a command line error to a problem.
fn usage_problem(error: &clap::Error) -> Problem {
    let text = error.render().to_string();
    let said = text.split("\n\n").next().unwrap_or_default();
    let said = said.trim().trim_start_matches("error: ");
    let detail = format!("reading the command line: {}", said.replace('\n', " "));
    Problem::new(ErrorCode::BadRequest, detail).hint("--help after the command shows how it is written")
}

fn run(cli: Cli) -> Result<ExitStatus, Problem> {
    let home = resolve_home(cli.global.home)?;
    if std::fs::metadata(&home).is_ok_and(|found| !found.is_dir()) {
        let detail = format!(
            "opening the site in {}: it is a file, and a site is a folder",
            home.display()
        );
        return Err(Problem::new(ErrorCode::BadRequest, detail).hint("give a folder with --home DIR"));
    }
    let session = Session::new(home, cli.global.json);
    let workers = workers::start().map_err(|error| Problem::internal("starting", error))?;
    let outcome = workers.block_on(commands::run(&session, cli.command));
    workers::end(workers);
    outcome
}

/// Prints a problem on standard error.
fn report(problem: &Problem, json: bool) {
    if json {
        note_document(&serde_json::to_string(problem).unwrap_or_default());
        return;
    }
    labelled("error", Tone::Worst, &problem.to_string());
    if let Some(private) = &problem.private {
        // On this machine, the caller is the operator.
        labelled("cause", Tone::Dim, private);
    }
    if let Some(hint) = &problem.hint {
        labelled("hint", Tone::Good, hint);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tip_about_values_is_shown_only_for_what_may_be_one() {
        let told = |words: &[&str]| {
            let parsed = Cli::try_parse_from([&["starling"], words].concat());
            without_useless_tip(parsed.unwrap_err()).render().to_string()
        };
        let option = told(&["scan", "a.json", "--qqqqqq"]);
        assert!(
            option.contains("--qqqqqq") && !option.contains("as a value"),
            "{option}"
        );
        let misspelt = told(&["scan", "a.json", "--quie"]);
        assert!(
            misspelt.contains("--quiet") && !misspelt.contains("as a value"),
            "{misspelt}"
        );
        let file = told(&["scan", "-x.json"]);
        assert!(file.contains("'-- -x.json'") || file.contains("-- -x"), "{file}");
    }
}
