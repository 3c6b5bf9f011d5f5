//! Renders policies: a file's summary, its examples' results, and the versions in use.

use std::fmt::Write as _;

use starling_api_types::PolicyHistory;
use starling_policy::Action;

use super::table::Table;
use super::{Lines, plain};
use crate::commands::policy::{PolicySummary, PolicyTest};
use crate::terminal;

/// Renders `starling policy validate`.
pub(crate) fn policy_summary(summary: &PolicySummary) -> String {
    let lines = Lines::default()
        .add("valid", "yes")
        .add("language", summary.language)
        .add("version", &summary.version);
    let lines = match &summary.policy_hash {
        Some(hash) => lines.add("policy hash", hash),
        None => lines,
    };
    let mut text = lines
        .add("rules", summary.rules)
        .add("examples", summary.examples)
        .to_string();
    push_notes(&mut text, &summary.notes);
    text
}

fn push_notes(text: &mut String, notes: &[String]) {
    for note in notes {
        text.push_str(&terminal::wrapped("  note ", 4, &plain(note)));
    }
}

/// Renders `starling policy test`.
pub(crate) fn policy_test(test: &PolicyTest) -> String {
    let mut text = String::new();
    for example in &test.examples {
        let word = if example.passed { "pass" } else { "FAIL" };
        let _ = write!(text, "{word}  {}", plain(&example.name));
        if !example.passed {
            let by =
                |rule: &Option<String>| rule.as_ref().map(|rule| format!(" by the rule {}", plain(rule)));
            let _ = write!(
                text,
                ": expected {}{}, found {}{}",
                action(example.expected),
                by(&example.expected_rule).unwrap_or_default(),
                action(example.found),
                by(&example.found_rule).unwrap_or_default()
            );
        }
        text.push('\n');
    }
    for told in &test.tests {
        let word = if told.passed { "pass" } else { "FAIL" };
        let _ = writeln!(text, "{word}  {}", plain(&told.name));
    }
    push_notes(&mut text, &test.notes);
    let none = if test.passed + test.failed == 0 {
        ": nothing was tested"
    } else {
        ""
    };
    let _ = writeln!(text, "{} passed, {} failed{none}", test.passed, test.failed);
    text
}

const fn action(action: Action) -> &'static str {
    match action {
        Action::Fail => "fail",
        Action::Warn => "warn",
        Action::Ignore => "ignore",
    }
}

/// Renders `starling policy history`.
pub(crate) fn policy_history(history: &PolicyHistory) -> String {
    let broken = history.broken.as_ref().map(|problem| {
        let problem = problem.to_string();
        format!(
            "The current file is not usable, and scans end with an error: {}\n",
            plain(&problem)
        )
    });
    let broken = broken.unwrap_or_default();
    if history.versions.is_empty() {
        let none = "No policy file was in use. Set scan.policy_file (YAML) or scan.rego_file (Rego).\n";
        return if broken.is_empty() {
            none.to_owned()
        } else {
            broken
        };
    }
    let mut table = Table::new(["SINCE", "VERSION", "NOTE"]).shrinks("VERSION", 20);
    for entry in &history.versions {
        let note = match (entry.current, entry.kept) {
            (true, _) => "in use",
            (false, true) => "",
            (false, false) => "no longer kept",
        };
        table.row([entry.since.to_string(), entry.version.clone(), note.to_owned()]);
    }
    format!("{broken}{table}")
}
