//! Converts CVSS vectors of sources to OSV's severities.

/// One entry of OSV's `severity`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Severity {
    /// `CVSS_V2`, `CVSS_V3`, `CVSS_V4`, or the source's own scale.
    pub(crate) kind: &'static str,
    /// The vector or word.
    pub(crate) score: String,
}

/// The metrics that every vector of CVSS 2 states, with their values.
const BASE_V2: [(&str, &str); 6] = [
    ("AV", "LAN"),
    ("AC", "HML"),
    ("Au", "MSN"),
    ("C", "NPC"),
    ("I", "NPC"),
    ("A", "NPC"),
];
/// The metrics that every vector of CVSS 3 states, with their values.
const BASE_V3: [(&str, &str); 8] = [
    ("AV", "NALP"),
    ("AC", "LH"),
    ("PR", "NLH"),
    ("UI", "NR"),
    ("S", "UC"),
    ("C", "HLN"),
    ("I", "HLN"),
    ("A", "HLN"),
];
/// The metrics that every vector of CVSS 4 states, with their values.
const BASE_V4: [(&str, &str); 11] = [
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
];

/// Returns true if a vector has a score: it states each of these metrics once, with one of its values.
fn states_all(body: &str, base: &[(&str, &str)]) -> bool {
    base.iter().all(|(name, values)| {
        let mut stated = body
            .split('/')
            .filter_map(|part| part.split_once(':').filter(|(own, _)| own == name));
        let is_value = |(_, value): (&str, &str)| value.len() == 1 && values.contains(value);
        stated.next().is_some_and(is_value) && stated.next().is_none()
    })
}

/// Parses a CVSS vector; `None` if its metrics have no score. If its version is missing, `version` applies (`2.0`,
/// `3.1`).
pub(crate) fn vector_of(text: &str, version: &str) -> Option<Severity> {
    let text = text
        .trim()
        .trim_start_matches('(')
        .trim_end_matches(')')
        .trim()
        .trim_end_matches('/');
    if text.is_empty() || text.contains(char::is_whitespace) {
        return None;
    }
    // Some write all of it in small letters.
    let large = text.starts_with("cvss:").then(|| text.to_ascii_uppercase());
    let text = large.as_deref().unwrap_or(text);
    let metrics = |body: &str| {
        let is_metric = |part: &str| {
            part.split_once(':').is_some_and(|(name, value)| {
                !name.is_empty()
                    && !value.is_empty()
                    && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b':')
            })
        };
        // Publishers sort the metrics as they like.
        body.split('/').all(is_metric)
    };
    for (prefix, kind, base) in [
        ("CVSS:3.0/", "CVSS_V3", &BASE_V3[..]),
        ("CVSS:3.1/", "CVSS_V3", &BASE_V3),
        ("CVSS:4.0/", "CVSS_V4", &BASE_V4),
    ] {
        if let Some(body) = text.strip_prefix(prefix) {
            return (metrics(body) && states_all(body, base)).then(|| Severity {
                kind,
                score: text.to_owned(),
            });
        }
    }
    let body = text
        .strip_prefix("CVSS:2.0/")
        .or_else(|| text.strip_prefix("CVSS2#"))
        .unwrap_or(text);
    if !metrics(body) {
        return None;
    }
    // Only CVSS 2 has the metric.
    if body.split('/').any(|part| part.starts_with("Au:")) {
        return states_all(body, &BASE_V2).then(|| Severity {
            kind: "CVSS_V2",
            score: body.to_owned(),
        });
    }
    let (kind, base) = match version {
        "3" | "3.0" | "3.1" => ("CVSS_V3", &BASE_V3[..]),
        "4" | "4.0" => ("CVSS_V4", &BASE_V4[..]),
        _ => return None,
    };
    if !states_all(body, base) {
        return None;
    }
    let version = match version {
        "3" => "3.0",
        "4" => "4.0",
        version => version,
    };
    Some(Severity {
        kind,
        score: format!("CVSS:{version}/{body}"),
    })
}

/// Returns the word for a score without a vector, by the scale of its version of CVSS. A source without a score writes 0
/// or a negative one.
pub(crate) fn word_of_score(score: &str, version: &str) -> Option<&'static str> {
    let score: f64 = score.trim().replace(',', ".").parse().ok()?;
    if !(0.1..=10.0).contains(&score) {
        return None;
    }
    let is_second = version.trim().starts_with('2');
    Some(match score {
        ..4.0 => "LOW",
        ..7.0 => "MEDIUM",
        ..9.0 => "HIGH",
        _ if is_second => "HIGH",
        _ => "CRITICAL",
    })
}

