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
            let (score, level) = score_vector(vector).ok_or_else(|| {
                format!("scoring {shown:?}: expected a CVSS vector with all its base metrics")
            })?;
            Ok(Scored {
                vector: vector.to_owned(),
                version: version_of(vector),
                score,
                level,
            })
        })
    }
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
