//! The spelling in which ids of vulnerabilities are compared.

use serde::Deserializer;
use serde::de::Error;

use crate::given::list;

/// Returns an id in the spelling of findings: without surrounding white space; an id with the prefix `CVE-` in upper
/// case; after the prefix `GHSA-` in lower case. Other ids are compared exactly. People and suppliers use any
/// spelling.
pub(crate) fn spelled(id: &str) -> String {
    let id = id.trim();
    let begins = |prefix: &str| {
        let start = id.as_bytes().get(..prefix.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(prefix.as_bytes()))
    };
    if begins("CVE-") {
        id.to_ascii_uppercase()
    } else if begins("GHSA-") {
        let rest = id.get("GHSA-".len()..).unwrap_or_default();
        format!("GHSA-{}", rest.to_ascii_lowercase())
    } else {
        id.to_owned()
    }
}

/// Reads ids in that spelling. One that no vulnerability can have is refused, because its condition would never hold:
/// an empty one, and a pattern.
pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let ids: Vec<String> = list(deserializer)?;
    let read = |id: &String| {
        let spelt = spelled(id);
        if spelt.is_empty() || spelt.contains(|c: char| matches!(c, '*' | '?' | ',') || c.is_whitespace()) {
            let shown: String = id.chars().take(40).collect();
            return Err(D::Error::custom(format_args!(
                "{shown:?} is not the id of a vulnerability; write one id, such as CVE-2024-1, for each entry"
            )));
        }
        Ok(spelt)
    };
    ids.iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::spelled;

    #[test]
    fn ids_are_normalised_like_findings() {
        for (written, compared) in [
            ("cve-2024-1", "CVE-2024-1"),
            (" CVE-2024-1\n", "CVE-2024-1"),
            ("ghsa-WGX2-6432-J3FW", "GHSA-wgx2-6432-j3fw"),
            ("RUSTSEC-2020-0025", "RUSTSEC-2020-0025"),
            ("rustsec-2020-0025", "rustsec-2020-0025"),
            ("GHSA", "GHSA"),
            ("é", "é"),
            ("", ""),
        ] {
            assert_eq!(spelled(written), compared, "{written:?}");
        }
    }
}
