//! Renders answers as text for people.
//!
//! Text from advisories, SBOMs and other sites is foreign: it goes through [`plain`], so that it cannot send escape
//! sequences to the reader's terminal.

mod advisory;
mod attention;
mod bundle;
mod conflicts;
mod explain;
mod feeds;
mod mutes;
mod policy;
mod selftest;
mod sites;
mod status;
mod table;
mod verdict;
mod vex;
mod work;

use std::borrow::Cow;
use std::fmt::{self, Display, Write as _};

use starling_api_types::{SiteId, SiteSlug, Timestamp};

pub(crate) use advisory::{advisories, advisory_page, event};
pub(crate) use attention::StatusView;
pub(crate) use attention::waits_for;
pub(crate) use bundle::{bundle_info, bundle_validation, export, import_report, nothing_new};
pub(crate) use conflicts::{conflict, conflicts};
pub(crate) use explain::{explanation, reasons};
pub(crate) use feeds::{
    feed, feed_added, feed_changed, feed_history, feed_list, feed_presets, feed_removed, feed_runs, feed_set,
    feed_status,
};
pub(crate) use mutes::{mute, mutes};
pub(crate) use policy::{policy_history, policy_summary, policy_test};
pub(crate) use selftest::selftest;
pub(crate) use sites::{SitesView, site, site_history, site_status, sites};
pub(crate) use status::{identity, init, keys, restore_report, status, status_in_full};
pub(crate) use verdict::{Details, folded, known_in_part, scan_report, verdict};
pub(crate) use vex::{vex_added, vex_list, vex_removed};
pub(crate) use work::{compacted, converted, doctor, feed_report, index_took, took, unchecked};

use table::Table;

use crate::terminal::{self, Tone};

/// Replaces each control character, line ends included, with U+FFFD.
pub(crate) fn plain(text: &str) -> Cow<'_, str> {
    // Also replaces marks that change the direction of writing: they can make a text look like another one.
    let harmful = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    if text.contains(harmful) {
        Cow::Owned(text.replace(harmful, "\u{fffd}"))
    } else {
        Cow::Borrowed(text)
    }
}

/// Returns plain text on one line.
fn one_line(text: &str) -> String {
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    plain(&words).into_owned()
}

/// Returns plain text on one line, cut to `width` characters.
fn cut(text: &str, width: usize) -> String {
    let words = one_line(text);
    if words.chars().count() <= width {
        return words;
    }
    let mut short: String = words.chars().take(width.saturating_sub(1)).collect();
    short.push('…');
    short
}

/// Returns as many clauses of a sentence as fit into `room` columns, the first one in any case. A clause is never cut:
/// it may hold a command.
fn clauses(text: &str, room: usize) -> String {
    const MORE: &str = " …";
    let words = one_line(text);
    if console::measure_text_width(&words) <= room {
        return words;
    }
    let ends = words.match_indices(['.', ';']).map(|(at, _)| at + 1);
    let ends: Vec<usize> = ends
        .filter(|at| words.get(*at..).is_some_and(|rest| rest.starts_with(' ')))
        .filter(|at| {
            words
                .get(..*at)
                .is_some_and(|before| before.matches('`').count() % 2 == 0)
        })
        .collect();
    let fits = |at: &&usize| {
        let before = words.get(..**at).unwrap_or_default();
        console::measure_text_width(before) + MORE.len() - 2 <= room
    };
    match ends.iter().rfind(fits).or_else(|| ends.first()) {
        Some(at) => format!("{}{MORE}", words.get(..*at).unwrap_or_default()),
        None => words,
    }
}

/// Formats a size in bytes, in powers of ten.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [(u64, &str); 3] = [(1_000_000_000, "GB"), (1_000_000, "MB"), (1_000, "kB")];
    for (factor, unit) in UNITS {
        if bytes >= factor {
            return format!("{}.{} {unit}", bytes / factor, bytes % factor * 10 / factor);
        }
    }
    format!("{bytes} B")
}

/// Formats a duration in milliseconds.
fn duration(millis: u64) -> String {
    match millis {
        0..1_000 => format!("{millis} ms"),
        1_000..60_000 => format!("{}.{} s", millis / 1_000, millis % 1_000 / 100),
        _ => format!("{} min {} s", millis / 60_000, millis % 60_000 / 1_000),
    }
}

/// Formats a count with commas between thousands.
fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Formats a count with what is counted: `1 source`, `2,000 sources`.
pub(crate) fn counted(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(number), if number == 1 { one } else { many })
}

/// Formats a time for people, in UTC: `2025-01-15 10:30`.
pub(crate) fn moment(at: Timestamp) -> String {
    let text = at.to_string();
    // Cut after the minutes, for a year of any length.
    let minutes = text.rfind('.').and_then(|dot| text.get(..dot.saturating_sub(3)));
    minutes.unwrap_or(&text).replace('T', " ")
}

/// Formats a time, or returns `none`.
fn moment_or(at: Option<Timestamp>, none: &str) -> String {
    at.map_or_else(|| none.to_owned(), moment)
}

