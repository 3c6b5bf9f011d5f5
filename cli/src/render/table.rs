//! Renders tables that fit the terminal, with one line per row; only prose in the last column may continue below.
//!
//! If a table is too wide, it first cuts the columns that may shrink (`…`), then leaves out the least important
//! columns and lists them below the table. Then columns that must never be cut, such as ids and package names, move to
//! a line of their own below each row. With `--wide`, in a pipe and in a file it shows everything, and every
//! column is as wide as its widest value.

use std::fmt;

use console::measure_text_width;

use super::plain;
use crate::terminal::{self, Tone};

/// Space between two columns.
const GAP: usize = 2;
/// Mark at the end of a cut text.
const CUT: &str = "…";
/// Indent of a value that stands below its row.
const BELOW: &str = "  ";
/// Narrowest width of a column before columns are left out.
const NARROW: usize = 8;

/// Rows under a heading.
#[derive(Debug)]
pub(super) struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<Cell>>,
}

/// One column.
#[derive(Debug)]
struct Column {
    heading: &'static str,
    number: bool,
    /// Narrowest width before other columns are left out.
    least: Option<usize>,
    /// Rank for leaving the column out; the lowest goes first. `None` keeps it as long as possible.
    leaves: Option<usize>,
    /// True if the column was not requested.
    hidden: bool,
    /// True if the end of a value matters more than its beginning.
    end: bool,
    /// True if a value is never cut, because people copy it.
    whole: bool,
    /// True if a value continues in lines below, under its column, instead of being cut.
    wraps: bool,
}

/// The columns of a table at some width.
#[derive(Debug, PartialEq, Eq)]
struct Layout {
    /// The width of each column; `None` for a column that is not in the row.
    widths: Vec<Option<usize>>,
    /// True if the columns that are never cut stand below their rows.
    apart: bool,
}

/// Text and its tone.
#[derive(Debug, Default)]
struct Cell {
    text: String,
    tone: Option<Tone>,
}

