//! The daily table of exploitation probabilities (EPSS).
//!
//! A score is a record's only severity, of the type `EPSS`, which findings and policies read. The table's date and
//! the percentiles are not kept: both change in nearly every row every day, so that a day with few changed scores
//! would replace every record. A note counts the loss.

#[cfg(test)]
mod tests;

use super::Connector;
use super::csv;
use super::draft::Draft;
use super::output::Output;
use super::severity::Severity;
use super::shape::Shape;
use super::text::{self, quote};
use super::value::{self, plain, str_of};

/// Reads tables of exploitation probabilities.
pub(crate) struct Epss;

impl Connector for Epss {
    fn name(&self) -> &'static str {
        "epss"
    }

    fn knows(&self, shape: &Shape<'_>) -> bool {
        let is_table = |text: &str| {
            let mut lines = text.lines();
            let first = lines.next().unwrap_or_default();
            let has_model = first
                .strip_prefix('#')
                .is_some_and(|comment| comment.trim_start().starts_with("model_version:"));
            has_model
                || columns(
                    &csv::rows(first)
                        .next()
                        .and_then(|(_, row)| row.ok())
                        .unwrap_or_default(),
                )
                .is_some()
        };
        let is_answer = shape.value("data").is_some_and(|data| {
            let near = data.get(..data.len().min(400)).unwrap_or_default();
            memchr::memmem::find(near, b"\"epss\"").is_some()
        });
        is_answer || shape.text().is_some_and(is_table)
    }

    fn read(&self, bytes: &[u8], _: &str, out: &mut Output<'_>) {
        let body = crate::osv::strip_byte_order_mark(bytes).trim_ascii_start();
        let mut lost = 0_usize;
        if let Some(b'{' | b'[') = body.first() {
            let mut count = 0_usize;
            let rest = out.json_lists(body, &["data"], &mut |out, pointer, item| {
                count += 1;
                let cve = str_of(&item, "cve").unwrap_or_default().to_owned();
                let score = item.get("epss").and_then(plain).unwrap_or_default();
                lost += usize::from(item.get("percentile").is_some());
                row(out, pointer, &cve, &score, None);
            });
            let number = |name: &str| value::count_of(&rest, name);
            // The interface gives 100 rows if it is not asked for more.
            if let (Some(total), 0) = (number("total"), number("offset").unwrap_or(0))
                && count < total
            {
                out.note(format!(
                    "the answer has {count} of {total} rows: it is not the whole table"
                ));
            }
        } else {
            lost = table(body, out);
        }
        if lost > 0 {
            out.note(format!(
                "the percentiles of {lost} rows and the day of the table are not kept: they change every day"
            ));
        }
    }
}

/// The places of a table's columns.
struct Columns {
    cve: usize,
    score: usize,
    has_percentile: bool,
}

/// Returns the places of the columns by their names; `None` without an id or a score, and for other columns.
fn columns(header: &[String]) -> Option<Columns> {
    const KNOWN: [&str; 4] = ["cve", "epss", "percentile", "date"];
    let is_known = |column: &String| KNOWN.iter().any(|own| column.trim().eq_ignore_ascii_case(own));
    if !header.iter().all(is_known) {
        return None;
    }
    let place = |name: &str| {
        header
            .iter()
            .position(|column| column.trim().eq_ignore_ascii_case(name))
    };
    Some(Columns {
        cve: place("cve")?,
        score: place("epss")?,
        has_percentile: place("percentile").is_some(),
    })
}

fn table(body: &[u8], out: &mut Output<'_>) -> usize {
    let decoded = text::decode(body, None, encoding_rs::WINDOWS_1252);
    if let Some(warning) = decoded.warning {
        out.note(warning);
    }
    let mut model = None;
    let mut rest = decoded.text.as_ref();
    let mut line_offset = 0;
    if rest.starts_with('#') {
        let (comment, table) = rest.split_once('\n').unwrap_or((rest, ""));
        model = comment
            .split(['#', ','])
            .find_map(|part| part.trim().strip_prefix("model_version:"))
            .map(str::to_owned);
        (rest, line_offset) = (table, 1);
    }
    let mut rows = csv::rows(rest);
    let header = rows.next().and_then(|(_, row)| row.ok()).unwrap_or_default();
    let Some(columns) = columns(&header) else {
        let found = quote(&header.join(","));
        out.reject(
            "",
            format!(
                "expected the header cve,epss or cve,epss,percentile, with or without date, found \"{found}\""
            ),
        );
        return 0;
    };
    if !decoded.text.ends_with('\n') {
        out.note("the table does not end with a line end: it may be cut off");
    }
    let mut lost = 0;
    while let Some((text, (line, cells))) = rows.next_with_text() {
        let pointer = format!("/line {}", line + line_offset);
        out.within(text.as_bytes(), |out| match cells {
            Ok(cells) if cells.len() == header.len() => {
                lost += usize::from(columns.has_percentile);
                if let (Some(cve), Some(score)) = (cells.get(columns.cve), cells.get(columns.score)) {
                    row(out, pointer, cve, score, model.as_deref());
                }
            }
            Ok(cells) => out.reject(
                pointer,
                format!(
                    "the row has {} cells; the header has {}",
                    cells.len(),
                    header.len()
                ),
            ),
            Err(why) => out.reject(pointer, why.to_string()),
        });
    }
    lost
}

fn row(out: &mut Output<'_>, pointer: String, cve: &str, score: &str, model: Option<&str>) {
    let cve = cve.trim();
    if !text::is_cve(cve) {
        return out.reject(pointer, format!("not the id of a CVE record: \"{}\"", quote(cve)));
    }
    let Some(score) = probability(score.trim()) else {
        return out.reject(
            pointer,
            format!("{cve}: not a probability from 0 to 1: \"{}\"", quote(score)),
        );
    };
    let mut draft = Draft::of(cve);
    draft.is_without_time = true;
    draft.rate(Severity { kind: "EPSS", score });
    if let Some(model) = model {
        draft.keep("model_version", value::text(model.to_owned()));
    }
    out.record(pointer, draft);
}

/// Reads a number from 0 to 1, and writes it as a plain decimal.
fn probability(text: &str) -> Option<String> {
    let number: f64 = text.parse().ok().filter(|number| (0.0..=1.0).contains(number))?;
    // A zero may have a sign.
    let number = number.abs();
    let is_plain =
        text.starts_with(['0', '1']) && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    if is_plain && !text.ends_with('.') {
        return Some(text.to_owned());
    }
    let text = format!("{number:.9}");
    Some(text.trim_end_matches('0').trim_end_matches('.').to_owned())
}
