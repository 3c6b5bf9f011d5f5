//! Withdrawals: until when the statements of withdrawn records apply.
//!
//! A source can announce a withdrawal: `withdrawn` then is a time that is still to come, and the record applies until
//! then. A scan compares it with its own time of judgement. The time of an import would not do, because each site has
//! another one; nor would `modified`: of 542 withdrawn records of OSV's CVE export, 369 are withdrawn after it. Sites
//! with equal knowledge thus give equal verdicts for equal times, and the verdict changes when the time has come, without a new import.

use super::{Advisory, Statement, StatingRecord, Weight};
use crate::osv::Affected;
use crate::severity::StatedSeverity;
use crate::threat::Probability;

const DAY_MILLIS: i64 = 24 * 3_600_000;
/// The first year in which an advisory can have been withdrawn. Year 1 is how some programs write "no time".
const FIRST_YEAR: i64 = 1970;

/// A time of judgement, in milliseconds since 1970 (UTC). The default is after every withdrawal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct JudgedAt(u64);

impl JudgedAt {
    /// Returns the time of so many milliseconds since 1970 (UTC).
    pub const fn from_unix_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Returns the number of milliseconds since 1970 (UTC).
    pub const fn unix_millis(self) -> u64 {
        self.0
    }

    /// Reads the text of `withdrawn`. A time without a zone is UTC, and a date alone is the end of its day.
    ///
    /// `None` if it is not a time since 1970 (`false`, or the year 1): then nothing is withdrawn.
    pub fn of_withdrawal(text: &str) -> Option<Self> {
        let text = text.trim();
        let (date, rest) = text.split_at_checked(10)?;
        let day = days_since_1970(date)?;
        let time = millis_of_day(rest).unwrap_or(DAY_MILLIS - 1);
        let millis = day.checked_mul(DAY_MILLIS)?.checked_add(time)?;
        Some(Self(u64::try_from(millis).unwrap_or(0)))
    }
}

impl Default for JudgedAt {
    fn default() -> Self {
        Self(u64::MAX)
    }
}

/// A withdrawn record's statement about a package.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WithdrawnStatement {
    /// The record.
    pub by: StatingRecord,
    /// Its time of withdrawal; `None` if `withdrawn` is not a time, so that the statement always applies.
    pub until: Option<JudgedAt>,
    /// Its weight until then.
    pub weight: Weight,
    /// True if it is one of several conflicting statements about its record, without a decision.
    pub unresolved: bool,
    /// Its entries.
    pub entries: Vec<Affected>,
}

/// A withdrawn record's statement about the vulnerability itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WithdrawnRating {
    /// Its time of withdrawal; `None` if `withdrawn` is not a time, so that the rating always applies.
    pub until: Option<JudgedAt>,
    /// The place of its severities among those of the advisory, which are in the view's source order.
    pub place: usize,
    /// Its severities.
    pub severities: Vec<StatedSeverity>,
    /// True if it is an entry in a catalogue of exploited vulnerabilities.
    pub kev: bool,
    /// The probability of exploitation that it states.
    pub epss: Option<Probability>,
}

/// Returns true if what is withdrawn at a time still applies; without a time nothing is withdrawn.
fn applies(until: Option<JudgedAt>, at: JudgedAt) -> bool {
    until.is_none_or(|until| at < until)
}

impl Advisory {
    /// Returns true if its statements depend on the time of judgement.
    pub fn depends_on_time(&self) -> bool {
        let statements = self.withdrawn_statements.iter().map(|said| said.until);
        let ratings = self.withdrawn_ratings.iter().map(|rating| rating.until);
        statements.chain(ratings).any(|until| until.is_some())
    }

    /// Returns the advisory as it applies at a time: records that are withdrawn later are not withdrawn yet.
    ///
    /// Their statements are added to those of live records and replace none, not even with authority: at worst a
    /// finding is too many, until the withdrawal.
    #[must_use]
    pub fn applying_at(mut self, at: JudgedAt) -> Self {
        self.apply_ratings(at);
        let withdrawn = std::mem::take(&mut self.withdrawn_statements);
        let is_withdrawn = |from: &super::Provenance| {
            let mut by = withdrawn.iter().map(|said| &said.by);
            by.any(|by| by.record == from.record && by.source == from.source)
        };
        let live = self.provenance.iter().filter(|from| !is_withdrawn(from));
        let live: Vec<StatingRecord> = live.map(StatingRecord::from).collect();
        let mut applying = withdrawn
            .into_iter()
            .filter(|said| applies(said.until, at))
            .peekable();
        if applying.peek().is_none() {
            return self;
        }
        if self.withdrawn.take().is_some() {
            self.affected.clear();
            self.statements.clear();
        } else if self.statements.is_empty() {
            self.statements.push(Statement {
                by: live,
                entries: self.affected.len(),
                ..Statement::default()
            });
        }
        for said in applying {
            self.statements.push(Statement {
                by: vec![said.by],
                entries: said.entries.len(),
                weight: said.weight,
                unresolved: said.unresolved,
            });
            self.affected.extend(said.entries);
        }
        // A single statement that applies need not be distinguished.
        if matches!(self.statements.as_slice(), [only] if only.weight.counts()) {
            self.statements.clear();
        }
        self
    }
}

