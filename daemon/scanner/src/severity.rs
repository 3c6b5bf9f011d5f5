//! Severities: scores CVSS vectors, and chooses one rating among several sources'.
//!
//! The choice is documented in the result: sources in the configured order come first, then the order in the
//! advisory; within one source CVSS 4 has priority over 3, 3 over 2, and any vector over a word. An unreadable vector
//! is skipped.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use cvss::Cvss;
use serde::{Deserialize, Serialize};

/// A severity level, lowest first. `Unknown` is below all others: no rating exists.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// No source rates it.
    #[default]
    Unknown,
    /// Rated as no risk (CVSS 0.0).
    None,
    /// CVSS 0.1 to 3.9.
    Low,
    /// CVSS 4.0 to 6.9.
    Medium,
    /// CVSS 7.0 to 8.9 (in CVSS 2, to 10.0).
    High,
    /// CVSS 9.0 to 10.0.
    Critical,
}

impl Level {
    /// Returns the level's lower-case name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::None => "none",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The reason why a word is not a severity level.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot read {0:?} as a severity: expected unknown, none, low, medium, high or critical")]
pub struct LevelError(String);

impl FromStr for Level {
    type Err = LevelError;

    /// Parses the levels' names in any case, and distributions' words for them.
    fn from_str(word: &str) -> Result<Self, Self::Err> {
        // Debian marks ratings from other sources with stars.
        match word.trim().trim_end_matches('*').to_ascii_lowercase().as_str() {
            "unknown" => Ok(Self::Unknown),
            "none" => Ok(Self::None),
            "low" | "negligible" | "unimportant" | "minor" => Ok(Self::Low),
            "medium" | "moderate" => Ok(Self::Medium),
            "high" | "important" | "major" => Ok(Self::High),
            "critical" | "urgent" => Ok(Self::Critical),
            _ => Err(LevelError(word.chars().take(40).collect())),
        }
    }
}

/// A CVSS score in tenths, 0 to 100: exact, so that equal input gives equal bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Score(u8);

impl Score {
    /// Builds a score from tenths; those above 100 become 100.
    pub fn from_tenths(tenths: u8) -> Self {
        Self(tenths.min(100))
    }

    /// Returns the score in tenths.
    pub fn tenths(self) -> u8 {
        self.0
    }
}

impl fmt::Display for Score {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0 / 10, self.0 % 10)
    }
}

impl Serialize for Score {
    /// Written as text (`"9.8"`): the bytes of a float would depend on the writer.
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A severity as stated by one source. The fields are in the order of canonical JSON, because they are written often.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StatedSeverity {
    /// OSV's severity type: `CVSS_V3`, or a scale of words.
    pub kind: String,
    /// The source, such as `ghsa`.
    pub source: String,
    /// The vector or the word.
    pub value: String,
}

/// The kind of the mark that stands among the severities of an advisory about a malicious package. It is no rating: its
/// value is what says so.
pub const MALICIOUS: &str = "malicious-package";

/// Returns true for an id that is given to reports of malicious packages alone.
pub fn reports_malice(id: &str) -> bool {
    id.starts_with("MAL-")
}

/// The severity chosen for a finding, and its source.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Rating {
    /// The level.
    pub level: Level,
    /// The CVSS score, if a vector decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub score: Option<Score>,
    /// The stated severity that decided, if any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stated: Option<StatedSeverity>,
}

/// Scores a CVSS vector (2.0 with or without brackets, 3.0, 3.1, 4.0).
///
/// For CVSS 2 and 3 this is the base score, which sources quote in any case; CVSS 4 has one score over all metrics.
/// Returns `None` if the text is not a vector or lacks a base metric.
pub fn score_vector(vector: &str) -> Option<(Score, Level)> {
    let trimmed = vector.trim().trim_matches(['(', ')']);
    let parsed: Cvss = trimmed.parse().ok()?;
    let value = match &parsed {
        Cvss::CvssV30(v) | Cvss::CvssV31(v) => {
            let complete =
                v.av.is_some() && v.ac.is_some() && v.pr.is_some() && v.ui.is_some() && v.s.is_some();
            if !(complete && v.c.is_some() && v.i.is_some() && v.a.is_some()) {
                return None;
            }
            v.base_score().value()
        }
        other => other.score(),
    };
    let tenths = (value * 10.0).round();
    if !(0.0..=100.0).contains(&tenths) {
        return None;
    }
    // In range, and an integer by the rounding above.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let score = Score::from_tenths(tenths as u8);
    let is_v2 = matches!(parsed, Cvss::CvssV20(_));
    Some((score, level_of(score, is_v2)))
}

