//! The terminal: its width, and if it shows colours.
//!
//! `main` sets both once, before any output. In a pipe or a file nothing is coloured or cut, unless the command line
//! or the environment asks for it.

use std::cell::Cell;
use std::io::IsTerminal;
use std::sync::OnceLock;

use clap::ValueEnum;
use console::{Style, Term};

/// Narrowest accepted terminal width; below it, no text is readable.
const MIN_WIDTH: usize = 20;

/// When to use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum ColorWhen {
    /// On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`
    #[default]
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// The properties of the output for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Target {
    width: Option<usize>,
    color: bool,
}

/// A pipe or a file: unlimited width, no colours.
const PLAIN: Target = Target {
    width: None,
    color: false,
};

static STDOUT: OnceLock<Target> = OnceLock::new();
/// Width of standard error, if it is a terminal.
static STDERR_WIDTH: OnceLock<Option<usize>> = OnceLock::new();

thread_local! {
    static INSTEAD: Cell<Option<Target>> = const { Cell::new(None) };
}

/// Detects what standard output and standard error can show.
pub(crate) fn set(color: ColorWhen, wide: bool) {
    let stdout = std::io::stdout().is_terminal();
    let width = if wide {
        None
    } else {
        asked_width().or_else(|| stdout.then(|| usize::from(Term::stdout().size().1)))
    };
    let no_color = environment_forbids_color();
    let target = Target {
        width: width.map(|width| width.max(MIN_WIDTH)),
        color: wanted(color, stdout, no_color),
    };
    // Only tests set this twice.
    let _ = STDOUT.set(target);
    let stderr = std::io::stderr().is_terminal().then(|| {
        let width = asked_width().unwrap_or_else(|| usize::from(Term::stderr().size().1));
        width.max(MIN_WIDTH)
    });
    let _ = STDERR_WIDTH.set(stderr);
    console::set_colors_enabled(target.color);
    console::set_colors_enabled_stderr(wanted(color, std::io::stderr().is_terminal(), no_color));
}

fn wanted(color: ColorWhen, terminal: bool, forbidden: bool) -> bool {
    match color {
        ColorWhen::Always => true,
        ColorWhen::Never => false,
        ColorWhen::Auto => terminal && !forbidden,
    }
}

/// Widest help: longer lines are hard to read.
const MAX_HELP_WIDTH: usize = 110;
/// Width of help in a pipe or a file.
const PIPED_HELP_WIDTH: usize = 100;

/// Returns the width of help. It is needed before the command line is read, and `--wide` does not change it.
pub(crate) fn help_width() -> usize {
    let terminal = || {
        std::io::stdout()
            .is_terminal()
            .then(|| usize::from(Term::stdout().size().1))
    };
    let width = asked_width().or_else(terminal).unwrap_or(PIPED_HELP_WIDTH);
    width.clamp(MIN_WIDTH, MAX_HELP_WIDTH)
}

/// Returns `COLUMNS`, if it is exported.
fn asked_width() -> Option<usize> {
    std::env::var("COLUMNS")
        .ok()?
        .parse()
        .ok()
        .filter(|width| *width > 0)
}

fn environment_forbids_color() -> bool {
    let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    is_set("NO_COLOR") || std::env::var_os("TERM").is_some_and(|term| term == "dumb")
}

/// Renders text for a file: nothing is cut or coloured.
pub(crate) fn into_file<T>(render: impl FnOnce() -> T) -> T {
    instead(PLAIN, render)
}

/// Renders text for a terminal of this width, without colours.
#[cfg(test)]
pub(crate) fn at_width<T>(width: usize, render: impl FnOnce() -> T) -> T {
    let narrow = Target {
        width: Some(width),
        color: false,
    };
    instead(narrow, render)
}

fn instead<T>(target: Target, render: impl FnOnce() -> T) -> T {
    let before = INSTEAD.replace(Some(target));
    let rendered = render();
    INSTEAD.set(before);
    rendered
}

fn target() -> Target {
    INSTEAD.get().or_else(|| STDOUT.get().copied()).unwrap_or(PLAIN)
}

/// Returns the largest line width; `None` if unlimited.
pub(crate) fn width() -> Option<usize> {
    target().width
}

/// A colour or weight for a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    /// A heading.
    Heading,
    /// A problem.
    Bad,
    /// A severe problem.
    Worst,
    /// Something to check.
    Warn,
    /// Something good.
    Good,
    /// Something unimportant.
    Dim,
}

