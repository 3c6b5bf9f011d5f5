//! Generates the reference in `docs/cli.md` from the command line itself, so that both always agree.

use std::fmt::Write as _;

use clap::{Arg, ArgAction, Command, CommandFactory};

use crate::args::Cli;

/// Path of the committed reference.
const COMMITTED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/cli.md");

const HEAD: &str = "\
# The command line

This page is generated from the program's help texts, and a test keeps it current. `starling COMMAND --help` shows the
same text.

If the site's daemon runs, commands ask it over its local socket. Otherwise they open the store directly. If neither
works, the error says why. Every command has `--home DIR` (or `STARLING_HOME`), the site's folder, and `--json`, which
prints one JSON document. In a batch, and for `events`, it prints one on each line. Commands whose output is a document of
its own, such as `advisory dump`, `completions`, `help` and `man`, print that with or without it.

";

fn reference() -> String {
    let mut root = Cli::command();
    root.build();
    let mut text = HEAD.to_owned();
    section(&mut text, &root, "starling");
    text
}

fn section(text: &mut String, command: &Command, path: &str) {
    // In subcommands, `help` comes from the parser.
    if command.get_name() == "help" && path != "starling help" {
        return;
    }
    let depth = path.split(' ').count().min(3) + 1;
    let _ = write!(text, "{} `{path}`\n\n", "#".repeat(depth));
    let aliases: Vec<_> = command
        .get_visible_aliases()
        .map(|alias| format!("`{alias}`"))
        .collect();
    if let Some(about) = command.get_about() {
        let also = if aliases.is_empty() {
            String::new()
        } else {
            format!(" Also: {}.", aliases.join(", "))
        };
        let _ = write!(text, "{about}.{also}\n\n");
    }
    if path != "starling" {
        let _ = write!(text, "Usage: `{}`\n\n", usage(command));
    }
    let own = |arg: &&Arg| !arg.is_hide_set() && !matches!(arg.get_id().as_str(), "help" | "version");
    // Global options are in the help of every command; listing them once is enough.
    let root = path == "starling";
    let args: Vec<_> = command
        .get_arguments()
        .filter(own)
        .filter(|arg| root || !arg.is_global_set())
        .collect();
    if !args.is_empty() {
        text.push_str("| option | meaning |\n|---|---|\n");
        for arg in args {
            let _ = writeln!(text, "| {} | {} |", spelling(arg), meaning(arg));
        }
        text.push('\n');
    }
    if let Some(after) = command.get_after_help() {
        let _ = write!(text, "```text\n{after}\n```\n\n");
    }
    for child in command.get_subcommands() {
        section(text, child, &format!("{path} {}", child.get_name()));
    }
}

/// Returns how a command is written, with what it requires.
fn usage(command: &Command) -> String {
    let usage = one_line(&command.clone().render_usage().to_string());
    usage.strip_prefix("Usage: ").unwrap_or(&usage).to_owned()
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn spelling(arg: &Arg) -> String {
    let takes_value = matches!(arg.get_action(), ArgAction::Set | ArgAction::Append);
    let names = arg.get_value_names().unwrap_or_default();
    let value = names
        .first()
        .map_or_else(|| arg.get_id().as_str().to_uppercase(), ToString::to_string);
    let mut spelling = match (arg.get_short(), arg.get_long()) {
        (None, None) => return format!("`{value}`").replace('|', "\\|"),
        (Some(short), Some(long)) => format!("-{short}, --{long}"),
        (Some(short), None) => format!("-{short}"),
        (None, Some(long)) => format!("--{long}"),
    };
    if takes_value {
        let _ = write!(spelling, " {value}");
    }
    format!("`{spelling}`").replace('|', "\\|")
}

fn meaning(arg: &Arg) -> String {
    let mut meaning = arg.get_help().map(ToString::to_string).unwrap_or_default();
    if arg.is_required_set() && arg.get_long().is_some() {
        meaning.push_str(" (required)");
    }
    let takes_value = matches!(arg.get_action(), ArgAction::Set | ArgAction::Append);
    let possible = arg.get_possible_values();
    let values = possible.iter().map(|value| match value.get_help() {
        Some(help) => format!("`{}` ({help})", value.get_name()),
        None => format!("`{}`", value.get_name()),
    });
    let values: Vec<_> = values.collect();
    if takes_value && !values.is_empty() {
        let _ = write!(meaning, "; one of {}", values.join(", "));
    }
    let aliases = arg.get_visible_aliases().unwrap_or_default();
    let aliases: Vec<_> = aliases.iter().map(|alias| format!("`--{alias}`")).collect();
    if !aliases.is_empty() {
        let _ = write!(meaning, "; alias {}", aliases.join(", "));
    }
    let defaults: Vec<_> = arg
        .get_default_values()
        .iter()
        .map(|value| format!("`{}`", value.to_string_lossy()))
        .collect();
    if takes_value && !defaults.is_empty() {
        let _ = write!(meaning, "; default {}", defaults.join(", "));
    }
    if let Some(variable) = arg.get_env() {
        let _ = write!(meaning, "; also `{}`", variable.to_string_lossy());
    }
    meaning.replace('|', "\\|")
}

#[test]
fn the_committed_reference_is_current() {
    let current = reference();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(COMMITTED, &current).unwrap();
    }
    let committed = std::fs::read_to_string(COMMITTED).unwrap_or_default();
    assert!(
        committed == current,
        "docs/cli.md differs from the program; run `UPDATE_GOLDEN=1 cargo test -p starling-cli` and look at the diff"
    );
}

