//! The terminal that text for people is made for: how wide it is, and if it shows colours.
//!
//! Set once by `main`, before anything is written. Nobody who reads from a pipe or a file is given colours or cut
//! columns, unless the command line or the environment asks for them.

use std::cell::Cell;
use std::io::IsTerminal;
use std::sync::OnceLock;

use clap::ValueEnum;
use console::{Style, Term};

/// Narrowest terminal that is taken at its word; below it nothing readable fits.
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

/// Where text for people goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Target {
    width: Option<usize>,
    color: bool,
}

/// A pipe or a file: as wide as the text is, without colours.
const PLAIN: Target = Target {
    width: None,
    color: false,
};

static STDOUT: OnceLock<Target> = OnceLock::new();

thread_local! {
    static INSTEAD: Cell<Option<Target>> = const { Cell::new(None) };
}

/// Finds out what standard output and standard error can show.
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
    // Set twice only by a test.
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

/// `COLUMNS`, where somebody exported it.
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

/// Renders text that goes into a file: nothing is cut and nothing is coloured.
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

/// Columns that a line may take; `None` for as many as it needs.
pub(crate) fn width() -> Option<usize> {
    target().width
}

/// A colour or weight that a word is shown in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    /// A heading.
    Heading,
    /// What is wrong.
    Bad,
    /// What is very wrong.
    Worst,
    /// What needs a look.
    Warn,
    /// What is well.
    Good,
    /// What matters least.
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

    /// The text in this tone, where standard output shows colours.
    pub(crate) fn paint(self, text: &str) -> String {
        if text.is_empty() || !target().color {
            return text.to_owned();
        }
        self.style().force_styling(true).apply_to(text).to_string()
    }

    /// The text in this tone, where standard error shows colours.
    pub(crate) fn paint_stderr(self, text: &str) -> String {
        self.style().for_stderr().apply_to(text).to_string()
    }

    /// The tone of a severity's name.
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

/// Words of `text` in lines that fit the terminal, each after `indent` spaces; the first line begins with `first`.
///
/// `text` holds no control characters. Without a width it is one line.
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
        // Nothing was set: as for a file.
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