impl Advisory {
    /// Adds the ratings of records that are not withdrawn yet, each at its place in the order of the sources.
    fn apply_ratings(&mut self, at: JudgedAt) {
        let mut ratings = std::mem::take(&mut self.withdrawn_ratings);
        ratings.retain(|rating| applies(rating.until, at));
        // From the last place to the first, so that each place stays true.
        ratings.sort_by_key(|rating| std::cmp::Reverse(rating.place));
        for rating in ratings {
            let place = rating.place.min(self.severities.len());
            self.severities.splice(place..place, rating.severities);
            self.threat.epss = self.threat.epss.max(rating.epss);
            if rating.kev {
                self.threat.kev = Some(true);
            }
        }
    }
}

/// Returns the days from 1970 to a date `YYYY-MM-DD`; `None` if it is not one, or before 1970.
fn days_since_1970(date: &str) -> Option<i64> {
    let (year, rest) = date.split_at_checked(4)?;
    let (month, day) = rest.strip_prefix('-')?.split_once('-')?;
    let year = number(year).filter(|year| *year >= FIRST_YEAR)?;
    let (month, _) = two_digits(month, 12).filter(|read| matches!(read, (1.., "")))?;
    let (day, _) = two_digits(day, 31).filter(|read| matches!(read, (1.., "")))?;
    // Years that begin in March have their leap day at the end.
    let (year, month) = if month < 3 {
        (year - 1, month + 9)
    } else {
        (year, month - 3)
    };
    let before = year * 365 + year / 4 - year / 100 + year / 400;
    const FROM_YEAR_0_TO_1970: i64 = 719_468;
    Some(before + (153 * month + 2) / 5 + day - 1 - FROM_YEAR_0_TO_1970)
}

/// Returns the milliseconds from midnight (UTC) to a time `Thh:mm[:ss[.fff]][zone]`; `None` if it is not one.
fn millis_of_day(text: &str) -> Option<i64> {
    let text = text.strip_prefix(['T', 't', ' '])?;
    let (hours, text) = two_digits(text, 23)?;
    let (minutes, mut text) = two_digits(text.strip_prefix(':')?, 59)?;
    let mut millis = (hours * 60 + minutes) * 60_000;
    if let Some(rest) = text.strip_prefix(':') {
        // A leap second is the 61st of its minute.
        let (seconds, rest) = two_digits(rest, 60)?;
        millis += seconds * 1_000;
        text = rest;
        if let Some(rest) = text.strip_prefix(['.', ',']) {
            let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
            let (fraction, rest) = rest.split_at_checked(end)?;
            let thousandths = format!("{fraction:0<3}");
            millis += number(thousandths.get(..3)?)?;
            text = rest;
        }
    }
    let zone = match text {
        "" | "Z" | "z" => 0,
        _ => {
            let sign = if text.starts_with('-') { -1 } else { 1 };
            let (hours, rest) = two_digits(text.strip_prefix(['+', '-'])?, 23)?;
            let rest = rest.strip_prefix(':').unwrap_or(rest);
            let (minutes, rest) = if rest.is_empty() {
                (0, rest)
            } else {
                two_digits(rest, 59)?
            };
            if !rest.is_empty() {
                return None;
            }
            sign * (hours * 60 + minutes) * 60_000
        }
    };
    Some(millis - zone)
}

/// Reads a number of two digits; returns it with the rest of the text.
fn two_digits(text: &str, most: i64) -> Option<(i64, &str)> {
    let (digits, rest) = text.split_at_checked(2)?;
    Some((number(digits).filter(|number| *number <= most)?, rest))
}

/// Reads a number that consists of digits alone.
fn number(text: &str) -> Option<i64> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| is_number)
}

#[cfg(test)]
mod tests {
    use std::str::FromStr;

    use super::*;
    use crate::knowledge::Provenance;

    fn millis(text: &str) -> Option<u64> {
        JudgedAt::of_withdrawal(text).map(JudgedAt::unix_millis)
    }