impl Tone {
    fn style(self) -> Style {
        match self {
            Self::Heading => Style::new().bold(),
            Self::Worst => Style::new().red().bold(),
            Self::Bad => Style::new().red(),
            Self::Warn => Style::new().yellow(),
            Self::Good => Style::new().green(),
            Self::Dim => Style::new().dim(),
        }
    }

    /// Returns the text in this tone, if standard output shows colours.
    pub(crate) fn paint(self, text: &str) -> String {
        if text.is_empty() || !target().color {
            return text.to_owned();
        }
        self.style().force_styling(true).apply_to(text).to_string()
    }

    /// Returns the text in this tone, if standard error shows colours.
    pub(crate) fn paint_stderr(self, text: &str) -> String {
        self.style().for_stderr().apply_to(text).to_string()
    }

    /// Returns the tone of a severity's name.
    pub(crate) fn of_severity(level: &str) -> Option<Self> {
        match level {
            "critical" => Some(Self::Worst),
            "high" => Some(Self::Bad),
            "medium" => Some(Self::Warn),
            "low" | "none" | "unknown" => Some(Self::Dim),
            _ => None,
        }
    }
}

/// Wraps `text` to lines that fit the terminal, indented by `indent` spaces; the first line begins with `first`.
///
/// `text` has no control characters. What stands between backticks is a command to be pasted and stays on one line.
/// Without a width, the result is one line.
pub(crate) fn wrapped(first: &str, indent: usize, text: &str) -> String {
    wrapped_at(width(), first, indent, text)
}

/// As [`wrapped`], to a given width.
pub(crate) fn wrapped_to(width: usize, first: &str, indent: usize, text: &str) -> String {
    wrapped_at(Some(width), first, indent, text)
}

/// As [`wrapped`], for standard error.
pub(crate) fn wrapped_stderr(first: &str, indent: usize, text: &str) -> String {
    wrapped_at(STDERR_WIDTH.get().copied().flatten(), first, indent, text)
}

/// Wraps the lines of a text that are wider than the terminal, each under its own indent or its second column.
///
/// Lines that begin with `program` are commands and stay whole.
pub(crate) fn filled(program: &str, text: &str) -> String {
    filled_at(width(), program, &flowing(program, text))
}

/// As [`filled`], to a given width.
pub(crate) fn filled_to(width: usize, program: &str, text: &str) -> String {
    filled_at(Some(width), program, &joined(program, text))
}

/// As [`filled`], for an answer: no line is joined with the next one, which may be a row of a table.
pub(crate) fn filled_answer(text: &str) -> String {
    filled_at(width(), "starling", text)
}

/// Joins the lines of paragraphs that were broken by hand for a wider terminal than this one.
fn flowing(program: &str, text: &str) -> String {
    let is_wide = |line: &str| width().is_some_and(|width| console::measure_text_width(line) > width);
    if !text.lines().any(is_wide) {
        return text.to_owned();
    }
    joined(program, text)
}

fn is_command(program: &str, line: &str) -> bool {
    let mut words = line.trim_start().split(' ');
    words.next().is_some_and(|word| word == program || word == "$")
}

fn joined(program: &str, text: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    for line in text.lines() {
        let is_flowing = |line: &str| !line.is_empty() && !line.starts_with(' ');
        match lines.last_mut() {
            Some(last)
                if is_flowing(line)
                    && is_flowing(last)
                    && last.len() > BROKEN_FROM
                    && !is_command(program, line) =>
            {
                last.push(' ');
                last.push_str(line);
            }
            _ => lines.push(line.to_owned()),
        }
    }
    lines.join("\n") + "\n"
}

fn filled_at(width: Option<usize>, program: &str, text: &str) -> String {
    let is_wide = |line: &str| width.is_some_and(|width| console::measure_text_width(line) > width);
    if !text.lines().any(is_wide) {
        return text.to_owned();
    }
    let mut out = String::new();
    for line in text.lines() {
        if is_wide(line) && !is_command(program, line) {
            let hanging = hanging_indent(line);
            let (first, rest) = line.split_at(hanging);
            out.push_str(&wrapped_at(width, first, hanging, rest));
        } else {
            out.push_str(line);
            out.push('\n');
        }
    }
    out
}

/// A line of a paragraph that is longer than this was broken by hand.
const BROKEN_FROM: usize = 80;
/// Widest first column of a list.
const MAX_HANGING: usize = 24;

/// Returns the byte at which a line's text begins: behind its indent, and behind the first column of a list.
fn hanging_indent(line: &str) -> usize {
    let indent = line.len() - line.trim_start().len();
    let rest = line.get(indent..).unwrap_or_default();
    let column = rest.find("  ").map(|gap| {
        let after = rest.get(gap..).unwrap_or_default();
        indent + gap + after.len() - after.trim_start().len()
    });
    let column = column.filter(|column| *column <= MAX_HANGING);
    column
        .filter(|column| line.is_char_boundary(*column) && line.is_ascii())
        .unwrap_or(indent)
}