/// Defaults stood in the reference and not in the help; usages, aliases and what values mean the other way round.
#[test]
fn reference_and_help_say_the_same() {
    fn check(command: &mut Command, path: &str) {
        let help = one_line(&command.render_long_help().to_string());
        let mut page = String::new();
        section(&mut page, command, path);
        let page = one_line(&page);
        let usage = usage(command);
        assert!(
            path == "starling" || page.contains(&format!("Usage: `{usage}`")),
            "{path}: {usage}"
        );
        for arg in command.get_arguments().filter(|arg| !arg.is_hide_set()) {
            let name = arg.get_id().as_str();
            if !matches!(arg.get_action(), ArgAction::Set | ArgAction::Append)
                || (arg.is_global_set() && path != "starling")
            {
                continue;
            }
            for default in arg.get_default_values() {
                let default = default.to_string_lossy();
                assert!(
                    help.contains(&format!("[default: {default}]")),
                    "{path} {name}: {help}"
                );
                assert!(
                    page.contains(&format!("default `{default}`")),
                    "{path} {name}: {page}"
                );
            }
            for alias in arg.get_visible_aliases().unwrap_or_default() {
                assert!(help.contains(&format!("--{alias}]")), "{path} {name}");
                assert!(
                    page.contains(&format!("alias `--{alias}`")),
                    "{path} {name}: {page}"
                );
            }
            for value in arg.get_possible_values() {
                let meaning = value
                    .get_help()
                    .map(|help| one_line(&help.to_string()))
                    .unwrap_or_default();
                assert!(
                    help.contains(&meaning) && page.contains(&meaning),
                    "{path} {name}: {meaning}"
                );
            }
        }
        let children: Vec<String> = command
            .get_subcommands()
            .map(|child| child.get_name().to_owned())
            .collect();
        for child in children {
            if child != "help"
                && let Some(child) = command.find_subcommand_mut(&child)
            {
                let path = format!("{path} {}", child.get_name());
                check(child, &path);
            }
        }
    }
    let mut command = Cli::command();
    command.build();
    check(&mut command, "starling");
}

#[test]
fn every_command_has_an_example_and_its_exit_codes() {
    fn check(command: &Command, path: &str) {
        let leaf = command.get_subcommands().next().is_none();
        if leaf && (command.get_name() != "help" || path == "starling help") {
            let after = command
                .get_after_help()
                .map(ToString::to_string)
                .unwrap_or_default();
            assert!(after.contains("Example:\n"), "{path} has no example");
            assert!(
                after.contains("Exit codes: 0 "),
                "{path} does not say its exit codes"
            );
            assert!(command.get_about().is_some(), "{path} does not say what it does");
        }
        for child in command.get_subcommands() {
            check(child, &format!("{path} {}", child.get_name()));
        }
    }
    let command = Cli::command();
    command.clone().debug_assert();
    check(&command, "starling");
}

#[test]
fn every_example_can_be_typed() {
    use clap::Parser;
    fn examples(command: &Command, found: &mut Vec<String>) {
        let after = command
            .get_after_help()
            .map(ToString::to_string)
            .unwrap_or_default()
            .replace("\\\n", " ");
        let lines = after.lines().filter(|line| line.starts_with("  "));
        found.extend(lines.filter_map(|line| line.find("starling ").map(|at| line[at..].to_owned())));
        let shown = command
            .get_after_help()
            .map(ToString::to_string)
            .unwrap_or_default();
        // A line that is wrapped cannot be pasted.
        for line in shown
            .lines()
            .filter(|line| line.starts_with("  starling ") || line.starts_with("      -"))
        {
            assert!(line.len() <= 80, "wider than a terminal: {line}");
        }
        command.get_subcommands().for_each(|child| examples(child, found));
    }
    let mut found = Vec::new();
    examples(&Cli::command(), &mut found);
    assert!(found.len() >= 25, "only {} examples", found.len());
    for example in found {
        // Simulates the shell: removes redirections, pipes and quotes.
        let words = example
            .split([' '])
            .filter(|word| !word.is_empty())
            .map(|word| word.trim_matches('\''));
        let words: Vec<_> = words.take_while(|word| !matches!(*word, ">" | "|")).collect();
        if let Err(error) = Cli::try_parse_from(&words) {
            panic!("`{example}` cannot be typed: {error}");
        }
    }
}
