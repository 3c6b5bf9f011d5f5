//! Finds missing pages of paged lists in an import: each page states the total of its list and may state its start.

use std::collections::BTreeSet;

use starling_feeds::osv::Page;

/// Most percent by which the totals on the pages of one list may differ: entries are added while it is read.
const DRIFT_PERCENT: u64 = 1;
/// The same limit as a number of entries, for short lists.
const DRIFT: u64 = 5;

/// The distinct pages of an import.
#[derive(Debug, Default)]
pub(super) struct Pages(BTreeSet<Page>);

impl Pages {
    pub(super) fn add(&mut self, page: Page) {
        self.0.insert(page);
    }

    /// Describes the missing entries of all lists; `None` if none is missing.
    ///
    /// Pages do not name their list. Pages with nearly the same total are counted as one list.
    pub(super) fn missing(&self) -> Option<String> {
        let mut lists: Vec<Vec<&Page>> = Vec::new();
        // Pages are sorted by total, so those of one list follow each other.
        for page in &self.0 {
            match lists.last_mut() {
                Some(list) if list.last().is_some_and(|last| is_drift(last.total, page.total)) => {
                    list.push(page);
                }
                _ => lists.push(vec![page]),
            }
        }
        let gaps: Vec<String> = lists.iter().filter_map(|list| missing_of_list(list)).collect();
        (!gaps.is_empty()).then(|| format!("pages are missing: {}; fetch them again", gaps.join("; ")))
    }
}

/// Returns true if two totals, the smaller first, can belong to pages of one list.
fn is_drift(before: u64, after: u64) -> bool {
    after - before <= DRIFT.max(before / 100 * DRIFT_PERCENT)
}

/// Describes the missing entries of one list: their positions, or only their number if no page states its start.
fn missing_of_list(pages: &[&Page]) -> Option<String> {
    let total = pages.iter().map(|page| page.total).max()?;
    let mut intervals: Vec<(u64, u64)> = pages
        .iter()
        .filter_map(|page| Some((page.start?, page.start?.saturating_add(page.count))))
        .collect();
    if intervals.is_empty() {
        let held = pages.iter().map(|page| page.count).fold(0, u64::saturating_add);
        let number = pages.len();
        let pages = if number == 1 {
            "the page holds"
        } else {
            "the pages hold"
        };
        return (held < total).then(|| format!("{pages} {held} of {total} entries"));
    }
    intervals.sort_unstable();
    let (mut end, mut gaps) = (0, Vec::new());
    for (start, after) in intervals.into_iter().chain([(total, total)]) {
        if start > end {
            gaps.push(format!("{} to {start}", end + 1));
        }
        end = end.max(after);
    }
    (!gaps.is_empty()).then(|| format!("entries {} of {total}", gaps.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn missing(pages: &[(u64, Option<u64>, u64, &str)]) -> Option<String> {
        let mut all = Pages::default();
        for (total, start, count, first) in pages {
            all.add(Page {
                total: *total,
                start: *start,
                count: *count,
                first: (*first).to_owned(),
            });
        }
        all.missing()
    }

    /// Pages 1 and 3 of three were accepted as the complete list.
    #[test]
    fn missing_page_is_reported_with_its_position() {
        let found = missing(&[(250, Some(0), 100, ""), (250, Some(200), 50, "")]);
        assert_eq!(
            found.as_deref(),
            Some("pages are missing: entries 101 to 200 of 250; fetch them again")
        );
        let found = missing(&[(250, None, 100, "EUVD-1"), (250, None, 50, "EUVD-3")]);
        assert_eq!(
            found.as_deref(),
            Some("pages are missing: the pages hold 150 of 250 entries; fetch them again")
        );
        // The same page twice is one page.
        let twice = [
            (250, None, 100, "EUVD-1"),
            (250, None, 100, "EUVD-1"),
            (250, None, 50, "EUVD-3"),
        ];
        assert!(missing(&twice).is_some());
        assert!(missing(&[(250, Some(0), 100, "")]).is_some_and(|found| found.contains("101 to 250")));
    }

    #[test]
    fn complete_lists_are_not_reported() {
        assert_eq!(missing(&[]), None);
        assert_eq!(missing(&[(0, Some(0), 0, "")]), None);
        assert_eq!(
            missing(&[(150, Some(100), 50, ""), (150, Some(0), 100, "")]),
            None
        );
        // The page after the last one is empty.
        let euvd = [(150, None, 100, "A"), (150, None, 50, "B"), (150, None, 0, "")];
        assert_eq!(missing(&euvd), None);
        // Two windows of one source are two lists.
        let windows = [
            (150, Some(0), 100, ""),
            (150, Some(100), 50, ""),
            (20, Some(0), 20, ""),
        ];
        assert_eq!(missing(&windows), None);
        // An entry was added between two pages.
        assert_eq!(missing(&[(150, None, 100, "A"), (151, None, 51, "B")]), None);
    }

    #[test]
    fn lists_are_checked_separately() {
        let found = missing(&[(150, Some(0), 100, ""), (2_000, Some(0), 2_000, "")]);
        assert!(found.is_some_and(|found| found.contains("101 to 150 of 150")));
    }
}
