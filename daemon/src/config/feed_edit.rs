//! Changes `[[feeds]]` in the text of a configuration: the lines of one feed change, everything else stays as it is.
//!
//! The text is edited where its parser says that a feed's keys stand. The caller reads the result again and refuses
//! it unless it says exactly what was meant, so a file that is written in an unusual way is never damaged.

use std::ops::Range;

use toml::de::{DeTable, DeValue};

use super::feeds::FeedEntry;

/// Name of the list in the file.
const LIST: &str = "feeds";
/// Header of one entry.
const HEADER: &str = "[[feeds]]";

/// The reason why a text cannot be edited.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum EditError {
    /// The text cannot be read.
    #[error("it cannot be read: {0}")]
    Unreadable(String),
    /// The feeds are written in another way.
    #[error("its feeds are not written as `[[feeds]]` tables, so a person has to edit them")]
    OtherForm,
    /// A feed has no form in the file.
    #[error("a feed cannot be written: {0}")]
    Unwritable(String),
}

/// One `[[feeds]]` table in the text.
struct Table {
    /// Its header.
    header: Range<usize>,
    /// Its keys with where they and their values stand.
    keys: Vec<(String, Range<usize>)>,
}

impl Table {
    /// Returns where its last line ends, the line end included.
    fn end(&self, text: &str) -> usize {
        let last = self.keys.iter().map(|(_, range)| range.end).max();
        line_end(text, last.unwrap_or(self.header.end).max(self.header.end))
    }
}

/// Adds a feed: before the file's `[end]`, or at its end.
pub(crate) fn add(text: &str, feed: &FeedEntry) -> Result<String, EditError> {
    let written = written(feed)?;
    // Read first: what cannot be read is not added to.
    tables(text)?;
    let at = end_header(text)?.unwrap_or(text.len());
    let (before, after) = text.split_at(at);
    let gap = match before {
        "" => "",
        before if before.ends_with("\n\n") => "",
        before if before.ends_with('\n') => "\n",
        _ => "\n\n",
    };
    let rest = if after.is_empty() { "" } else { "\n" };
    Ok(format!("{before}{gap}{HEADER}\n{written}{rest}{after}"))
}

/// Removes the feed at `index`; comments around it stay.
pub(crate) fn remove(text: &str, index: usize) -> Result<String, EditError> {
    let tables = tables(text)?;
    let table = tables.get(index).ok_or(EditError::OtherForm)?;
    let start = line_start(text, table.header.start);
    let end = table.end(text);
    let after = text.get(end..).unwrap_or_default();
    // One of the two empty lines goes with it.
    let after = after.strip_prefix('\n').unwrap_or(after);
    Ok(format!("{}{after}", text.get(..start).unwrap_or_default()))
}

/// Sets keys of the feed at `index` to the values that `feed` has, and takes away those that it leaves out.
pub(crate) fn set(text: &str, index: usize, feed: &FeedEntry, keys: &[&str]) -> Result<String, EditError> {
    let wanted = toml::Table::try_from(feed).map_err(|error| EditError::Unwritable(error.to_string()))?;
    let mut text = text.to_owned();
    for key in keys {
        let tables = tables(&text)?;
        let table = tables.get(index).ok_or(EditError::OtherForm)?;
        let stands = table
            .keys
            .iter()
            .find(|(name, _)| name == key)
            .map(|(_, range)| range.clone());
        let line = wanted.get(*key).map(|value| format!("{key} = {value}"));
        match (stands, line) {
            (Some(range), Some(line)) => text.replace_range(range, &line),
            // A comment behind it stays.
            (Some(range), None) if has_comment(&text, range.end) => {
                let rest = text.get(range.end..).unwrap_or_default();
                let spaces = rest.len() - rest.trim_start_matches([' ', '\t']).len();
                text.replace_range(range.start..range.end + spaces, "");
            }
            (Some(range), None) => {
                let lines = line_start(&text, range.start)..line_end(&text, range.end);
                text.replace_range(lines, "");
            }
            (None, Some(line)) => {
                let end = table.end(&text);
                let gap = if text.get(..end).is_some_and(|before| before.ends_with('\n')) {
                    ""
                } else {
                    "\n"
                };
                text.insert_str(end, &format!("{gap}{line}\n"));
            }
            (None, None) => {}
        }
    }
    Ok(text)
}

/// Returns true if the rest of a line is a comment.
fn has_comment(text: &str, at: usize) -> bool {
    text.get(at..)
        .is_some_and(|rest| rest.trim_start_matches([' ', '\t']).starts_with('#'))
}

/// Returns the line, counted from 1, where a feed or one of its keys stands.
pub(crate) fn line_of(text: &str, index: usize, key: Option<&str>) -> Option<usize> {
    let tables = tables(text).ok()?;
    let table = tables.get(index)?;
    let stands = key.and_then(|key| table.keys.iter().find(|(name, _)| name == key));
    let at = stands.map_or(table.header.start, |(_, range)| range.start);
    Some(text.get(..at)?.matches('\n').count() + 1)
}

/// Returns the lines of a feed.
fn written(feed: &FeedEntry) -> Result<String, EditError> {
    toml::to_string(feed).map_err(|error| EditError::Unwritable(error.to_string()))
}