/// Scores texts that sources write instead of a vector: version 3 or 4 in small letters, version 3 without its
/// prefix, or the score alone.
pub(crate) fn score_loosely(kind: &str, text: &str) -> Option<(Score, Level)> {
    let upper = text.trim().trim_end_matches('/').to_ascii_uppercase();
    let is_bare = upper.contains("/PR:") && !upper.starts_with("CVSS:");
    let named = if is_bare {
        format!("CVSS:3.1/{upper}")
    } else {
        upper
    };
    let of_vector = named.starts_with("CVSS:").then(|| score_vector(&named)).flatten();
    of_vector.or_else(|| bare_score(kind, text))
}

/// Parses a score in place of a vector: `9.8`.
fn bare_score(kind: &str, text: &str) -> Option<(Score, Level)> {
    let is_cvss = kind
        .get(..4)
        .is_some_and(|start| start.eq_ignore_ascii_case("cvss"));
    let (whole, tenth) = text.trim().split_once('.').unwrap_or((text.trim(), "0"));
    let (whole, tenth): (u8, u8) = (whole.parse().ok()?, tenth.parse().ok()?);
    let tenths = whole.checked_mul(10)?.checked_add(tenth)?;
    if !is_cvss || whole > 10 || tenth > 9 || tenths > 100 {
        return None;
    }
    let score = Score::from_tenths(tenths);
    Some((score, level_of(score, kind == "CVSS_V2")))
}

/// Returns the level on the published scale; CVSS 2 (NVD's scale) has neither "none" nor "critical".
fn level_of(score: Score, is_v2: bool) -> Level {
    match score.tenths() {
        0 if is_v2 => Level::Low,
        0 => Level::None,
        1..=39 => Level::Low,
        40..=69 => Level::Medium,
        70..=89 => Level::High,
        _ if is_v2 => Level::High,
        _ => Level::Critical,
    }
}

/// Returns the severity that a record states as a word outside of its list, with the name of the field.
pub fn in_words(record: &[u8]) -> Option<(String, String)> {
    #[derive(Deserialize)]
    struct Probe {
        #[serde(default)]
        database_specific: crate::osv::Words,
    }
    let probe: Probe = serde_json::from_slice(record).ok()?;
    let severity = probe.database_specific.severity?;
    Some((severity.kind, severity.score.0))
}

/// Returns the severity at the start of a distribution's summary: `Important: widget security update`.
pub(crate) fn of_summary(summary: &str) -> Option<&str> {
    let (word, _) = summary.split_once(':')?;
    let is_word = ["Critical", "Important", "Moderate", "Low"].contains(&word.trim());
    is_word.then(|| word.trim())
}

/// Chooses one rating. `source_order` names preferred sources, best first; it may be empty.
pub fn choose(stated: &[StatedSeverity], source_order: &[String]) -> Rating {
    Scores::default().choose(stated, source_order)
}

/// A cache of scored vectors: thousands of advisories share a few hundred.
#[derive(Debug, Default)]
pub(crate) struct Scores(BTreeMap<String, Option<(Score, Level)>>);

impl Scores {
    /// Same as [`choose`], with the cache.
    pub(crate) fn choose(&mut self, stated: &[StatedSeverity], source_order: &[String]) -> Rating {
        let source_rank = |s: &StatedSeverity| {
            source_order
                .iter()
                .position(|source| *source == s.source)
                .unwrap_or(source_order.len())
        };
        let first_of = |s: &StatedSeverity| stated.iter().position(|other| other.source == s.source);
        // A source outside of the order keeps its place among such sources, for any version of the vector.
        let rated = stated.iter().enumerate().filter_map(|(index, s)| {
            let (rank, level, score) = self.rate(s)?;
            Some(((source_rank(s), first_of(s), rank, index), s, level, score))
        });
        let best = rated.min_by_key(|(order, ..)| *order);
        best.map_or_else(Rating::default, |(_, s, level, score)| Rating {
            level,
            score,
            stated: Some(s.clone()),
        })
    }

