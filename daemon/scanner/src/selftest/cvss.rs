//! CVSS scores, compared with other implementations' vectors.

use super::{SuiteFiles, Tally};
use crate::severity::score_vector;

/// Returns `9.8` as tenths.
pub(super) fn tenths(text: &str) -> Option<u8> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let whole: u8 = whole.parse().ok()?;
    whole
        .checked_mul(10)?
        .checked_add(fraction.get(..1)?.parse().ok()?)
}

pub(super) fn red_hat(suite: &SuiteFiles, tally: &mut Tally) {
    for (_, bytes) in suite.files().filter(|(name, _)| name.contains("/tests/vectors_")) {
        for line in String::from_utf8_lossy(bytes).lines() {
            let Some((vector, scores)) = line.split_once(" - ") else {
                continue;
            };
            // (base, temporal, environmental), or the one score of CVSS 4.
            let base = scores.trim_matches(['(', ')']).split(',').next().unwrap_or("");
            let expected = tenths(base.trim().trim_start_matches('-'));
            let found = score_vector(vector).map(|(score, _)| score.tenths());
            tally.check(found.is_some() && found == expected, || {
                format!("{line}: {found:?}")
            });
        }
    }
}

pub(super) fn clair(suite: &SuiteFiles, tally: &mut Tally) {
    for file in [
        "v2_score.list",
        "v30_score.list",
        "v31_score.list",
        "v4_score.list",
    ] {
        for line in suite.text(file).lines() {
            let line = line.split('#').next().unwrap_or("").trim();
            let Some((vector, score)) = line.split_once(char::is_whitespace) else {
                continue;
            };
            // These rows are temporal and environmental scores; this program uses the base score.
            let base_metrics = if vector.starts_with("CVSS:3") { 8 } else { 6 };
            let metrics = vector.trim_start_matches("CVSS:").matches(':').count();
            if !vector.starts_with("CVSS:4") && metrics > base_metrics {
                tally.skip("temporal and environmental scores; the base score is taken", 1);
                continue;
            }
            let found = score_vector(vector).map(|(score, _)| score.tenths());
            tally.check(found.is_some() && found == tenths(score.trim()), || {
                format!("{line}: {found:?}")
            });
        }
    }
    // Clair requires the published order, complete metric groups and one version per reader; real vectors break all
    // three rules and are still clear.
    const TOLERATED: [&str; 5] = [
        "AV:A/AC:L/Au:N/C:C/I:C/A:C/CDP:H/TD:H/CR:H",
        "AV:A/AC:L/Au:N/C:C/I:C/A:C/E:F",
        "AV:A/AC:L/Au:N/A:C/I:C/C:C",
        "CVSS:3.1/AV:P/AC:H/PR:H/UI:R/S:U/C:N/I:N/A:N",
        "CVSS:4.0/AV:N/AC:L/AT:N/PR:H/UI:N/VC:L/VI:L/VA:N/SC:N/SI:N/E:A/SA:N",
    ];
    for file in ["v2_error.list", "v3_error.list", "v4_error.list"] {
        for line in suite.text(file).lines() {
            let is_ok = line.contains("#OK");
            let vector = line.split('#').next().unwrap_or("").trim();
            if TOLERATED.contains(&vector) {
                tally.skip("vectors that break a rule of form and say what they mean", 1);
            } else if !vector.is_empty() {
                tally.check(score_vector(vector).is_some() == is_ok, || {
                    format!("{file}: {line}")
                });
            }
        }
    }
}
