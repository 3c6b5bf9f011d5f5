//! Formats the text below a command's options, for the terminal and for the manual page.
//!
//! The line breaks in the source do not matter. Paragraphs are filled to the width, examples stay as they are, and each
//! exit code gets a line of its own.

use std::fmt::Write as _;

use clap::Command;

use crate::terminal;

/// The first words of a list of exit codes.
const EXIT_CODES: &str = "Exit codes";

/// A list of exit codes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ExitCodes<'a> {
    /// The words before the first code.
    pub(crate) heading: &'a str,
    /// Each code with its meaning.
    pub(crate) codes: Vec<(u8, String)>,
    /// The sentence after the list; may be empty.
    pub(crate) rest: String,
}

impl<'a> ExitCodes<'a> {
    /// Reads a block such as `Exit codes: 0 shown, 3 no such feed; 6 not reachable or locked`.
    pub(crate) fn read(block: &'a str) -> Option<Self> {
        let (heading, list) = block.split_once(':')?;
        if !heading.starts_with(EXIT_CODES) {
            return None;
        }
        let list = list.split_whitespace().collect::<Vec<_>>().join(" ");
        let mut codes: Vec<(u8, String)> = Vec::new();
        for (at, word) in list.split(' ').enumerate() {
            let is_start = at == 0 || codes.last().is_some_and(|(_, text)| text.ends_with([',', ';']));
            let next = word
                .parse()
                .ok()
                .filter(|code| is_start && codes.last().is_none_or(|(last, _)| last < code));
            match (next, codes.last_mut()) {
                (Some(code), last) => {
                    if let Some((_, text)) = last {
                        text.truncate(text.len() - 1);
                    }
                    codes.push((code, String::new()));
                }
                (None, Some((_, text))) => {
                    if !text.is_empty() {
                        text.push(' ');
                    }
                    text.push_str(word);
                }
                (None, None) => return None,
            }
        }
        let mut rest = String::new();
        if let Some((_, last)) = codes.last_mut()
            && let Some((meaning, sentence)) = last.split_once(". ")
        {
            rest = sentence.to_owned();
            *last = meaning.to_owned();
        }
        Some(Self { heading, codes, rest })
    }

    fn fitted(&self, width: usize) -> String {
        let mut text = format!("{}:\n", self.heading);
        for (code, meaning) in &self.codes {
            text.push_str(&terminal::wrapped_to(
                width,
                &format!("  {code:>2}  "),
                6,
                meaning,
            ));
        }
        if !self.rest.is_empty() {
            text.push_str(&terminal::wrapped_to(width, "  ", 2, &self.rest));
        }
        text.trim_end().to_owned()
    }
}

/// Breaks a text at a width.
fn fitted_text(text: &str, width: usize) -> String {
    let fit = |block: &str| match ExitCodes::read(block) {
        Some(codes) => codes.fitted(width),
        None => terminal::filled_to(width, "starling", block)
            .trim_end()
            .to_owned(),
    };
    text.split("\n\n").map(fit).collect::<Vec<_>>().join("\n\n")
}

/// Returns a command whose help, and that of its subcommands, is fitted to the terminal.
pub(crate) fn fitted(command: Command) -> Command {
    let width = terminal::help_width();
    fitted_to(command, width).term_width(width)
}

fn fitted_to(command: Command, width: usize) -> Command {
    let after = command
        .get_after_help()
        .map(|after| fitted_text(&after.to_string(), width));
    let command = match after {
        Some(after) => command.after_help(after),
        None => command,
    };
    command.mut_subcommands(|sub| fitted_to(sub, width))
}

/// Returns the text below the options as sections of a manual page.
pub(crate) fn manual_sections(text: &str) -> String {
    let (mut notes, mut examples, mut status) = (String::new(), String::new(), String::new());
    for block in text.split("\n\n") {
        if let Some(list) = ExitCodes::read(block) {
            for (code, meaning) in &list.codes {
                let _ = writeln!(status, ".TP\n\\fB{code}\\fR\n{}", roff(meaning));
            }
            if !list.rest.is_empty() {
                let _ = writeln!(status, ".PP\n{}", roff(&list.rest));
            }
            continue;
        }
        let (heading, lines) = block.split_once('\n').unwrap_or((block, ""));
        if heading.ends_with(':') && !lines.is_empty() {
            let heading = if heading == "Example:" {
                String::new()
            } else {
                format!(".PP\n{}\n", roff(heading))
            };
            let _ = writeln!(
                examples,
                "{heading}.PP\n.nf\n.RS 4\n{}\n.RE\n.fi",
                roff(&unindented(lines))
            );
        } else {
            let _ = writeln!(notes, ".PP\n{}", roff(block));
        }
    }
    let mut sections = String::new();
    for (name, body) in [("NOTES", notes), ("EXAMPLES", examples), ("EXIT STATUS", status)] {
        if !body.is_empty() {
            let _ = write!(sections, ".SH \"{name}\"\n{body}");
        }
    }
    sections
}

