//! Parses comma-separated values by RFC 4180: quoted fields may contain commas, doubled quotes and line ends.

/// Parses rows from a text, each with the number of its first line.
pub(crate) struct Rows<'a> {
    rest: &'a str,
    line: usize,
}

/// The error of an unreadable row: its quoted field does not end.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("a quoted field does not end")]
pub(crate) struct Unended;

/// One row: its first line number, and its fields.
pub(crate) type Row = (usize, Result<Vec<String>, Unended>);

/// Returns the non-empty rows of a text.
pub(crate) fn rows(text: &str) -> Rows<'_> {
    Rows { rest: text, line: 1 }
}

impl Iterator for Rows<'_> {
    type Item = Row;

    fn next(&mut self) -> Option<Row> {
        loop {
            if self.rest.is_empty() {
                return None;
            }
            let line = self.line;
            match self.row() {
                Ok(fields) if fields.iter().all(String::is_empty) && fields.len() == 1 => {}
                row => return Some((line, row)),
            }
        }
    }
}

impl<'a> Rows<'a> {
    /// Parses the next row, with its text.
    pub(crate) fn next_with_text(&mut self) -> Option<(&'a str, Row)> {
        let before = self.rest;
        let row = self.next()?;
        let length = before.len().saturating_sub(self.rest.len());
        Some((before.get(..length).unwrap_or(before), row))
    }
}

impl Rows<'_> {
    fn row(&mut self) -> Result<Vec<String>, Unended> {
        let mut fields = Vec::new();
        loop {
            let mut field = String::new();
            if let Some(quoted) = self.rest.strip_prefix('"') {
                self.rest = quoted;
                self.quoted(&mut field)?;
            }
            let end = self.rest.find([',', '\n']).unwrap_or(self.rest.len());
            let (plain, rest) = self.rest.split_at(end);
            let ends_row = !rest.starts_with(',');
            field.push_str(if ends_row {
                plain.trim_end_matches('\r')
            } else {
                plain
            });
            self.rest = rest.get(1..).unwrap_or_default();
            fields.push(field);
            if ends_row {
                self.line += usize::from(!rest.is_empty());
                return Ok(fields);
            }
        }
    }

    /// Parses a quoted field up to its closing quote.
    fn quoted(&mut self, field: &mut String) -> Result<(), Unended> {
        loop {
            let Some(end) = self.rest.find('"') else {
                self.rest = "";
                return Err(Unended);
            };
            let (part, rest) = self.rest.split_at(end);
            self.line += part.matches('\n').count();
            field.push_str(part);
            self.rest = rest.get(1..).unwrap_or_default();
            match self.rest.strip_prefix('"') {
                Some(rest) => {
                    field.push('"');
                    self.rest = rest;
                }
                None => return Ok(()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn quotes_commas_and_line_ends_inside_fields_are_kept() {
        let read: Vec<Row> = rows("a,b\r\n\"x, \"\"y\"\"\nz\",2\n\nlast").collect();
        let row = |line, fields: &[&str]| {
            (
                line,
                Ok(fields.iter().map(ToString::to_string).collect::<Vec<_>>()),
            )
        };
        assert_eq!(
            read,
            [
                row(1, &["a", "b"]),
                row(2, &["x, \"y\"\nz", "2"]),
                row(5, &["last"])
            ]
        );
        assert_eq!(rows("a\n\"b").last(), Some((2, Err(Unended))));
    }

    proptest! {
        #[test]
        fn fields_that_are_quoted_come_back(fields in prop::collection::vec("[a\",\n\r]{0,6}", 2..6)) {
            let quoted: Vec<String> = fields.iter().map(|f| format!("\"{}\"", f.replace('"', "\"\""))).collect();
            let text = format!("{}\n", quoted.join(","));
            prop_assert_eq!(rows(&text).next().unwrap().1.unwrap(), fields);
        }

        #[test]
        fn any_text_is_read_to_its_end(text in "[a\",\n\r]{0,80}") {
            let _ = rows(&text).count();
        }
    }
}