impl Table {
    pub(super) fn new<const N: usize>(headings: [&'static str; N]) -> Self {
        let column = |heading| Column {
            heading,
            number: false,
            least: None,
            leaves: None,
            hidden: false,
            end: false,
            whole: false,
            wraps: false,
        };
        Self {
            columns: headings.into_iter().map(column).collect(),
            rows: Vec::new(),
        }
    }

    /// Aligns these columns to the right.
    pub(super) fn numbers(mut self, headings: &[&str]) -> Self {
        for heading in headings {
            self.column(heading, |column| column.number = true);
        }
        self
    }

    /// Allows a column to be cut, down to `least` characters, before others are left out.
    pub(super) fn shrinks(mut self, heading: &str, least: usize) -> Self {
        self.column(heading, |column| column.least = Some(least));
        self
    }

    /// Never cuts a column: if the row has no room for it, it stands below the row.
    pub(super) fn never_cuts(mut self, heading: &str) -> Self {
        self.column(heading, |column| column.whole = true);
        self
    }

    /// Breaks the last column at spaces where it would be cut, at `least` characters or more: it tells what to do.
    pub(super) fn wraps(mut self, heading: &str, least: usize) -> Self {
        debug_assert!(self.columns.last().is_some_and(|last| last.heading == heading));
        self.column(heading, |column| {
            column.least = Some(least);
            column.wraps = true;
        });
        self
    }

    /// Cuts a column at its beginning: a cursor's number matters most.
    pub(super) fn keeps_end(mut self, heading: &str) -> Self {
        self.column(heading, |column| column.end = true);
        self
    }

    /// Sets the columns to leave out on a narrow terminal, in this order.
    pub(super) fn leaves_out(mut self, headings: &[&str]) -> Self {
        for (order, heading) in headings.iter().enumerate() {
            self.column(heading, |column| column.leaves = Some(order));
        }
        self
    }

    /// Hides a column, without listing it as left out.
    pub(super) fn without(mut self, heading: &str) -> Self {
        self.column(heading, |column| column.hidden = true);
        self
    }

    fn column(&mut self, heading: &str, change: impl FnOnce(&mut Column)) {
        let found = self.columns.iter_mut().find(|column| column.heading == heading);
        debug_assert!(found.is_some(), "the table has no column {heading}");
        if let Some(column) = found {
            change(column);
        }
    }

    pub(super) fn row<const N: usize>(&mut self, cells: [String; N]) {
        let cell = |text: String| Cell {
            text: plain(&text).into_owned(),
            tone: None,
        };
        self.rows.push(cells.into_iter().map(cell).collect());
    }

    /// Sets the tone of a cell in the last row.
    pub(super) fn tone(&mut self, heading: &str, tone: Option<Tone>) {
        let at = self.columns.iter().position(|column| column.heading == heading);
        debug_assert!(at.is_some(), "the table has no column {heading}");
        let last = self.rows.last_mut();
        if let (Some(at), Some(row)) = (at, last)
            && let Some(cell) = row.get_mut(at)
        {
            cell.tone = tone;
        }
    }

    /// Returns true if there are no rows.
    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Returns the columns that fit.
    fn layout(&self, limit: Option<usize>) -> Layout {
        let natural = |index: usize, column: &Column| {
            let cells = self.rows.iter().filter_map(|row| row.get(index));
            let widest = cells.map(|cell| measure_text_width(&cell.text)).max();
            widest.unwrap_or(0).max(measure_text_width(column.heading))
        };
        let natural: Vec<usize> = self
            .columns
            .iter()
            .enumerate()
            .map(|(index, column)| natural(index, column))
            .collect();
        let asked = |(width, column): (&usize, &Column)| (!column.hidden).then_some(*width);
        let widths: Vec<Option<usize>> = natural.iter().zip(&self.columns).map(asked).collect();
        let Some(limit) = limit else {
            return Layout { widths, apart: false };
        };
        if let Some(widths) = self.fitted(&natural, &widths, limit) {
            return Layout { widths, apart: false };
        }
        // If few rows are too wide, only their values stand below them.
        let few: Vec<usize> = natural
            .iter()
            .zip(&self.columns)
            .enumerate()
            .map(|(index, (width, column))| match column.whole {
                true => self.without_few(index, *width, limit / 3),
                false => *width,
            })
            .collect();
        if few != natural
            && let Some(widths) = self.fitted(&few, &widths, limit)
        {
            return Layout { widths, apart: false };
        }
        let in_row = |(width, column): (&Option<usize>, &Column)| width.filter(|_| !column.whole);
        let rest: Vec<Option<usize>> = widths.iter().zip(&self.columns).map(in_row).collect();
        let apart = rest != widths;
        let limit = limit.saturating_sub(self.indent(apart).len());
        let widths = match self.fitted(&natural, &rest, limit) {
            Some(widths) => widths,
            None => self.narrowest(&natural, rest, limit),
        };
        Layout { widths, apart }
    }

    /// Returns the width of a column without the few values that are much wider than the others, which would move the next
    /// column away in every row.
    fn without_few(&self, index: usize, natural: usize, wide: usize) -> usize {
        let cells = self.rows.iter().filter_map(|row| row.get(index));
        let cells: Vec<usize> = cells.map(|cell| measure_text_width(&cell.text)).collect();
        let usual: Vec<usize> = cells.iter().copied().filter(|width| *width <= wide).collect();
        if natural <= wide || usual.len() * 2 < cells.len() {
            return natural;
        }
        let heading = self
            .columns
            .get(index)
            .map_or(0, |column| measure_text_width(column.heading));
        usual.into_iter().max().unwrap_or(0).max(heading)
    }

    fn is_first(&self, column: &Column) -> bool {
        self.columns
            .first()
            .is_some_and(|first| first.heading == column.heading)
    }

    /// Returns the indent of a row: a first column that is never cut heads its row, if it does not stand in it.
    fn indent(&self, apart: bool) -> &'static str {
        let is_headed = apart && self.columns.first().is_some_and(|column| column.whole);
        if is_headed { BELOW } else { "" }
    }