/// Returns how long ago something was: `3 min`, `5 h`, `12 d`.
pub(crate) fn ago(since: Timestamp, now: Timestamp) -> String {
    let seconds = now.unix_millis().saturating_sub(since.unix_millis()).max(0) / 1_000;
    match seconds {
        0..60 => "now".to_owned(),
        60..3_600 => format!("{} min", seconds / 60),
        3_600..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// Number of hash digits shown if the name is unknown.
const HASH_DIGITS: usize = 16;

/// Returns the beginning of a hash, after its algorithm: `blake3:6c31…` becomes `6c31…`.
pub(crate) fn short(hash: &str) -> String {
    let digits = hash.split_once(':').map_or(hash, |(_, digits)| digits);
    digits.chars().take(HASH_DIGITS).collect()
}

/// Returns the beginning of a hash on a terminal, else the whole: a script reads all of it.
fn on_screen(hash: &str) -> String {
    if terminal::width().is_some() {
        short(hash)
    } else {
        hash.to_owned()
    }
}

/// Returns an author's name if known, else the beginning of its identity.
pub(crate) fn author(name: Option<&SiteSlug>, site: &SiteId) -> String {
    name.map_or_else(
        || format!("unlisted {}", short(&site.to_string())),
        ToString::to_string,
    )
}

/// Returns a value, or a dash.
fn or_dash<T: Display>(value: Option<T>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| plain(&value.to_string()).into_owned())
}

/// Joins texts with commas, or returns a dash.
fn list<T: Display>(items: &[T]) -> String {
    if items.is_empty() {
        return "-".to_owned();
    }
    let texts: Vec<_> = items.iter().map(ToString::to_string).collect();
    plain(&texts.join(", ")).into_owned()
}

/// `label  value` lines with labels padded to the same width.
#[derive(Default)]
struct Lines(Vec<(&'static str, String)>);

impl Lines {
    fn add(mut self, label: &'static str, value: impl Display) -> Self {
        self.0.push((label, plain(&value.to_string()).into_owned()));
        self
    }

    fn add_if(self, is_shown: bool, label: &'static str, value: impl Display) -> Self {
        if is_shown { self.add(label, value) } else { self }
    }

    /// Leaves out the last clauses of each value that do not fit on its line.
    fn shortened(mut self) -> Self {
        if let Some(width) = terminal::width() {
            let room = width.saturating_sub(self.label_width() + 2);
            for (_, value) in &mut self.0 {
                *value = clauses(value, room);
            }
        }
        self
    }

    /// Renders the lines with each value broken at spaces so that it fits the terminal. A word that is longer stays
    /// whole, on a line of its own: it may be an id or an address to be copied.
    fn wrapped(&self) -> String {
        let width = self.label_width();
        let line = |(label, value): &(&str, String)| {
            terminal::wrapped(&format!("{label:width$}  "), width + 2, value)
        };
        self.0.iter().map(line).collect()
    }

    fn label_width(&self) -> usize {
        self.0.iter().map(|(label, _)| label.len()).max().unwrap_or(0)
    }
}

impl Display for Lines {
    /// Renders the lines as [`wrapped`](Self::wrapped): nothing is cut, and nothing breaks in the middle of a word.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.wrapped())
    }
}

/// Renders `label  value` lines with labels padded to the same width.
pub(crate) fn lines(pairs: impl IntoIterator<Item = (&'static str, String)>) -> String {
    let lines = pairs
        .into_iter()
        .fold(Lines::default(), |lines, (label, value)| lines.add(label, value));
    lines.to_string()
}

/// Adds a titled table, unless it is empty.
fn section(text: &mut String, title: &str, table: &Table) {
    if !table.is_empty() {
        let _ = write!(text, "\n{}\n{table}", Tone::Heading.paint(title));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_cannot_control_the_terminal() {
        assert_eq!(plain("a\u{1b}[2Jb\u{202e}c\n"), "a\u{fffd}[2Jb\u{fffd}c\u{fffd}");
        assert_eq!(cut("two\n  words\u{7}", 20), "two words\u{fffd}");
        assert_eq!(cut("abcdef", 4), "abc…");
    }

    #[test]
    fn sentences_are_shortened_by_whole_clauses() {
        let text = "ok: open; run `starling doctor; now`; or wait";
        assert_eq!(clauses(text, 80), text);
        assert_eq!(clauses(text, 40), "ok: open; run `starling doctor; now`; …");
        assert_eq!(clauses(text, 12), "ok: open; …");
        assert_eq!(clauses(text, 4), "ok: open; …");
        assert_eq!(clauses("one clause only", 4), "one clause only");
    }

    #[test]
    fn times_and_ages_are_readable() {
        let at: Timestamp = "2025-01-15T10:30:59.123Z".parse().unwrap();
        assert_eq!(moment(at), "2025-01-15 10:30");
        let later = |seconds: i64| Timestamp::from_unix_millis(at.unix_millis() + seconds * 1_000).unwrap();
        for (seconds, expected) in [
            (0, "now"),
            (61, "1 min"),
            (7_300, "2 h"),
            (3 * 86_400, "3 d"),
            (-5, "now"),
        ] {
            assert_eq!(ago(at, later(seconds)), expected);
        }
        assert_eq!(short("blake3:0123456789abcdef0123"), "0123456789abcdef");
    }

    #[test]
    fn numbers_are_readable() {
        assert_eq!(
            (size(999), size(1_500), size(100_000_000)),
            ("999 B".into(), "1.5 kB".into(), "100.0 MB".into())
        );
        assert_eq!(
            (count(7), count(1_234), count(1_234_567)),
            ("7".into(), "1,234".into(), "1,234,567".into())
        );
        assert_eq!(
            (duration(5), duration(1_234), duration(61_000)),
            ("5 ms".into(), "1.2 s".into(), "1 min 1 s".into())
        );
    }
}