fn unindented(lines: &str) -> String {
    let lines = lines.lines().map(|line| line.strip_prefix("  ").unwrap_or(line));
    lines.collect::<Vec<_>>().join("\n")
}

/// Writes text so that a manual page shows it as it is.
fn roff(text: &str) -> String {
    let line = |line: &str| {
        let escaped = line
            .replace('\\', "\\e")
            .replace('-', "\\-")
            .replace('\'', "\\(aq");
        if escaped.starts_with('.') {
            format!("\\&{escaped}")
        } else {
            escaped
        }
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::args::Cli;

    fn visit_commands(command: &Command, visit: &mut impl FnMut(&Command)) {
        visit(command);
        for sub in command.get_subcommands() {
            visit_commands(sub, visit);
        }
    }

    #[test]
    fn exit_codes_are_listed_with_a_hanging_indent() {
        let text = "Exit codes: 0 taken in, or nothing new, 2 no feed is configured, 3 an answer was refused,\n  \
                    or no such feed; 12 disk full. Of several, that of the first";
        assert_eq!(
            fitted_text(text, 30),
            "Exit codes:\n   0  taken in, or nothing new\n   2  no feed is configured\n   3  an answer was refused,\n      \
             or no such feed\n  12  disk full\n  Of several, that of the\n  first"
        );
    }

    #[test]
    fn every_list_of_exit_codes_can_be_read() {
        visit_commands(&Cli::command(), &mut |command| {
            let Some(after) = command.get_after_help().map(ToString::to_string) else {
                return;
            };
            for block in after.split("\n\n").filter(|block| block.contains(EXIT_CODES)) {
                let list = ExitCodes::read(block).unwrap_or_else(|| panic!("{block}"));
                assert_eq!(list.codes[0].0, 0, "{block}");
                assert!(
                    list.codes.iter().all(|(_, meaning)| !meaning.is_empty()),
                    "{list:?}"
                );
            }
        });
    }

    #[test]
    fn help_lines_are_filled_at_any_width() {
        for width in [80, 100] {
            let root = fitted_to(Cli::command().term_width(width), width);
            visit_commands(&root, &mut |command| {
                let own = command
                    .get_after_help()
                    .map(ToString::to_string)
                    .unwrap_or_default();
                for line in own.lines() {
                    assert!(
                        console::measure_text_width(line) <= width,
                        "{}: {line}",
                        command.get_name()
                    );
                }
                // A line ends only if the next word does not fit, or at the end of a paragraph.
                for pair in own.lines().collect::<Vec<_>>().windows(2) {
                    let [first, next] = pair else { continue };
                    let flows = |line: &str| line.starts_with(char::is_alphabetic) && !line.ends_with(':');
                    if flows(first) && flows(next) && first.len() > width / 2 {
                        let word = next.split(' ').next().unwrap_or_default();
                        let is_quoted = next.starts_with('`') || next.contains('`');
                        assert!(is_quoted || first.len() + word.len() >= width, "{first}\n{next}");
                    }
                }
            });
        }
    }

    #[test]
    fn manual_shows_examples_line_by_line() {
        let page = manual_sections(
            "A note.\n\nExample:\n  starling scan - \\\n      --json\n\nExit codes: 0 pass, 1 fail",
        );
        assert_eq!(
            page,
            ".SH \"NOTES\"\n.PP\nA note.\n.SH \"EXAMPLES\"\n.PP\n.nf\n.RS 4\nstarling scan \\- \\e\n    \\-\\-json\n.RE\n.fi\n\
             .SH \"EXIT STATUS\"\n.TP\n\\fB0\\fR\npass\n.TP\n\\fB1\\fR\nfail\n"
        );
    }
}
