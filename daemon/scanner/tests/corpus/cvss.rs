//! CVSS scores against other implementations' vectors.

use starling_scanner::severity::{Score, score_vector};

use crate::support::{Tally, archive};

/// `9.8` as tenths.
fn tenths(text: &str) -> Option<u8> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    (whole.parse::<u8>().ok()? * 10).checked_add(fraction.get(..1)?.parse().ok()?)
}

#[test]
fn red_hat_vectors() {
    let Some(suite) = archive("suites/cvss-redhat") else {
        return;
    };
    let mut tally = Tally::default();
    for (_, bytes) in suite.files().filter(|(name, _)| name.contains("/tests/vectors_")) {
        for line in std::str::from_utf8(bytes).unwrap().lines() {
            let Some((vector, scores)) = line.split_once(" - ") else {
                continue;
            };
            // (base, temporal, environmental), or the one score of CVSS 4.
            let base = scores
                .trim_matches(['(', ')'])
                .split(',')
                .next()
                .unwrap()
                .trim()
                .trim_start_matches('-');
            let expected = tenths(base).unwrap();
            let found = score_vector(vector).map(|(score, _)| score);
            tally.check(found == Some(Score::from_tenths(expected)), || {
                format!("{line}: {found:?}")
            });
        }
    }
    tally.finish("cvss-redhat", 7_667);
}

#[test]
fn clair_vectors() {
    let Some(suite) = archive("suites/claircore-cvss") else {
        return;
    };
    let mut tally = Tally::default();
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
            // These rows are temporal and environmental scores; we take the base score.
            let base_metrics = if vector.starts_with("CVSS:3") { 8 } else { 6 };
            let metrics = vector.trim_start_matches("CVSS:").matches(':').count();
            if !vector.starts_with("CVSS:4") && metrics > base_metrics {
                continue;
            }
            let found = score_vector(vector).map(|(score, _)| score.tenths());
            tally.check(found.is_some() && found == tenths(score.trim()), || {
                format!("{line}: {found:?}")
            });
        }
    }
    for file in ["v2_error.list", "v3_error.list", "v4_error.list"] {
        for line in suite.text(file).lines() {
            let is_ok = line.contains("#OK");
            let vector = line.split('#').next().unwrap_or("").trim();
            // Clair demands the published order, whole metric groups and one version per reader; real
            // vectors break all three and still say what they mean.
            let tolerated = [
                "AV:A/AC:L/Au:N/C:C/I:C/A:C/CDP:H/TD:H/CR:H",
                "AV:A/AC:L/Au:N/C:C/I:C/A:C/E:F",
                "AV:A/AC:L/Au:N/A:C/I:C/C:C",
                "CVSS:3.1/AV:P/AC:H/PR:H/UI:R/S:U/C:N/I:N/A:N",
                "CVSS:4.0/AV:N/AC:L/AT:N/PR:H/UI:N/VC:L/VI:L/VA:N/SC:N/SI:N/E:A/SA:N",
            ];
            if !vector.is_empty() && !tolerated.contains(&vector) {
                tally.check(score_vector(vector).is_some() == is_ok, || {
                    format!("{file}: {line}")
                });
            }
        }
    }
    tally.finish("claircore-cvss", 100);
}
