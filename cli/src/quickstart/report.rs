//! Results of the quickstart: the `--json` document, and the text for people.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;
use starling_api_types::{KnowledgeRoot, SiteId, SiteSlug, VerdictHash};

use crate::terminal;

/// The document that `starling quickstart --json` prints.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    /// The three sites, in the order of the story.
    pub(super) sites: Vec<SiteOutcome>,
    /// The steps, in order.
    pub(super) steps: Vec<Step>,
    /// True if the three knowledge roots are equal and the three verdicts are the same bytes.
    pub(super) equal: bool,
    /// Bytes that the second site received over QUIC, from the first hello to the end.
    pub(super) over_quic_bytes: Option<u64>,
    /// The folder with the sites; null if they were removed.
    pub(super) kept: Option<PathBuf>,
}

/// One site at the end of the run.
#[derive(Debug, Clone, Serialize)]
pub(super) struct SiteOutcome {
    pub(super) site_id: SiteSlug,
    pub(super) site: SiteId,
    pub(super) knowledge_root: KnowledgeRoot,
    /// Live records held.
    pub(super) records: u64,
    /// Canonical advisories built from them.
    pub(super) advisories: u64,
    /// The verdict's outcome: pass, warn or fail.
    pub(super) outcome: String,
    /// Number of findings.
    pub(super) findings: u64,
    pub(super) verdict_hash: VerdictHash,
    /// Size of the verdict's body, in bytes.
    pub(super) verdict_bytes: u64,
    /// The exit code of `starling scan`.
    pub(super) exit_code: u8,
}

/// One step that was done.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Step {
    /// A short, stable name.
    pub(super) name: &'static str,
    /// The event, in a sentence.
    pub(super) what: String,
    /// Duration, in milliseconds.
    pub(super) duration_ms: u64,
    /// Number of bytes read or moved, if known.
    pub(super) bytes: Option<u64>,
    /// The commands of this step, as a user would type them.
    pub(super) commands: Vec<String>,
}

impl Step {
    /// Returns the line for people: action, time, bytes. A narrow terminal gets a long action in several lines.
    pub(super) fn line(&self, number: usize) -> String {
        let time = Time(Duration::from_millis(self.duration_ms)).to_string();
        let bytes = self.bytes.map(|b| Bytes(b).to_string()).unwrap_or_default();
        let figures = format!("{time:>9} {bytes:>9}");
        let first = format!("{number}. ");
        let Some(width) = terminal::width() else {
            let line = format!("{:<WHAT_WIDTH$} {figures}", format!("{first}{}", self.what));
            return line.trim_end().to_owned();
        };
        let room = WHAT_WIDTH.min(width.saturating_sub(FIGURES_WIDTH));
        let what = terminal::wrapped_to(room, &first, 3, &self.what);
        let line = match what.trim_end().rsplit_once('\n') {
            Some((before, last)) => format!("{before}\n{last:<room$} {figures}"),
            None => format!("{:<room$} {figures}", what.trim_end()),
        };
        line.trim_end().to_owned()
    }
}

/// Widest action of a step, with its number.
const WHAT_WIDTH: usize = 69;
/// Width of a step's time and bytes.
const FIGURES_WIDTH: usize = 20;

/// Returns true if all sites have the same knowledge and the same verdict.
pub(super) fn all_equal(sites: &[SiteOutcome], verdicts: &[String]) -> bool {
    let roots = sites
        .windows(2)
        .all(|pair| pair[0].knowledge_root == pair[1].knowledge_root);
    let hashes = sites
        .windows(2)
        .all(|pair| pair[0].verdict_hash == pair[1].verdict_hash);
    let bodies = verdicts.windows(2).all(|pair| pair[0] == pair[1]);
    roots && hashes && bodies
}

/// Returns the summary: roots, verdicts, and if they agree.
pub(super) fn comparison(sites: &[SiteOutcome], over_quic: Option<u64>, equal: bool) -> String {
    let width = sites
        .iter()
        .map(|s| s.site_id.as_str().len())
        .max()
        .unwrap_or_default();
    let mut text = String::from("\nWhat each site knows (knowledge root)\n");
    for site in sites {
        text += &format!(
            "   {:width$}  {}…  {} records, {} advisories\n",
            site.site_id.as_str(),
            crate::render::short(&site.knowledge_root.to_string()),
            site.records,
            site.advisories
        );
    }
    text += "\nEach site's verdict on the sample SBOM\n";
    for site in sites {
        text += &format!(
            "   {:width$}  {}…  {}, {} findings, {} bytes\n",
            site.site_id.as_str(),
            crate::render::short(&site.verdict_hash.to_string()),
            site.outcome,
            site.findings,
            site.verdict_bytes
        );
    }
    if let Some(bytes) = over_quic {
        text += &format!(
            "\nOver QUIC, {} received {} in all.\n",
            super::NORTH,
            Bytes(bytes)
        );
    }
    text += if equal {
        "\nEqual roots: all three hold the same knowledge. Equal verdicts, byte for byte: a build that fails\n\
         at one site fails at all of them, with or without a network."
    } else {
        "\nNOT EQUAL. This is a bug: please report it with the output of `--json`."
    };
    text
}

