//! `starling cvss`

use std::borrow::Cow;

use clap::Args;
use serde::Serialize;
use starling_scanner::severity::{Level, Score, score_vector};

use super::Outcome;
use super::batch::{Answer, Batch};
use crate::session::Session;

/// Score a CVSS vector: 2.0, 3.0, 3.1 or 4.0
#[derive(Debug, Args)]
#[command(after_help = "\
CVSS 2 and 3 give the base score, CVSS 4 its single score.

Example:
  starling cvss CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H
  starling cvss --batch < vectors.txt

Exit codes: 0 scored (in a batch: every line answered), 2 usage, 3 not a vector")]
pub(crate) struct Cvss {
    /// The vector
    #[arg(value_name = "VECTOR")]
    vector: Vec<String>,
    #[command(flatten)]
    batch: Batch,
}

#[derive(Debug, Serialize)]
struct Scored {
    vector: String,
    version: &'static str,
    score: Score,
    level: Level,
}

impl Answer for Scored {
    fn columns(&self) -> Vec<Cow<'_, str>> {
        vec![format!("{} {}", self.score, self.level).into()]
    }
}

impl Cvss {
    pub(crate) fn run(&self, session: &Session) -> Outcome {
        self.batch.run(session, &["vector"], 1, &self.vector, |fields| {
            let vector = fields.text("vector")?.trim();
            let shown: String = vector.chars().take(120).collect();
            let (score, level) =
                score_vector(vector).ok_or_else(|| format!("scoring {shown:?}: {}", fault(vector)))?;
            Ok(Scored {
                vector: vector.to_owned(),
                version: version_of(vector),
                score,
                level,
            })
        })
    }
}

/// A version's base metrics, each with its values.
struct Version {
    /// What its vectors begin with.
    prefix: &'static str,
    metrics: &'static [(&'static str, &'static str)],
    example: &'static str,
}

const V2: Version = Version {
    prefix: "",
    metrics: &[
        ("AV", "LAN"),
        ("AC", "HML"),
        ("Au", "MSN"),
        ("C", "NPC"),
        ("I", "NPC"),
        ("A", "NPC"),
    ],
    example: "AV:N/AC:L/Au:N/C:P/I:P/A:P",
};
const V3: Version = Version {
    prefix: "CVSS:3.1/",
    metrics: &[
        ("AV", "NALP"),
        ("AC", "LH"),
        ("PR", "NLH"),
        ("UI", "NR"),
        ("S", "UC"),
        ("C", "NLH"),
        ("I", "NLH"),
        ("A", "NLH"),
    ],
    example: "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H",
};
const V4: Version = Version {
    prefix: "CVSS:4.0/",
    metrics: &[
        ("AV", "NALP"),
        ("AC", "LH"),
        ("AT", "NP"),
        ("PR", "NLH"),
        ("UI", "NPA"),
        ("VC", "HLN"),
        ("VI", "HLN"),
        ("VA", "HLN"),
        ("SC", "HLN"),
        ("SI", "HLN"),
        ("SA", "HLN"),
    ],
    example: "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N",
};

/// Says what is wrong with a vector that has no score, as far as its text shows, and how one is written.
fn fault(vector: &str) -> String {
    let text = vector.trim().trim_matches(['(', ')']);
    let named = text
        .split_once('/')
        .filter(|(first, _)| first.to_ascii_uppercase().starts_with("CVSS:"));
    let (version, rest) = match named {
        None if text.contains("PR:") => {
            return format!("it does not begin with its version: try CVSS:3.1/{text}");
        }
        None => (&V2, text),
        Some((first, rest)) => match first.to_ascii_uppercase().as_str() {
            "CVSS:3.0" | "CVSS:3.1" => (&V3, rest),
            "CVSS:4.0" => (&V4, rest),
            _ => {
                return format!(
                    "{first:?} is not a version: expected CVSS:4.0, CVSS:3.1, CVSS:3.0, or none for CVSS 2"
                );
            }
        },
    };
    let like = format!("written as in {}", version.example);
    if !rest.contains(':') {
        return format!("expected a CVSS vector, {}", V3.example);
    }
    let parts: Vec<(&str, &str)> = rest.split('/').filter_map(|part| part.split_once(':')).collect();
    for (metric, values) in version.metrics {
        let value = parts
            .iter()
            .find(|(name, _)| name == metric)
            .map(|(_, value)| *value);
        let values: Vec<String> = values.chars().map(String::from).collect();
        match value {
            Some(value) if values.iter().any(|known| known == value) => {}
            Some(value) => {
                return format!(
                    "{metric}:{value} is not a value of {metric}: expected one of {}",
                    values.join(", ")
                );
            }
            None => return format!("the base metric {metric} is missing: {like}"),
        }
    }
    if !version.prefix.is_empty() && !text.starts_with("CVSS:") {
        return format!("it begins with {:?}: {like}", version.prefix);
    }
    format!("expected a CVSS vector with its base metrics once each and no unknown ones, {like}")
}

/// Returns the vector's version; CVSS 2 has no prefix.
fn version_of(vector: &str) -> &'static str {
    ["4.0", "3.1", "3.0"]
        .into_iter()
        .find(|version| {
            vector
                .strip_prefix("CVSS:")
                .is_some_and(|rest| rest.starts_with(version))
        })
        .unwrap_or("2.0")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vector_without_a_score_is_told_what_is_wrong() {
        for (vector, told) in [
            ("", "expected a CVSS vector, CVSS:3.1/"),
            ("high", "expected a CVSS vector, CVSS:3.1/"),
            ("CVSS:5.0/AV:N", "is not a version"),
            ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H", "metric A is missing"),
            (
                "CVSS:3.1/AV:N/AC:X/PR:N/UI:N/S:U/C:H/I:H/A:H",
                "AC:X is not a value of AC: expected one of L, H",
            ),
            ("AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", "try CVSS:3.1/AV:N"),
            ("AV:N/AC:L/Au:N/C:P/I:P", "metric A is missing"),
            (
                "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N",
                "metric SA is missing",
            ),
        ] {
            assert_eq!(score_vector(vector), None, "{vector}");
            assert!(fault(vector).contains(told), "{vector}: {}", fault(vector));
        }
        for version in [V2, V3, V4] {
            assert!(score_vector(version.example).is_some(), "{}", version.example);
        }
    }
}
