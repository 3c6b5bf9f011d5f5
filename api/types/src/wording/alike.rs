//! Says once what several things say that differ in names, addresses and times alone.

/// Most names listed before one sentence.
const NAMED: usize = 6;

/// Returns the sentences of named things: equal ones once, as `a, b and c alike: ` and that of the first. Names,
/// addresses, paths, times and how often something happened may differ. `kind` stands before the names of several.
#[must_use]
pub fn grouped(kind: &str, told: &[(String, String)]) -> Vec<String> {
    let mut groups: Vec<(String, Vec<&(String, String)>)> = Vec::new();
    for one in told {
        let shape = shape_of(&one.0, &one.1);
        match groups.iter_mut().find(|(known, _)| *known == shape) {
            Some((_, group)) => group.push(one),
            None => groups.push((shape, vec![one])),
        }
    }
    let sentences = groups.into_iter().filter_map(|(_, group)| {
        let (_, first) = group.first()?;
        let names: Vec<&str> = group.iter().map(|(name, _)| name.as_str()).collect();
        Some(match names.len() {
            1 => first.clone(),
            _ => format!("{kind}{} alike: {first}", list(&names)),
        })
    });
    sentences.collect()
}

fn list(names: &[&str]) -> String {
    let more = names.len().saturating_sub(NAMED);
    match (names.split_last(), more) {
        (Some((last, before)), 0) => format!("{} and {last}", before.join(", ")),
        _ => format!(
            "{} and {more} more",
            names.get(..NAMED).unwrap_or(names).join(", ")
        ),
    }
}

/// Returns a sentence with marks in place of what may differ.
fn shape_of(name: &str, text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let is_times = |at: usize| {
        words
            .get(at)
            .is_some_and(|word| word.trim_end_matches([':', ',', ';']) == "times")
    };
    let shape = words.iter().enumerate().map(|(at, word)| {
        let bare = word.trim_matches(['`', '(', ')', ',', ';', ':', '"']);
        if bare == name {
            word.replace(name, "\u{1}")
        } else if bare.contains("://") || bare.starts_with('/') {
            word.replace(bare, "\u{2}")
        } else if *word == "once" || (is_times(at + 1) && bare.parse::<u64>().is_ok()) {
            "\u{4}".to_owned()
        } else if is_times(at) {
            String::new()
        } else if is_time(bare) {
            word.replace(bare, "\u{3}")
        } else {
            (*word).to_owned()
        }
    });
    shape
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

/// Returns true for a day, a time of day, or both.
fn is_time(word: &str) -> bool {
    let begins_with_a_digit = word.starts_with(|c: char| c.is_ascii_digit());
    let parts = word.chars().filter(|c| matches!(c, '-' | ':')).count();
    let others = |c: char| !(c.is_ascii_digit() || matches!(c, '-' | ':' | '.' | 'T' | 'Z'));
    begins_with_a_digit && parts > 0 && !word.contains(others)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(all: &[(&str, &str)]) -> Vec<String> {
        let all: Vec<(String, String)> = all
            .iter()
            .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
            .collect();
        grouped("feeds ", &all)
    }

    /// Eight feeds behind one broken link said the same eight times.
    #[test]
    fn equal_failures_are_said_once() {
        let said = told(&[
            (
                "kev",
                "feed kev failed at 2026-12-01 01:34: http://a/kev.json cannot be reached; `starling feeds run kev`",
            ),
            ("nvd", "feed nvd is late"),
            (
                "epss",
                "feed epss failed at 2026-12-01T02:00:00.000Z 02:00: https://b/x cannot be reached; `starling feeds run epss`",
            ),
            (
                "osv",
                "feed osv failed at 2026-12-01 01:35: http://c cannot be read; `starling feeds run osv`",
            ),
            (
                "wolfi",
                "feed wolfi failed at 2026-12-02 01:34: /media/usb cannot be reached; `starling feeds run wolfi`",
            ),
        ]);
        assert_eq!(said.len(), 3, "{said:#?}");
        assert!(
            said[0].starts_with(
                "feeds kev, epss and wolfi alike: feed kev failed at 2026-12-01 01:34: http://a/"
            )
        );
        assert_eq!(said[1], "feed nvd is late");
        assert!(said[2].starts_with("feed osv failed"));
        assert!(told(&[]).is_empty());
    }

    #[test]
    fn causes_and_counts_keep_failures_apart() {
        let said = told(&[
            ("a", "feed a failed once (404)"),
            ("b", "feed b failed 3 times (404)"),
            ("c", "feed c failed 3 times (500)"),
            ("d", "feed d: 7 documents are rejected"),
            ("e", "feed e: 8 documents are rejected"),
        ]);
        assert_eq!(said.len(), 4, "how often is no difference: {said:?}");
        assert!(
            said[0].starts_with("feeds a and b alike: feed a failed once"),
            "{said:?}"
        );
    }

    #[test]
    fn many_names_are_counted() {
        let all: Vec<(String, String)> = (0..9)
            .map(|number| (format!("f{number}"), "down".to_owned()))
            .collect();
        assert_eq!(
            grouped("", &all),
            ["f0, f1, f2, f3, f4, f5 and 3 more alike: down"]
        );
    }
}