/// Returns suggestions for next steps, with commands that can be pasted.
pub(super) fn go_on(program: &str, kept: Option<&Path>) -> String {
    let Some(dir) = kept else {
        return format!(
            "\nThe sites were stopped and removed. To keep them and continue by hand:\n\
             \x20  {program} quickstart --keep starling-demo"
        );
    };
    let home = |site: &str| dir.join(site).display().to_string();
    let (west, north, air) = (home(super::WEST), home(super::NORTH), home(super::AIR_GAPPED));
    format!(
        "\nThe sites were stopped and are in {}. To continue by hand:\n\
         \x20  {program} --home {west} up &                              # the daemon\n\
         \x20  {program} --home {north} up &\n\
         \x20  {program} --home {west} status\n\
         \x20  {program} --home {west} advisory get CVE-2021-44228       # stated by two sources, merged\n\
         \x20  {program} --home {air} scan {} --fail-on high\n\
         \x20  {program} --home {west} bundle inspect {}",
        dir.display(),
        dir.join(super::SBOM_FILE).display(),
        dir.join(super::BUNDLE_FILE).display(),
    )
}

/// Formats a duration for people.
struct Time(Duration);

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0.as_millis();
        if millis < 1_000 {
            write!(f, "{millis} ms")
        } else {
            write!(f, "{:.1} s", self.0.as_secs_f64())
        }
    }
}

/// Formats a size for people, in powers of ten.
struct Bytes(u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tenths = |unit: u64| (self.0 / unit, self.0 % unit * 10 / unit);
        match self.0 {
            0..1_000 => write!(f, "{} B", self.0),
            1_000..1_000_000 => {
                let (whole, tenth) = tenths(1_000);
                write!(f, "{whole}.{tenth} kB")
            }
            _ => {
                let (whole, tenth) = tenths(1_000_000);
                write!(f, "{whole}.{tenth} MB")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site(name: &str, root: u8, verdict: u8) -> SiteOutcome {
        SiteOutcome {
            site_id: SiteSlug::new(name).unwrap(),
            site: SiteId::from_bytes([1; 32]),
            knowledge_root: KnowledgeRoot::from_bytes([root; 32]),
            records: 50,
            advisories: 46,
            outcome: "fail".to_owned(),
            findings: 20,
            verdict_hash: VerdictHash::from_bytes([verdict; 32]),
            verdict_bytes: 2,
            exit_code: 1,
        }
    }

    #[test]
    fn sites_are_equal_only_if_roots_and_verdict_bytes_are() {
        let same = ["{}".to_owned(), "{}".to_owned()];
        let other = ["{}".to_owned(), "{ }".to_owned()];
        assert!(all_equal(&[site("a", 1, 1), site("b", 1, 1)], &same));
        assert!(!all_equal(&[site("a", 1, 1), site("b", 2, 1)], &same));
        assert!(!all_equal(&[site("a", 1, 1), site("b", 1, 2)], &same));
        assert!(!all_equal(&[site("a", 1, 1), site("b", 1, 1)], &other));
    }

    #[test]
    fn document_has_the_documented_fields() {
        let report = Report {
            sites: vec![site("site-a", 1, 2)],
            steps: vec![Step {
                name: "feed",
                what: "it takes in a feed".to_owned(),
                duration_ms: 12,
                bytes: Some(1_234),
                commands: vec!["starling up".to_owned()],
            }],
            equal: true,
            over_quic_bytes: Some(19_278),
            kept: None,
        };
        let value = serde_json::to_value(&report).unwrap();
        assert_eq!(value["equal"], true);
        assert_eq!(value["sites"][0]["site_id"], "site-a");
        for key in ["knowledge_root", "verdict_hash"] {
            assert!(
                value["sites"][0][key].as_str().unwrap().starts_with("blake3:"),
                "{key}"
            );
        }
        assert_eq!(value["steps"][0]["duration_ms"], 12);
        assert_eq!(value["steps"][0]["bytes"], 1_234);
    }

    #[test]
    fn step_fits_a_narrow_terminal() {
        let step = Step {
            name: "feed",
            what: "West takes in the built-in advisories of two sources, ghsa and pypa".to_owned(),
            duration_ms: 12,
            bytes: Some(1_234),
            commands: Vec::new(),
        };
        assert_eq!(step.line(4).lines().count(), 1);
        let line = terminal::at_width(60, || step.line(4));
        assert_eq!(
            line,
            "4. West takes in the built-in advisories\n   of two sources, ghsa and pypa             12 ms    1.2 kB"
        );
    }

    #[test]
    fn times_and_sizes_are_short() {
        assert_eq!(Time(Duration::from_millis(999)).to_string(), "999 ms");
        assert_eq!(Time(Duration::from_millis(1_250)).to_string(), "1.2 s");
        assert_eq!(Bytes(999).to_string(), "999 B");
        assert_eq!(Bytes(1_999).to_string(), "1.9 kB");
        assert_eq!(Bytes(2_500_000).to_string(), "2.5 MB");
    }
}