    /// Returns the widths at which the columns fit by shrinking and leaving out what may be.
    fn fitted(
        &self,
        natural: &[usize],
        widths: &[Option<usize>],
        limit: usize,
    ) -> Option<Vec<Option<usize>>> {
        let mut widths = widths.to_vec();
        let least = |column: &Column| column.least;
        if self.fits_by_shrinking(natural, &mut widths, limit, least) {
            return Some(widths);
        }
        let mut leaving: Vec<(usize, usize)> = self
            .columns
            .iter()
            .enumerate()
            .filter_map(|(index, column)| Some((column.leaves?, index)))
            .collect();
        leaving.sort_unstable();
        for (_, index) in leaving {
            if let Some(width) = widths.get_mut(index) {
                *width = None;
            }
            if self.fits_by_shrinking(natural, &mut widths, limit, least) {
                return Some(widths);
            }
        }
        None
    }

    /// Returns widths that fit, whatever is cut or left out for that.
    fn narrowest(
        &self,
        natural: &[usize],
        mut widths: Vec<Option<usize>>,
        limit: usize,
    ) -> Vec<Option<usize>> {
        for (width, column) in widths.iter_mut().zip(&self.columns) {
            if column.leaves.is_some() {
                *width = None;
            }
        }
        let text = |column: &Column| (!column.number).then_some(NARROW);
        while !self.fits_by_shrinking(natural, &mut widths, limit, text) {
            // The first column identifies the row.
            match widths.iter().skip(1).rposition(Option::is_some) {
                Some(last) => {
                    if let Some(width) = widths.get_mut(last + 1) {
                        *width = None;
                    }
                }
                None => {
                    if let Some(first) = widths.first_mut() {
                        *first = Some(limit);
                    }
                    break;
                }
            }
        }
        widths
    }

    /// Cuts the widest columns that may shrink until all columns fit; returns true if they do. Ignores left-out
    /// columns.
    fn fits_by_shrinking(
        &self,
        natural: &[usize],
        widths: &mut [Option<usize>],
        limit: usize,
        least: impl Fn(&Column) -> Option<usize>,
    ) -> bool {
        for (width, natural) in widths.iter_mut().zip(natural) {
            if width.is_some() {
                *width = Some(*natural);
            }
        }
        loop {
            let shown = widths.iter().flatten().count();
            let total = widths.iter().flatten().sum::<usize>() + GAP * shown.saturating_sub(1);
            let Some(over) = total.checked_sub(limit).filter(|over| *over > 0) else {
                return true;
            };
            // Takes as much as possible from the widest column, but not below the next widest in one step.
            let mut able: Vec<(usize, usize, usize)> = Vec::new();
            for (index, (column, width)) in self.columns.iter().zip(widths.iter()).enumerate() {
                if let (Some(width), Some(least)) = (*width, least(column)) {
                    let least = least.max(measure_text_width(column.heading));
                    if width > least {
                        able.push((width, index, least));
                    }
                }
            }
            able.sort_unstable_by(|a, b| b.cmp(a));
            let Some((width, index, least)) = able.first().copied() else {
                return false;
            };
            let next = able.get(1).map_or(0, |(width, ..)| *width);
            let floor = least.max(next.min(width - 1));
            if let Some(slot) = widths.get_mut(index) {
                *slot = Some(width.saturating_sub(over).max(floor));
            }
        }
    }