/// Returns the severities of a notice about several vulnerabilities, each with its stated score, the worst first: a
/// finding takes the first.
pub(crate) fn worst_first(mut rated: Vec<(String, Severity)>) -> impl Iterator<Item = Severity> {
    let score = |text: &str| {
        let score = text.trim().replace(',', ".").parse::<f64>();
        score.ok().filter(|score| score.is_finite())
    };
    rated.sort_by(|(a, _), (b, _)| {
        let (a, b) = (score(a).unwrap_or(-1.0), score(b).unwrap_or(-1.0));
        b.total_cmp(&a)
    });
    rated.into_iter().map(|(_, severity)| severity)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn vectors_are_recognised_by_metrics_and_prefix() {
        let v3 = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H";
        let v2 = "AV:N/AC:L/Au:N/C:P/I:P/A:P";
        let read = |text, version| vector_of(text, version).map(|s| (s.kind, s.score));
        assert_eq!(read(v3, ""), Some(("CVSS_V3", v3.to_owned())));
        assert_eq!(read(&v3[9..], "3.1"), Some(("CVSS_V3", v3.to_owned())));
        assert_eq!(read(&v3[9..], ""), None);
        for text in [
            v2,
            "(AV:N/AC:L/Au:N/C:P/I:P/A:P)",
            "CVSS:2.0/AV:N/AC:L/Au:N/C:P/I:P/A:P",
        ] {
            assert_eq!(read(text, "3.0"), Some(("CVSS_V2", v2.to_owned())), "{text}");
        }
        let small = v3.to_lowercase();
        assert_eq!(read(&small, ""), Some(("CVSS_V3", v3.to_owned())));
        let sorted = "CVSS:3.1/AC:L/AV:N/A:H/C:H/I:H/PR:N/S:U/UI:N";
        assert_eq!(read(sorted, ""), Some(("CVSS_V3", sorted.to_owned())));
        let sorted = "A:P/AC:L/AV:N/Au:N/C:P/I:P";
        assert_eq!(read(sorted, "2.0"), Some(("CVSS_V2", sorted.to_owned())));
        for text in [
            "",
            "9.8",
            "CVSS:3.1/AC:L/PR:N",
            "CVSS:3.1/",
            "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H",
            "CVSS:3.1/AV:Z/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H",
            "CVSS:3.1/AV:N/AV:L/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H",
            "CVSS:4.0/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H",
            "AV:N/AC:L/Au:N/C:H/I:P/A:P",
            "CVSS:9.0/AV:N",
            "AV:N/AC",
            "AV:N AC:L/Au:N",
        ] {
            assert_eq!(read(text, ""), None, "{text}");
        }
    }

    #[test]
    fn score_alone_has_a_word() {
        for (score, version, expected) in [
            ("9.8", "3.1", Some("CRITICAL")),
            ("9,8", "", Some("CRITICAL")),
            ("10", "2.0", Some("HIGH")),
            ("6.9", "4.0", Some("MEDIUM")),
            ("0.1", "3.0", Some("LOW")),
            ("0", "3.1", None),
            ("-1", "", None),
            ("10.1", "", None),
            ("NaN", "", None),
            ("high", "", None),
        ] {
            assert_eq!(word_of_score(score, version), expected, "{score} {version}");
        }
    }

    #[test]
    fn worst_rating_is_first() {
        let rated = [
            ("5.3", "a"),
            ("10.0", "b"),
            ("UNKNOWN", "c"),
            ("9.8", "d"),
            ("NaN", "e"),
        ];
        let rated = rated.map(|(score, vector)| {
            let severity = Severity {
                kind: "CVSS_V3",
                score: vector.to_owned(),
            };
            (score.to_owned(), severity)
        });
        let order: Vec<String> = worst_first(rated.into()).map(|one| one.score).collect();
        assert_eq!(order.concat(), "bdace");
    }

    proptest! {
        #[test]
        fn any_text_is_a_vector_or_none(text in "(CVSS:[234]\\.[01]/)?(AV:N|/|Au:|\\PC){0,10}", version in "|3.1|4.0") {
            let _ = vector_of(&text, &version);
        }
    }
}
