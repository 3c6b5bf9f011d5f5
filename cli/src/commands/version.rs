//! `starling version …`: compares versions, and checks them against a record.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::path::Path;

use clap::{Args, Subcommand};
use serde::Serialize;
use serde_json::Value;
use starling_api_types::{Explanation, wording};
use starling_scanner::explain::explain;
use starling_scanner::knowledge::{JudgedAt, SingleRecord};
use starling_scanner::osv::Record;
use starling_scanner::purl::PackageUrl;
use starling_scanner::version::{Scheme, compare};

use super::batch::{Answer, Batch, Fields, Unanswered};
use super::{Outcome, input};
use crate::local::{nearest_ecosystem, now, shown_explanation};
use crate::render;
use crate::session::Session;

/// Largest record file, in bytes.
const MAX_RECORD_BYTES: u64 = 16 * 1024 * 1024;

/// Compare versions by the rules of each ecosystem
#[derive(Debug, Subcommand)]
pub(crate) enum Version {
    Compare(Compare),
    Affected(Affected),
}

/// Compare two versions: prints `<`, `=` or `>`
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  starling version compare npm 1.2.0 1.10.0
  printf 'PyPI\\t1.0rc1\\t1.0\\n' | starling version compare --batch
  starling version compare Debian:12 1.0~rc1-1 1.0-1 --json

Exit codes: 0 compared (in a batch: every line answered), 2 usage, 3 no such ecosystem or version")]
pub(crate) struct Compare {
    /// An OSV ecosystem, with or without suffix, and two versions
    #[arg(value_name = "ECOSYSTEM A B", num_args = 0..)]
    question: Vec<String>,
    #[command(flatten)]
    batch: Batch,
}

/// Show whether a record in a file affects a package, and why
#[derive(Debug, Args)]
#[command(after_help = "\
Only the record is used, not the site's knowledge. In a batch, `osv` may also hold the complete record as JSON.

Example:
  starling version affected GHSA-hrpp-h998-j3pp.json pkg:npm/qs@6.5.2
  printf 'a.json\\tpkg:npm/qs@6.5.2\\n' | starling version affected --batch

Exit codes: 0 answered, with any conclusion (in a batch: every line), 2 usage, or the file cannot be read, 3 not a
  record or package URL")]
pub(crate) struct Affected {
    /// An OSV record's file, and a package URL with its version
    #[arg(value_name = "OSV-FILE PURL", num_args = 0..)]
    question: Vec<String>,
    #[command(flatten)]
    batch: Batch,
}

#[derive(Debug, Serialize)]
struct Compared {
    ecosystem: String,
    a: String,
    b: String,
    comparator: &'static str,
    order: &'static str,
}

impl Answer for Compared {
    fn columns(&self) -> Vec<Cow<'_, str>> {
        vec![self.order.into()]
    }
}

impl Answer for Explanation {
    fn columns(&self) -> Vec<Cow<'_, str>> {
        vec![self.conclusion.as_str().into()]
    }

    fn text(&self) -> String {
        render::explanation(self)
    }
}

impl Version {
    pub(crate) fn run(&self, session: &Session) -> Outcome {
        match self {
            Self::Compare(args) => {
                let names = &["ecosystem", "a", "b"];
                args.batch.run(session, names, 3, &args.question, compared)
            }
            Self::Affected(args) => {
                let mut last = None;
                args.batch
                    .run_with_files(session, &["osv", "purl"], 2, &args.question, |fields| {
                        affected(fields, &mut last)
                    })
            }
        }
    }
}

fn compared(fields: &Fields) -> Result<Compared, String> {
    let (ecosystem, a, b) = (fields.text("ecosystem")?, fields.text("a")?, fields.text("b")?);
    let scheme = Scheme::for_ecosystem(ecosystem).ok_or_else(|| {
        let meant = nearest_ecosystem(ecosystem).filter(|meant| Scheme::for_ecosystem(meant).is_some());
        let meant = meant
            .map(|meant| format!("; did you mean {meant}?"))
            .unwrap_or_default();
        format!("comparing versions: {ecosystem:?} is not an OSV ecosystem with a known version order{meant}")
    })?;
    let order = match compare(scheme, a, b).map_err(|error| error.to_string())? {
        Ordering::Less => "<",
        Ordering::Equal => "=",
        Ordering::Greater => ">",
    };
    Ok(Compared {
        ecosystem: ecosystem.to_owned(),
        a: a.to_owned(),
        b: b.to_owned(),
        comparator: scheme.as_str(),
        order,
    })
}

/// The parsed form of a file.
struct Last {
    path: String,
    bytes: Vec<u8>,
    record: SingleRecord,
}

