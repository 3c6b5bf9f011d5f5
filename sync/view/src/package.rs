//! Package identities: the subject of an advisory.

use std::fmt;

use serde::Serialize;
use starling_protocol::MergeHash;

use crate::ports::RecordKey;
use crate::vulnerability::VulnerabilityId;

/// The package of an advisory: a package of an ecosystem, else a git repository, else the record.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(untagged)]
pub enum PackageId {
    /// A package of an OSV ecosystem.
    Package {
        /// The ecosystem with its suffix, such as `Debian:12`.
        ecosystem: String,
        /// The name as the ecosystem spells it.
        name: String,
    },
    /// A git repository, of a record that names no package.
    Repository {
        /// Its normalised URL.
        repository: String,
    },
    /// The record itself, if it names no package and no repository.
    Record(RecordKey),
}

impl PackageId {
    /// Returns the merge hash of a vulnerability in this package.
    #[must_use]
    pub fn merge_hash(&self, vulnerability: &VulnerabilityId) -> MergeHash {
        let vulnerability = ["vuln", vulnerability.as_str()];
        match self {
            Self::Package { ecosystem, name } => MergeHash::of(&vulnerability, &["package", ecosystem, name]),
            Self::Repository { repository } => MergeHash::of(&vulnerability, &["repo", repository]),
            Self::Record(record) => MergeHash::of(
                &vulnerability,
                &["record", record.source.as_str(), record.id.as_str()],
            ),
        }
    }
}

impl fmt::Display for PackageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Package { ecosystem, name } => write!(f, "{ecosystem}/{name}"),
            Self::Repository { repository } => f.write_str(repository),
            Self::Record(record) => write!(f, "{record}"),
        }
    }
}

/// Returns the normalised URL of a git repository: scheme and host in lower case, without surrounding white
/// space and without any trailing `/` or `.git`. The path keeps its case.
#[must_use]
pub fn normalise_repository(url: &str) -> String {
    let mut rest = url.trim();
    loop {
        let shorter = rest.trim_end_matches('/');
        let shorter = shorter.strip_suffix(".git").unwrap_or(shorter);
        if shorter.len() == rest.len() {
            break;
        }
        rest = shorter;
    }
    let Some((scheme, after)) = rest.split_once("://") else {
        return rest.to_owned();
    };
    let (host, path) = after.split_at(after.find('/').unwrap_or(after.len()));
    format!(
        "{}://{}{path}",
        scheme.to_ascii_lowercase(),
        host.to_ascii_lowercase()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_repository_meet() {
        for spelling in [
            "https://github.com/Curl/curl",
            "HTTPS://GitHub.com/Curl/curl.git",
            " https://github.com/Curl/curl.git/ ",
            "https://github.com/Curl/curl//",
        ] {
            assert_eq!(
                normalise_repository(spelling),
                "https://github.com/Curl/curl",
                "{spelling:?}"
            );
        }
        assert_eq!(normalise_repository("git@host:Org/x.git"), "git@host:Org/x");
        assert_eq!(normalise_repository(".git"), "");
    }

    #[test]
    fn each_kind_of_package_has_merge_hashes_of_its_own() {
        let id = VulnerabilityId::of("CVE-2021-1").unwrap();
        let package = PackageId::Package {
            ecosystem: "a".into(),
            name: "b".into(),
        };
        let record = PackageId::Record(RecordKey::new("a".parse().unwrap(), "b".parse().unwrap()));
        assert_ne!(package.merge_hash(&id), record.merge_hash(&id));
        assert_ne!(
            package.merge_hash(&id),
            package.merge_hash(&VulnerabilityId::of("CVE-2021-2").unwrap())
        );
    }
}