    fn write(&self, f: &mut fmt::Formatter<'_>, limit: Option<usize>) -> fmt::Result {
        let Layout { widths, apart } = self.layout(limit);
        let indent = self.indent(apart);
        let headings: Vec<Cell> = self
            .columns
            .iter()
            .map(|column| Cell {
                text: column.heading.to_owned(),
                tone: Some(Tone::Heading),
            })
            .collect();
        for row in std::iter::once(&headings).chain(&self.rows) {
            let stands_apart = |cell: &Cell, column: &Column, width: Option<usize>| {
                let is_too_wide =
                    || limit.is_some() && width.is_some_and(|width| measure_text_width(&cell.text) > width);
                column.whole && !column.hidden && !cell.text.is_empty() && (apart || is_too_wide())
            };
            let apart = row
                .iter()
                .zip(&self.columns)
                .zip(&widths)
                .filter(|((cell, column), width)| stands_apart(cell, column, **width))
                .map(|(of_row, _)| of_row);
            let shown = |cell: &Cell| {
                cell.tone
                    .map_or_else(|| cell.text.clone(), |tone| tone.paint(&cell.text))
            };
            let (head, below): (Vec<_>, Vec<_>) = apart.partition(|(_, column)| self.is_first(column));
            for (cell, _) in head {
                writeln!(f, "{}", shown(cell))?;
            }
            let mut line = indent.to_owned();
            // Spaces are only written before further text, so that no line ends with spaces.
            let mut owed = 0;
            for ((cell, column), width) in row.iter().zip(&self.columns).zip(&widths) {
                let Some(width) = *width else { continue };
                if stands_apart(cell, column, Some(width)) {
                    owed += width + GAP;
                    continue;
                }
                if limit.is_some() && column.wraps && measure_text_width(&cell.text) > width {
                    line = broken(&line, owed, width, &cell.text);
                    continue;
                }
                let text = if limit.is_none() {
                    cell.text.clone()
                } else if column.end && cell.tone != Some(Tone::Heading) {
                    cut_beginning(&cell.text, width)
                } else {
                    cut(&cell.text, width)
                };
                let pad = width.saturating_sub(measure_text_width(&text));
                if column.number {
                    owed += pad;
                }
                if !text.is_empty() {
                    line.push_str(&" ".repeat(owed));
                    owed = 0;
                    line.push_str(&cell.tone.map_or_else(|| text.clone(), |tone| tone.paint(&text)));
                }
                owed += GAP;
                if !column.number {
                    owed += pad;
                }
            }
            writeln!(f, "{}", line.trim_end())?;
            for (cell, _) in below {
                writeln!(f, "{BELOW}{}", shown(cell))?;
            }
        }
        self.write_left_out(f, &widths, apart, limit)
    }

    /// Names the columns that are not shown.
    fn write_left_out(
        &self,
        f: &mut fmt::Formatter<'_>,
        widths: &[Option<usize>],
        apart: bool,
        limit: Option<usize>,
    ) -> fmt::Result {
        let left_out: Vec<&str> = self
            .columns
            .iter()
            .zip(widths)
            .filter(|(column, width)| width.is_none() && !column.hidden && !(apart && column.whole))
            .map(|(column, _)| column.heading)
            .collect();
        if left_out.is_empty() {
            return Ok(());
        }
        let note = format!("(--wide shows {} too)", left_out.join(", "));
        writeln!(f, "{}", Tone::Dim.paint(&cut(&note, limit.unwrap_or(usize::MAX))))
    }
}

/// Returns the end of a text that fits, after the mark for the cut part.
fn cut_beginning(text: &str, width: usize) -> String {
    if measure_text_width(text) <= width {
        return text.to_owned();
    }
    let mut kept = String::new();
    for c in text.chars().rev() {
        let next = format!("{c}{kept}");
        if measure_text_width(&next) + 1 > width {
            break;
        }
        kept = next;
    }
    format!("{CUT}{kept}")
}

/// Adds a text to a row, `gap` columns behind its end and at most `width` wide, broken at spaces. A word that is wider,
/// such as a command, brings the whole text below the row.
fn broken(row: &str, gap: usize, width: usize, text: &str) -> String {
    let at = measure_text_width(row) + gap;
    let row = format!("{row}{}", " ".repeat(gap));
    let lines = terminal::wrapped_to(at + width, &row, at, text);
    if lines.lines().all(|line| measure_text_width(line) <= at + width) {
        return lines.trim_end().to_owned();
    }
    let below = terminal::wrapped_to(at + width, "    ", 4, text);
    format!("{}\n{}", row.trim_end(), below.trim_end())
}

fn cut(text: &str, width: usize) -> String {
    console::truncate_str(text, width, CUT).into_owned()
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, terminal::width())
    }
}

#[cfg(test)]
mod tests;
