//! Reads an earlier verdict, as `starling scan --json` wrote it.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::Value;
use starling_api_types::{ErrorCode, Problem};

use super::report::ScanReport;

/// Most characters of a product's name in a note.
const NAME_CHARS: usize = 120;

/// A baseline: one verdict for every SBOM, or a report with one verdict per SBOM.
#[derive(Debug)]
pub(super) enum Baseline {
    /// One verdict, with or without its envelope.
    One(Bytes),
    /// The report of a scan of several SBOMs.
    Many(Vec<(String, Bytes)>),
}

impl Baseline {
    /// Reads the output of `starling scan --json`. Anything but a report is passed on for the site to check.
    ///
    /// # Errors
    /// `baseline_unreadable` for a report whose scans cannot be read.
    pub(super) fn of(bytes: Bytes) -> Result<Self, Problem> {
        let Ok(mut value) = serde_json::from_slice::<Value>(&bytes) else {
            return Ok(Self::One(bytes));
        };
        let Some(scans) = value.get_mut(ScanReport::LIST) else {
            return Ok(Self::One(bytes));
        };
        let unreadable = |found: &str| {
            Problem::new(
                ErrorCode::BaselineUnreadable,
                format!("reading the baseline: one of its scans {found}"),
            )
        };
        let mut verdicts = Vec::new();
        for scan in scans.as_array_mut().into_iter().flatten() {
            let Some(sbom) = scan.get("sbom").and_then(Value::as_str).map(ToOwned::to_owned) else {
                return Err(unreadable("names no SBOM"));
            };
            // An SBOM that had no verdict then has no findings known now.
            let Some(envelope) = scan.get_mut("result") else {
                continue;
            };
            let bytes = serde_json::to_vec(&envelope.take()).map_err(|_| unreadable("has no JSON form"))?;
            verdicts.push((sbom, bytes.into()));
        }
        Ok(Self::Many(verdicts))
    }

    /// Returns the baseline verdict for `sbom`; `None` if a report has no SBOM of that name, so that all its
    /// findings are new.
    pub(super) fn of_sbom(&self, sbom: &str) -> Option<Bytes> {
        match self {
            Self::One(bytes) => Some(bytes.clone()),
            Self::Many(verdicts) => verdicts
                .iter()
                .find_map(|(name, bytes)| (name == sbom).then(|| bytes.clone())),
        }
    }
}

/// Returns a note if a baseline and a verdict are about SBOMs of different names: its findings excuse those of another
/// product then. A document without a name tells nothing, and a verdict that says so itself needs no note.
pub(super) fn other_product(sbom: &str, baseline: &[u8], verdict: &[u8]) -> Option<String> {
    if says_so(verdict) {
        return None;
    }
    let then = subject_of(baseline)?;
    let now = subject_of(verdict).filter(|now| *now != then)?;
    Some(format!(
        "the baseline is a verdict about {then:?}, and {sbom} is of {now:?}: what is known there excuses findings here"
    ))
}

/// Returns true if a verdict's own reasons name the other product, because the baseline excused findings.
fn says_so(verdict: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Reasons {
        #[serde(default)]
        reasons: Vec<Reason>,
    }
    #[derive(Deserialize)]
    struct Reason {
        code: String,
        text: String,
    }
    let Ok(Reasons { reasons }) = serde_json::from_slice(verdict) else {
        return false;
    };
    let mut reasons = reasons.iter();
    reasons.any(|reason| reason.code == "findings_known" && reason.text.contains("; the baseline is of "))
}

/// A verdict with or without its envelope: the part that names the product.
#[derive(Deserialize)]
struct Enveloped {
    verdict: Option<About>,
    inventory: Option<Inventory>,
}

#[derive(Deserialize)]
struct About {
    inventory: Option<Inventory>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Inventory {
    subject: Option<String>,
}

/// Returns the name of the product that a verdict, with or without its envelope, is about.
fn subject_of(verdict: &[u8]) -> Option<String> {
    let verdict = verdict.strip_prefix(b"\xef\xbb\xbf").unwrap_or(verdict);
    let Enveloped { verdict, inventory } = serde_json::from_slice(verdict).ok()?;
    let subject = verdict.map_or(inventory, |body| body.inventory)?.subject?;
    let subject = subject.trim();
    (!subject.is_empty()).then(|| subject.chars().take(NAME_CHARS).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn report_is_a_baseline_per_sbom_name() {
        let report = br#"{"scans":[{"sbom":"a.json","result":{"verdict":{}}},{"sbom":"b.json","problem":{}}],"exit_code":3}"#;
        let baseline = Baseline::of(Bytes::from_static(report)).unwrap();
        assert_eq!(
            baseline.of_sbom("a.json").unwrap(),
            br#"{"verdict":{}}"#.as_slice()
        );
        assert_eq!(baseline.of_sbom("b.json"), None);
        assert_eq!(baseline.of_sbom("c.json"), None);
        let nameless = Baseline::of(Bytes::from_static(br#"{"scans":[{}]}"#)).unwrap_err();
        assert_eq!(nameless.code, ErrorCode::BaselineUnreadable);
    }

    #[test]
    fn baseline_of_another_product_is_named() {
        let body = |subject: &str| format!(r#"{{"inventory":{{"subject":"{subject}"}}}}"#);
        let told = |then: &str, now: &str| other_product("a.json", then.as_bytes(), now.as_bytes());
        let enveloped = format!(r#"{{"verdict":{}}}"#, body("shop"));
        for then in [&body("shop"), &enveloped] {
            let note = told(then, &body("till")).unwrap();
            assert!(
                note.contains("about \"shop\"") && note.contains("a.json is of \"till\""),
                "{note}"
            );
            assert_eq!(told(then, &body("shop")), None);
        }
        for nameless in ["{}", r#"{"inventory":{}}"#, &body(" ")] {
            assert_eq!(told(nameless, &body("till")), None);
            assert_eq!(told(&body("shop"), nameless), None);
        }
    }

    /// The verdict and the command both said it.
    #[test]
    fn other_product_is_said_once() {
        let then = r#"{"inventory":{"subject":"shop"}}"#;
        for (text, told) in [
            (
                "1 finding is known from the baseline and would fail otherwise; the baseline is of \\\"shop\\\", and this SBOM of \\\"till\\\"",
                false,
            ),
            (
                "1 finding is known from the baseline and would fail otherwise",
                true,
            ),
        ] {
            let now = format!(
                r#"{{"inventory":{{"subject":"till"}},"reasons":[{{"code":"findings_known","text":"{text}"}}]}}"#
            );
            assert_eq!(
                other_product("a.json", then.as_bytes(), now.as_bytes()).is_some(),
                told,
                "{now}"
            );
        }
    }

    #[test]
    fn single_verdict_is_a_baseline_for_every_sbom() {
        for bytes in [br#"{"format":"x"}"#.as_slice(), b"junk"] {
            let baseline = Baseline::of(Bytes::from_static(bytes)).unwrap();
            assert_eq!(baseline.of_sbom("any").unwrap(), bytes);
        }
    }
}