/// Finds the `[[feeds]]` tables of a text, in order.
fn tables(text: &str) -> Result<Vec<Table>, EditError> {
    let root = read(text)?;
    let Some((_, list)) = root.iter().find(|(name, _)| name.get_ref().as_ref() == LIST) else {
        return Ok(Vec::new());
    };
    let DeValue::Array(list) = list.get_ref() else {
        return Err(EditError::OtherForm);
    };
    let mut tables = Vec::new();
    for entry in list.iter() {
        let header = entry.span();
        let is_header = text
            .get(header.clone())
            .is_some_and(|found| found.trim_start().starts_with("[["));
        let DeValue::Table(keys) = entry.get_ref() else {
            return Err(EditError::OtherForm);
        };
        if !is_header {
            return Err(EditError::OtherForm);
        }
        let keys = keys
            .iter()
            .map(|(name, value)| (name.get_ref().to_string(), name.span().start..value.span().end));
        tables.push(Table {
            header,
            keys: keys.collect(),
        });
    }
    Ok(tables)
}

/// Finds where the line of the table `end` begins.
fn end_header(text: &str) -> Result<Option<usize>, EditError> {
    let root = read(text)?;
    let end = root.iter().find(|(name, _)| name.get_ref().as_ref() == "end");
    Ok(end.map(|(_, table)| line_start(text, table.span().start)))
}

fn read(text: &str) -> Result<DeTable<'_>, EditError> {
    DeTable::parse(text)
        .map(toml::Spanned::into_inner)
        .map_err(|error| EditError::Unreadable(error.to_string()))
}

fn line_start(text: &str, at: usize) -> usize {
    let before = text.get(..at).unwrap_or_default();
    before.rfind('\n').map_or(0, |line| line + 1)
}

fn line_end(text: &str, at: usize) -> usize {
    let after = text.get(at..).unwrap_or_default();
    after.find('\n').map_or(text.len(), |line| at + line + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feed(name: &str) -> FeedEntry {
        toml::from_str(&format!(
            "name = {name:?}\naddress = \"https://example.org/{name}\"\nsource = \"mine\"\n"
        ))
        .unwrap()
    }

    const FILE: &str = "\
# Ours.
format = 1

[log]
level = \"warn\" # not loud
# modules = {}

[end]
# The last word.
";

    const ENTRY: &str = "\
[[feeds]]
name = \"a\"
address = \"https://example.org/a\"
source = \"mine\"
";

    #[test]
    fn comment_behind_a_key_that_goes_stays() {
        let text = format!("{ENTRY}enabled = false # until the mirror is up\n");
        let mut entry = feed("a");
        entry.enabled = true;
        let edited = set(&text, 0, &entry, &["enabled"]).unwrap();
        assert_eq!(edited, format!("{ENTRY}# until the mirror is up\n"));
    }

    #[test]
    fn added_feed_stands_before_the_end_and_comments_stay() {
        let added = add(FILE, &feed("a")).unwrap();
        let expected = FILE.replace("[end]", &format!("{ENTRY}\n[end]"));
        assert_eq!(added, expected);
        let again = add(&added, &feed("b")).unwrap();
        assert!(again.find("\"a\"") < again.find("\"b\"") && again.find("\"b\"") < again.find("[end]"));
        assert_eq!(remove(&again, 1).unwrap(), added);
        assert_eq!(remove(&added, 0).unwrap(), FILE);
    }

    #[test]
    fn file_without_an_end_is_added_to_at_its_end() {
        assert_eq!(
            add("[log]\nlevel = \"warn\"", &feed("a")).unwrap(),
            format!("[log]\nlevel = \"warn\"\n\n{ENTRY}")
        );
        assert_eq!(add("", &feed("a")).unwrap(), ENTRY);
    }

    #[test]
    fn keys_are_set_in_place_and_taken_away() {
        let text = format!("{ENTRY}enabled = false\n\n[log]\n");
        let on = feed("a");
        let text_on = set(&text, 0, &on, &["enabled"]).unwrap();
        assert_eq!(text_on, format!("{ENTRY}\n[log]\n"));
        let mut off = feed("a");
        off.enabled = false;
        off.schedule = Some("3h".to_owned());
        let text_off = set(&text_on, 0, &off, &["enabled", "schedule"]).unwrap();
        assert_eq!(
            text_off,
            format!("{ENTRY}enabled = false\nschedule = \"3h\"\n\n[log]\n")
        );
        off.schedule = Some("4h".to_owned());
        let changed = set(&text_off, 0, &off, &["schedule"]).unwrap();
        assert!(
            changed.contains("enabled = false\nschedule = \"4h\"\n"),
            "{changed}"
        );
    }

    #[test]
    fn headers_in_texts_and_comments_are_not_taken_for_feeds() {
        let text = format!("note = '''\n[[feeds]]\n[end]\n'''\n# [[feeds]]\n\n{ENTRY}");
        let added = add(&text, &feed("b")).unwrap();
        assert!(added.starts_with(&text), "{added}");
        assert_eq!(line_of(&text, 0, Some("source")), Some(10));
        assert_eq!(line_of(&text, 0, None), Some(7));
    }

    #[test]
    fn feeds_in_another_form_are_left_to_a_person() {
        let text = "feeds = [{ name = \"a\", address = \"x\", source = \"y\" }]\n";
        assert_eq!(add(text, &feed("b")), Err(EditError::OtherForm));
        assert_eq!(remove(text, 0), Err(EditError::OtherForm));
        assert!(matches!(add("[", &feed("b")), Err(EditError::Unreadable(_))));
    }
}