    /// Rates one statement; the rank orders kinds within a source, best first.
    fn rate(&mut self, stated: &StatedSeverity) -> Option<(u8, Level, Option<Score>)> {
        let scored = match self.0.get(&stated.value) {
            Some(scored) => *scored,
            None => {
                let scored = score_vector(&stated.value);
                self.0.insert(stated.value.clone(), scored);
                scored
            }
        };
        let scored = scored.or_else(|| score_loosely(&stated.kind, &stated.value));
        if let Some((score, level)) = scored {
            let rank = match stated.kind.as_str() {
                "CVSS_V4" => 0,
                "CVSS_V3" => 1,
                "CVSS_V2" => 2,
                _ => 3,
            };
            return Some((rank, level, Some(score)));
        }
        let level = Level::from_str(&stated.value).ok()?;
        // A source that says "unknown" makes no rating.
        (level != Level::Unknown).then_some((4, level, None))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stated(source: &str, kind: &str, value: &str) -> StatedSeverity {
        StatedSeverity {
            source: source.into(),
            kind: kind.into(),
            value: value.into(),
        }
    }

    const V31_CRITICAL: &str = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H";
    const V31_MEDIUM: &str = "CVSS:3.1/AV:N/AC:L/PR:N/UI:R/S:C/C:L/I:L/A:N";
    const V2_HIGH: &str = "AV:N/AC:L/Au:N/C:C/I:C/A:C";

    #[test]
    fn vectors_of_all_versions_are_scored() {
        assert_eq!(
            score_vector(V31_CRITICAL),
            Some((Score::from_tenths(98), Level::Critical))
        );
        assert_eq!(
            score_vector(V31_MEDIUM),
            Some((Score::from_tenths(61), Level::Medium))
        );
        assert_eq!(
            score_vector(V2_HIGH),
            Some((Score::from_tenths(100), Level::High))
        );
        assert_eq!(
            score_vector("(AV:N/AC:L/Au:N/C:C/I:C/A:C)"),
            Some((Score::from_tenths(100), Level::High))
        );
        assert_eq!(
            score_vector("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H"),
            None,
            "no availability"
        );
        for odd in [
            "AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H",
            "cvss:3.1/av:n/ac:l/pr:n/ui:n/s:u/c:h/i:h/a:h",
            "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H/",
        ] {
            assert_eq!(score_loosely("CVSS_V3", odd), score_vector(V31_CRITICAL), "{odd}");
            assert_eq!(score_vector(odd), None, "{odd}");
        }
        assert_eq!(score_vector("HIGH"), None);
        let bare = |kind, text| bare_score(kind, text).map(|(score, level)| (score.tenths(), level));
        assert_eq!(bare("CVSS_V3", "9.8"), Some((98, Level::Critical)));
        assert_eq!(bare("cvss", "7"), Some((70, Level::High)));
        assert_eq!(bare("CVSS_V2", "10.0"), Some((100, Level::High)));
        for (kind, text) in [
            ("EPSS", "0.9"),
            ("CVSS_V3", "10.1"),
            ("CVSS_V3", "9.85"),
            ("CVSS_V3", "-1"),
            ("severity", "9"),
        ] {
            assert_eq!(bare(kind, text), None, "{kind} {text}");
        }
        assert_eq!(score_vector(""), None);
    }

    #[test]
    fn configured_source_has_priority() {
        let list = [
            stated("ghsa", "CVSS_V3", V31_MEDIUM),
            stated("nvd", "CVSS_V3", V31_CRITICAL),
        ];
        assert_eq!(choose(&list, &[]).level, Level::Medium);
        assert_eq!(choose(&list, &["nvd".into()]).level, Level::Critical);
    }

    #[test]
    fn newer_vectors_have_priority_within_a_source() {
        let list = [
            stated("x", "severity", "low"),
            stated("x", "CVSS_V2", V2_HIGH),
            stated("x", "CVSS_V3", V31_MEDIUM),
            stated("y", "CVSS_V3", V31_CRITICAL),
        ];
        let rating = choose(&list, &[]);
        assert_eq!(
            (rating.level, rating.score),
            (Level::Medium, Some(Score::from_tenths(61)))
        );
        assert_eq!(choose(&list[..1], &[]).level, Level::Low);
        assert_eq!(
            choose(&[stated("x", "CVSS_V3", "garbage")], &[]),
            Rating::default()
        );
    }

    #[test]
    fn levels_are_ordered_and_read_from_distribution_words() {
        assert!(Level::Unknown < Level::None && Level::High < Level::Critical);
        assert_eq!("Important".parse(), Ok(Level::High));
        assert_eq!("low**".parse(), Ok(Level::Low));
        assert_eq!(of_summary("Important: a security update"), Some("Important"));
        assert_eq!(of_summary("Low-level: a"), None);
        assert_eq!(
            in_words(br#"{"id":"X","database_specific":{"severity":"HIGH"}}"#),
            Some(("severity".to_owned(), "HIGH".to_owned()))
        );
        assert_eq!(in_words(b"[]"), None);
        let unknown = [
            stated("a", "severity", "unknown"),
            stated("b", "severity", "high"),
        ];
        assert_eq!(choose(&unknown, &[]).level, Level::High);
        assert!("severe".parse::<Level>().is_err());
    }
}