/// Answers one question. A batch often asks about the same file many times, so the `last` parsed record is kept while
/// the file's bytes stay the same: the caller may replace the file between two questions.
fn affected(fields: &Fields, last: &mut Option<Last>) -> Result<Explanation, Unanswered> {
    let purl = PackageUrl::parse_lenient(fields.text("purl")?).map_err(|error| error.to_string())?;
    let given;
    let single = match fields.value("osv") {
        Some(record @ Value::Object(_)) => {
            given = read_record(record.to_string().as_bytes(), "the question")?;
            &given
        }
        _ => {
            let path = fields.text("osv")?;
            let bytes = read_file(path)?;
            let known = last
                .take()
                .filter(|kept| kept.path == path && kept.bytes == bytes);
            let kept = match known {
                Some(kept) => kept,
                None => Last {
                    path: path.to_owned(),
                    record: read_record(&bytes, path)?,
                    bytes,
                },
            };
            &last.insert(kept).record
        }
    };
    let id = single.record().id.clone();
    let found = explain(
        &purl,
        Some(&id),
        None,
        single,
        JudgedAt::from_unix_millis(now().as_millis()),
    )
    .map_err(|error| error.to_string())?;
    Ok(shown_explanation(&purl, Some(&id), &found))
}

fn read_file(path: &str) -> Result<Vec<u8>, Unanswered> {
    input::read_file(Path::new(path), "the record", MAX_RECORD_BYTES).map_err(Unanswered::from)
}

fn read_record(bytes: &[u8], from: &str) -> Result<SingleRecord, String> {
    let record = Record::from_json(bytes).map_err(|error| {
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        let cause = wording::within(&cause.unwrap_or_default());
        format!("reading {from}: {error}: {cause}")
    })?;
    Ok(SingleRecord::new(record, from))
}

#[cfg(test)]
mod tests {
    use starling_api_types::Conclusion;

    use super::*;

    const RECORD: &str = r#"{"id":"GHSA-1","affected":[{"package":{"ecosystem":"npm","name":"qs"},
        "ranges":[{"type":"SEMVER","events":[{"introduced":"6.0.0"},{"fixed":"6.5.3"}]}]}]}"#;

    #[test]
    fn comparison_is_answered_with_one_sign() {
        for (ecosystem, a, b, order) in [
            ("npm", "1.2.0", "1.10.0", "<"),
            ("PyPI", "1.0", "1", "="),
            ("Debian:12", "1.0-1", "1.0~rc1-1", ">"),
        ] {
            let fields = Fields::given(&["ecosystem", "a", "b"], [ecosystem, a, b]);
            assert_eq!(compared(&fields).unwrap().line(), order);
        }
        let fields = Fields::given(&["ecosystem", "a", "b"], ["Nowhere", "1", "2"]);
        let problem = compared(&fields).unwrap_err();
        assert!(
            problem.contains("\"Nowhere\"") && !problem.contains("did you mean"),
            "{problem}"
        );
        let misspelt = Fields::given(&["ecosystem", "a", "b"], ["npn", "1", "2"]);
        let problem = compared(&misspelt).unwrap_err();
        assert!(problem.ends_with("did you mean npm?"), "{problem}");
    }

    #[test]
    fn record_with_a_later_withdrawal_still_applies() {
        for (withdrawn, conclusion) in [
            ("2024-01-01T00:00:00Z", Conclusion::Withdrawn),
            ("2999-01-01T00:00:00Z", Conclusion::Affected),
            ("", Conclusion::Affected),
        ] {
            let mut record: Value = serde_json::from_str(RECORD).unwrap();
            record["withdrawn"] = withdrawn.into();
            let question = serde_json::json!({"osv": record, "purl": "pkg:npm/qs@6.5.2"}).to_string();
            let fields = Fields::of_line(&["osv", "purl"], &question).unwrap();
            assert_eq!(
                affected(&fields, &mut None).unwrap().conclusion,
                conclusion,
                "{withdrawn:?}"
            );
        }
    }

    #[test]
    fn record_is_read_from_file_or_question() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("record.json");
        std::fs::write(&file, RECORD).unwrap();
        let mut last = None;
        let path = file.to_str().unwrap();
        for (purl, conclusion) in [
            ("pkg:npm/qs@6.5.2", Conclusion::Affected),
            ("pkg:npm/qs@6.5.3", Conclusion::NotAffected),
            ("pkg:npm/other@1", Conclusion::NotAbout),
            ("pkg:npm/qs", Conclusion::CannotSay),
        ] {
            let fields = Fields::given(&["osv", "purl"], [path, purl]);
            assert_eq!(
                affected(&fields, &mut last).unwrap().conclusion,
                conclusion,
                "{purl}"
            );
        }
        // A caller in batch mode may put the next record into the same file.
        std::fs::write(&file, RECORD.replace("6.5.3", "6.5.1")).unwrap();
        let again = Fields::given(&["osv", "purl"], [path, "pkg:npm/qs@6.5.2"]);
        assert_eq!(
            affected(&again, &mut last).unwrap().conclusion,
            Conclusion::NotAffected
        );
        let missing = Fields::given(&["osv", "purl"], ["/does/not/exist", "pkg:npm/qs@1"]);
        assert!(affected(&missing, &mut last).is_err_and(|unanswered| matches!(
            &unanswered,
            Unanswered::File(_)
        )
            && unanswered.reason().contains("/does/not/exist")));
    }
}
