//! What a Rego policy is given: `input`, as `docs/schemas/rego-input.schema.json` describes it.

use serde::Serialize;
use starling_protocol::UnixMillis;
use starling_scanner::scan::{Finding, ScanResult};

use crate::decide::{KnowledgeState, SourceCheck};
use crate::verdict::VerdictCoverage;

/// Largest input, in bytes of JSON: the verdict over an SBOM of the largest size is smaller.
pub const MAX_REGO_INPUT_BYTES: usize = 64 * 1024 * 1024;

/// The input of one evaluation, as JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegoInput {
    json: String,
    as_of: UnixMillis,
    findings: usize,
}

/// The findings cannot be given to a policy.
#[derive(Debug, thiserror::Error)]
pub enum RegoInputError {
    /// More than the bound.
    #[error(
        "cannot give the findings to the Rego policy: they are {found} bytes of JSON, more than the limit of \
         {MAX_REGO_INPUT_BYTES}"
    )]
    TooLarge {
        /// How many bytes there are.
        found: usize,
    },
    /// They could not be written.
    #[error("cannot write the findings as JSON")]
    Json(#[source] serde_json::Error),
    /// What was written is no input.
    #[error("cannot read the input of a Rego policy: {0}")]
    Shape(&'static str),
}

#[derive(Serialize)]
struct Document<'a> {
    format: &'static str,
    #[serde(serialize_with = "crate::verdict::as_text")]
    as_of: UnixMillis,
    as_of_ns: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<&'a str>,
    coverage: VerdictCoverage,
    knowledge: Knowledge<'a>,
    findings: Vec<InputFinding<'a>>,
}

#[derive(Serialize)]
struct Knowledge<'a> {
    root: String,
    advisories: u64,
    sources: &'a [SourceCheck],
}

/// A finding as the verdict writes it, with its place in the list and numbers where the verdict has texts.
#[derive(Serialize)]
struct InputFinding<'a> {
    index: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    cvss: Option<serde_json::Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    epss_probability: Option<serde_json::Number>,
    #[serde(flatten)]
    finding: &'a Finding,
}

impl RegoInput {
    /// The `format` of the input.
    pub const FORMAT: &'static str = "starling-rego-input/1";

    /// The input for what a scan found.
    ///
    /// # Errors
    /// If it is larger than [`MAX_REGO_INPUT_BYTES`].
    pub fn of(
        result: &ScanResult,
        subject: Option<&str>,
        knowledge: &KnowledgeState,
        as_of: UnixMillis,
    ) -> Result<Self, RegoInputError> {
        let mut sources = knowledge.sources.clone();
        sources.sort();
        // Decimal texts of ours are JSON numbers, and a number that has no double is none of them.
        let number = |text: String| serde_json::from_str(&text).ok();
        let findings = result
            .findings
            .iter()
            .enumerate()
            .map(|(index, finding)| InputFinding {
                index,
                cvss: finding.severity.score.and_then(|score| number(score.to_string())),
                epss_probability: finding.threat.epss.and_then(|epss| number(epss.to_string())),
                finding,
            });
        let document = Document {
            format: Self::FORMAT,
            as_of,
            as_of_ns: as_of.as_millis().saturating_mul(1_000_000),
            subject,
            coverage: VerdictCoverage::of(result.coverage),
            knowledge: Knowledge {
                root: knowledge.root.to_string(),
                advisories: knowledge.advisories,
                sources: &sources,
            },
            findings: findings.collect(),
        };
        let json = serde_json::to_string(&document).map_err(RegoInputError::Json)?;
        Self::bounded(json, as_of, result.findings.len())
    }

    /// An input without findings, for checks and tests of a policy.
    pub fn empty(as_of: UnixMillis) -> Self {
        let json = format!(
            r#"{{"format":"{}","as_of":"{as_of}","as_of_ns":{},"findings":[]}}"#,
            Self::FORMAT,
            as_of.as_millis().saturating_mul(1_000_000)
        );
        Self {
            json,
            as_of,
            findings: 0,
        }
    }

    /// Reads what [`Self::as_json`] wrote, in another process.
    ///
    /// # Errors
    /// If it is too large or is no input.
    pub fn from_json(json: String) -> Result<Self, RegoInputError> {
        #[derive(serde::Deserialize)]
        struct Told {
            format: String,
            as_of: String,
            findings: Vec<serde::de::IgnoredAny>,
        }
        if json.len() > MAX_REGO_INPUT_BYTES {
            return Err(RegoInputError::TooLarge { found: json.len() });
        }
        let told: Told = serde_json::from_str(&json).map_err(RegoInputError::Json)?;
        if told.format != Self::FORMAT {
            return Err(RegoInputError::Shape("its format is another"));
        }
        let as_of = told.as_of.parse();
        let as_of = as_of.map_err(|_| RegoInputError::Shape("its time is none"))?;
        Self::bounded(json, as_of, told.findings.len())
    }

    fn bounded(json: String, as_of: UnixMillis, findings: usize) -> Result<Self, RegoInputError> {
        if json.len() > MAX_REGO_INPUT_BYTES {
            return Err(RegoInputError::TooLarge { found: json.len() });
        }
        Ok(Self {
            json,
            as_of,
            findings,
        })
    }

    /// The input as JSON.
    pub fn as_json(&self) -> &str {
        &self.json
    }

    /// The time judged at.
    pub fn as_of(&self) -> UnixMillis {
        self.as_of
    }

    /// Number of findings.
    pub fn findings(&self) -> usize {
        self.findings
    }
}
