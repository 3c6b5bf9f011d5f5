//! The `input` of a Rego policy, as described in `docs/schemas/rego-input.schema.json`.

use serde::Serialize;
use starling_protocol::UnixMillis;
use starling_scanner::scan::{Finding, ScanResult};

use crate::knowledge::{KnowledgeState, SourceCheck};
use crate::terms::VerdictCoverage;

/// Largest input, in bytes of JSON: the verdict of the largest allowed SBOM is smaller.
pub const MAX_REGO_INPUT_BYTES: usize = 64 * 1024 * 1024;

/// The input of one evaluation, as JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegoInput {
    json: String,
    as_of: UnixMillis,
    findings: usize,
}

/// The reason why the findings cannot be passed to a policy.
#[derive(Debug, thiserror::Error)]
pub enum RegoInputError {
    /// They exceed the limit.
    #[error(
        "cannot give the findings to the Rego policy: they are {found} bytes of JSON, more than the limit of \
         {MAX_REGO_INPUT_BYTES}"
    )]
    TooLarge {
        /// Number of bytes.
        found: usize,
    },
    /// They could not be written.
    #[error("cannot write the findings as JSON")]
    Json(#[source] serde_json::Error),
    /// The written input is not valid.
    #[error("cannot read the input of a Rego policy: {0}")]
    Shape(&'static str),
}

#[derive(Serialize)]
struct Document<'a> {
    format: &'static str,
    #[serde(serialize_with = "crate::terms::as_text")]
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

/// A finding in the form of the verdict, with its index, and with numbers where the verdict has texts.
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
    /// The input's `format` value.
    pub const FORMAT: &'static str = "starling-rego-input/1";

    /// Creates the input for a scan's findings.
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
        // Our decimal texts are valid JSON numbers, and a number without a double is never one of them.
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

    /// Creates an input without findings, for checks and tests of a policy.
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

    /// Reads the output of [`Self::as_json`] in another process.
    ///
    /// # Errors
    /// If it is too large, or not an input.
    pub fn from_json(json: String) -> Result<Self, RegoInputError> {
        #[derive(serde::Deserialize)]
        struct Parsed {
            format: String,
            as_of: String,
            findings: Vec<serde::de::IgnoredAny>,
        }
        if json.len() > MAX_REGO_INPUT_BYTES {
            return Err(RegoInputError::TooLarge { found: json.len() });
        }
        let parsed: Parsed = serde_json::from_str(&json).map_err(RegoInputError::Json)?;
        if parsed.format != Self::FORMAT {
            return Err(RegoInputError::Shape("its format is another"));
        }
        let as_of = parsed.as_of.parse();
        let as_of = as_of.map_err(|_| RegoInputError::Shape("its time is none"))?;
        Self::bounded(json, as_of, parsed.findings.len())
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

    /// Returns the input as JSON.
    pub fn as_json(&self) -> &str {
        &self.json
    }

    /// Returns the scan's time.
    pub fn as_of(&self) -> UnixMillis {
        self.as_of
    }

    /// Returns the number of findings.
    pub fn findings(&self) -> usize {
        self.findings
    }
}