/// Splits a text at spaces, but not within backticks.
fn words(text: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut start = 0;
    let mut quoted = false;
    for (at, c) in text.char_indices() {
        match c {
            '`' if quoted => quoted = false,
            '`' => quoted = text.get(at + 1..).is_some_and(|rest| rest.contains('`')),
            ' ' if !quoted => {
                words.extend(text.get(start..at).filter(|word| !word.is_empty()));
                start = at + 1;
            }
            _ => {}
        }
    }
    words.extend(text.get(start..).filter(|word| !word.is_empty()));
    words
}

fn wrapped_at(width: Option<usize>, first: &str, indent: usize, text: &str) -> String {
    let mut out = first.to_owned();
    let Some(width) = width else {
        out.push_str(text);
        out.push('\n');
        return out;
    };
    let mut used = console::measure_text_width(first);
    let mut fresh = true;
    for word in words(text) {
        let long = console::measure_text_width(word);
        let gap = usize::from(!fresh);
        // Behind a long label, even the first word may have more room on the next line.
        let indent = if fresh && long + indent > width {
            indent.min(LONE_INDENT)
        } else {
            indent
        };
        let is_cramped = fresh && used > indent && !first.trim().is_empty();
        if (!fresh || is_cramped) && used + gap + long > width {
            if fresh {
                out.truncate(out.trim_end().len());
            }
            out.push('\n');
            out.push_str(&" ".repeat(indent));
            used = indent;
        } else if gap > 0 {
            out.push(' ');
            used += 1;
        }
        out.push_str(word);
        used += long;
        fresh = false;
    }
    out.push('\n');
    out
}

/// Indent of a value that has no room behind its label.
const LONE_INDENT: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_for_terminals_unless_asked_for() {
        for (when, terminal, forbidden, expected) in [
            (ColorWhen::Auto, true, false, true),
            (ColorWhen::Auto, true, true, false),
            (ColorWhen::Auto, false, false, false),
            (ColorWhen::Always, false, true, true),
            (ColorWhen::Never, true, false, false),
        ] {
            assert_eq!(wanted(when, terminal, forbidden), expected, "{when:?}");
        }
        // Not set: as for a file.
        assert_eq!(Tone::Bad.paint("x"), "x");
        assert_eq!(width(), None);
    }

    #[test]
    fn sentences_wrap_at_words() {
        assert_eq!(
            wrapped_at(Some(20), "  because ", 4, "two findings are high or worse"),
            "  because two\n    findings are\n    high or worse\n"
        );
        assert_eq!(wrapped_at(None, "a ", 4, "b c"), "a b c\n");
        assert_eq!(
            wrapped_at(Some(20), "", 0, "looooooooooooooooooooooong b"),
            "looooooooooooooooooooooong\nb\n"
        );
        // A long value stands whole below its label.
        assert_eq!(
            wrapped_at(Some(20), "identity  ", 10, "blake3:0123456789"),
            "identity\n    blake3:0123456789\n"
        );
    }

    #[test]
    fn commands_stay_on_one_line() {
        assert_eq!(
            wrapped_at(Some(24), "", 2, "use `starling feeds run` or wait"),
            "use `starling feeds run`\n  or wait\n"
        );
        assert_eq!(
            wrapped_at(Some(24), "", 2, "please use `starling feeds run` or wait"),
            "please use\n  `starling feeds run`\n  or wait\n"
        );
        assert_eq!(words("it's a ` b c"), ["it's", "a", "`", "b", "c"]);
    }

    #[test]
    fn texts_wrap_under_their_own_column() {
        let text =
            "Topics:\n  exit-codes    exit codes of all commands\n  starling scan sbom.json --fail-on high\n";
        assert_eq!(
            filled_at(Some(30), "starling", text),
            "Topics:\n  exit-codes    exit codes of\n                all commands\n  starling scan sbom.json --fail-on high\n"
        );
        assert_eq!(filled_at(None, "starling", text), text);
        let paragraph = format!("{} end\nof it.\n\nNext.\n", "word ".repeat(20).trim_end());
        let filled = filled_at(Some(40), "starling", &joined("starling", &paragraph));
        assert!(filled.contains("end of it.\n\nNext.\n"), "{filled}");
        assert!(filled.lines().all(|line| line.len() <= 40), "{filled}");
    }
}