    #[test]
    fn times_of_withdrawal_are_read() {
        for (text, expected) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2024-02-29T12:30:15Z", 1_709_209_815_000),
            ("2024-02-29T12:30:15.5Z", 1_709_209_815_500),
            ("2024-02-29T12:30:15.123456789+02:30", 1_709_200_815_123),
            (" 2024-02-29 12:30 ", 1_709_209_800_000),
            ("2024-02-29T12:30:15-0100", 1_709_213_415_000),
            ("2100-03-01T00:00:00Z", 4_107_542_400_000),
            // A date is over at its end, and so is one with an unreadable time.
            ("2024-02-29", 1_709_251_199_999),
            ("2024-02-29Tnoon", 1_709_251_199_999),
        ] {
            assert_eq!(millis(text), Some(expected), "{text}");
        }
        for text in [
            "",
            "false",
            "no",
            "withdrawn",
            "0001-01-01T00:00:00Z",
            "2024-13-01",
            "2024-1-011",
            "é-é-é-é",
        ] {
            assert_eq!(millis(text), None, "{text}");
        }
    }

    fn entry(version: &str) -> Affected {
        Affected {
            versions: vec![crate::osv::Text(version.to_owned())],
            ..Affected::default()
        }
    }

    fn advisory(withdrawn: &[(&str, Option<u64>)]) -> Advisory {
        let record = |record: &str| StatingRecord {
            record: record.to_owned(),
            source: "acme".to_owned(),
        };
        let said = |(id, until): &(&str, Option<u64>)| WithdrawnStatement {
            by: record(id),
            until: until.map(JudgedAt::from_unix_millis),
            entries: vec![entry(id)],
            ..WithdrawnStatement::default()
        };
        let provenance = |id: &str| Provenance {
            source: "acme".to_owned(),
            record: id.to_owned(),
            sites: Vec::new(),
        };
        Advisory {
            affected: vec![entry("live")],
            provenance: std::iter::once("live")
                .chain(withdrawn.iter().map(|(id, _)| *id))
                .map(provenance)
                .collect(),
            withdrawn_statements: withdrawn.iter().map(said).collect(),
            ..Advisory::default()
        }
    }

    fn stated(advisory: &Advisory) -> Vec<(String, String)> {
        let of = |said: crate::knowledge::StatedEntries<'_>| {
            let by = said.statement.map(|statement| statement.by[0].record.clone());
            (by.unwrap_or_default(), said.entries[0].versions[0].0.clone())
        };
        advisory.stated().map(of).collect()
    }

    #[test]
    fn withdrawn_record_applies_until_its_withdrawal() {
        let all = Advisory {
            withdrawn: Some("2030".to_owned()),
            ..advisory(&[("a", Some(10)), ("b", Some(20))])
        };
        assert!(all.depends_on_time());
        let at = |millis| all.clone().applying_at(JudgedAt::from_unix_millis(millis));
        let pair = |id: &str| (id.to_owned(), id.to_owned());
        assert_eq!(stated(&at(9)), [pair("a"), pair("b")]);
        assert_eq!(stated(&at(10)), [(String::new(), "b".to_owned())]);
        assert!(at(19).withdrawn.is_none());
        assert!(at(20).withdrawn.is_some() && at(20).withdrawn_statements.is_empty());
        assert!(all.applying_at(JudgedAt::default()).withdrawn.is_some());
    }

    #[test]
    fn withdrawn_record_is_added_to_live_ones_until_its_withdrawal() {
        let both = advisory(&[("a", Some(10))]);
        let pair = |id: &str| (id.to_owned(), id.to_owned());
        assert_eq!(
            stated(&both.clone().applying_at(JudgedAt::from_unix_millis(9))),
            [pair("live"), pair("a")]
        );
        assert_eq!(
            stated(&both.applying_at(JudgedAt::from_unix_millis(10))),
            [(String::new(), "live".to_owned())]
        );
    }

    #[test]
    fn withdrawn_record_rates_at_its_place_until_its_withdrawal() {
        let severity = |source: &str| StatedSeverity {
            source: source.to_owned(),
            kind: "severity".to_owned(),
            value: "high".to_owned(),
        };
        let rating = |source: &str, place: usize, until: Option<u64>| WithdrawnRating {
            until: until.map(JudgedAt::from_unix_millis),
            place,
            severities: vec![severity(source)],
            kev: until == Some(10),
            epss: Probability::from_str(if place == 0 { "0.9" } else { "0.1" }).ok(),
        };
        let all = Advisory {
            severities: vec![severity("b"), severity("d")],
            threat: crate::threat::Threat {
                kev: Some(false),
                epss: "0.5".parse().ok(),
                ..crate::threat::Threat::default()
            },
            withdrawn_ratings: vec![
                rating("a", 0, Some(10)),
                rating("c", 1, None),
                rating("z", 9, Some(20)),
            ],
            ..Advisory::default()
        };
        assert!(all.depends_on_time());
        let shown = |millis: u64| {
            let at = all.clone().applying_at(JudgedAt::from_unix_millis(millis));
            let sources: String = at.severities.iter().map(|one| one.source.as_str()).collect();
            let epss = at.threat.epss.map(|epss| epss.to_string()).unwrap_or_default();
            format!("{sources} {:?} {epss}", at.threat.kev)
        };
        assert_eq!(shown(9), "abcdz Some(true) 0.90000");
        assert_eq!(shown(10), "bcdz Some(false) 0.50000");
        assert_eq!(shown(20), "bcd Some(false) 0.50000");
    }

    #[test]
    fn withdrawal_without_a_time_withdraws_nothing() {
        let odd = Advisory {
            withdrawn: Some("false".to_owned()),
            ..advisory(&[("a", None)])
        };
        assert!(!odd.depends_on_time());
        let odd = odd.applying_at(JudgedAt::default());
        assert!(odd.withdrawn.is_none());
        assert_eq!(stated(&odd), [(String::new(), "a".to_owned())]);
    }
}
