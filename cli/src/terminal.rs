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
/// `text` has no control characters. Without a width, the result is one line.
pub(crate) fn wrapped(first: &str, indent: usize, text: &str) -> String {
    wrapped_at(width(), first, indent, text)
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
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let long = console::measure_text_width(word);
        let gap = usize::from(!fresh);
        if !fresh && used + gap + long > width {
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
    }
}
