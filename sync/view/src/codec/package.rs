//! Package identities as key parts.
//!
//! Ecosystem, then name, then the ecosystem's suffix: one prefix finds a name in every release of a
//! distribution, and a longer one finds it in a single release.

use super::id::{read_id, write_id};
use super::source::{read_source, write_source};
use super::{Reader, write_terminated};
use crate::package::PackageId;
use crate::ports::RecordKey;

/// The code of an ecosystem that is not listed: its name follows.
const RAW: u8 = 0;
/// The code of a repository on [`GITHUB`]: the rest of its URL follows.
const GITHUB_REPOSITORY: u8 = 0xfd;
/// The code of any other repository.
const REPOSITORY: u8 = 0xfe;
/// The code for a record that takes the place of a package.
const RECORD: u8 = 0xff;
/// The host of most repositories.
const GITHUB: &str = "https://github.com/";

/// Ecosystems with their own code, without suffix: the index in this list plus one. Frozen: new names go to the
/// end.
const KNOWN: [&str; 45] = [
    "npm",
    "PyPI",
    "Go",
    "crates.io",
    "Maven",
    "NuGet",
    "RubyGems",
    "Packagist",
    "Hex",
    "Pub",
    "SwiftURL",
    "GitHub Actions",
    "Debian",
    "Ubuntu",
    "Alpine",
    "AlmaLinux",
    "Rocky Linux",
    "Red Hat",
    "SUSE",
    "openSUSE",
    "Wolfi",
    "Chainguard",
    "MinimOS",
    "Alpaquita",
    "BellSoft Hardened Containers",
    "Echo",
    "Mageia",
    "openEuler",
    "Photon OS",
    "Android",
    "Linux",
    "OSS-Fuzz",
    "GIT",
    "Bitnami",
    "Julia",
    "Homebrew",
    "Hackage",
    "GHC",
    "CRAN",
    "Bioconductor",
    "ConanCenter",
    "opam",
    "VSCode",
    "GSD",
    "Kubernetes",
];

/// Writes a package identity.
pub(crate) fn write_package(out: &mut Vec<u8>, package: &PackageId) {
    match package {
        PackageId::Package { ecosystem, name } => {
            let (base, suffix) = split_ecosystem(ecosystem);
            write_base(out, base);
            write_terminated(out, name);
            write_terminated(out, suffix);
        }
        PackageId::Repository { repository } => match repository.strip_prefix(GITHUB) {
            Some(path) => {
                out.push(GITHUB_REPOSITORY);
                write_terminated(out, path);
            }
            None => {
                out.push(REPOSITORY);
                write_terminated(out, repository);
            }
        },
        PackageId::Record(record) => {
            out.push(RECORD);
            write_source(out, &record.source);
            write_id(out, record.id.as_str());
        }
    }
}

/// Returns the common prefix of the keys of every package of an ecosystem, all its releases included.
pub(crate) fn base_prefix(ecosystem: &str) -> Vec<u8> {
    let mut out = Vec::new();
    write_base(&mut out, split_ecosystem(ecosystem).0);
    out
}

/// Returns the common prefix of the keys of a package name in every release of its ecosystem.
pub(crate) fn name_prefix(base: &str, name: &str) -> Vec<u8> {
    let mut out = Vec::new();
    write_base(&mut out, base);
    write_terminated(&mut out, name);
    out
}

/// Reads a package identity.
pub(super) fn read_package(reader: &mut Reader<'_>) -> Option<PackageId> {
    let base = match reader.byte()? {
        GITHUB_REPOSITORY => {
            return Some(PackageId::Repository {
                repository: format!("{GITHUB}{}", reader.terminated()?),
            });
        }
        REPOSITORY => {
            let url = reader.terminated()?;
            return (!url.starts_with(GITHUB)).then(|| PackageId::Repository {
                repository: url.to_owned(),
            });
        }
        RECORD => {
            let source = read_source(reader)?;
            return Some(PackageId::Record(RecordKey::new(
                source,
                read_id(reader)?.parse().ok()?,
            )));
        }
        RAW => {
            let base = reader.terminated()?;
            (!KNOWN.contains(&base) && !base.contains(':')).then_some(base)?
        }
        code => KNOWN.get(usize::from(code) - 1)?,
    };
    let name = reader.terminated()?;
    let suffix = reader.terminated()?;
    (suffix.is_empty() || suffix.starts_with(':')).then(|| PackageId::Package {
        ecosystem: format!("{base}{suffix}"),
        name: name.to_owned(),
    })
}

fn write_base(out: &mut Vec<u8>, base: &str) {
    match (1u8..).zip(KNOWN).find(|(_, known)| *known == base) {
        Some((code, _)) => out.push(code),
        None => {
            out.push(RAW);
            write_terminated(out, base);
        }
    }
}

/// Splits `Debian:12` into `Debian` and `:12`.
fn split_ecosystem(ecosystem: &str) -> (&str, &str) {
    ecosystem.split_at(ecosystem.find(':').unwrap_or(ecosystem.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn encode(package: &PackageId) -> Vec<u8> {
        let mut out = Vec::new();
        write_package(&mut out, package);
        out
    }

    fn package(ecosystem: &str, name: &str) -> PackageId {
        PackageId::Package {
            ecosystem: ecosystem.into(),
            name: name.into(),
        }
    }

    #[test]
    fn name_is_found_in_every_release_by_one_prefix() {
        let prefix = name_prefix("Debian", "curl");
        assert!(encode(&package("Debian:12", "curl")).starts_with(&prefix));
        assert!(encode(&package("Debian", "curl")).starts_with(&prefix));
        assert!(!encode(&package("Debian:12", "curlftpfs")).starts_with(&prefix));
        assert!(!encode(&package("Debian:12", "cur")).starts_with(&prefix));
    }

    fn any_package() -> impl Strategy<Value = PackageId> {
        let ecosystem = "npm|PyPI|Debian(:[0-9]{0,2})?|Red Hat:[a-z_:]{0,9}|[\\PC&&[^\u{0}]]{0,9}";
        prop_oneof![
            (ecosystem, "[a-z/@.-]{0,12}|\\PC{1,9}")
                .prop_map(|(ecosystem, name)| PackageId::Package { ecosystem, name }),
            "(https://github[.]com/)?[a-zA-Z/:.]{0,20}"
                .prop_map(|repository| PackageId::Repository { repository }),
            ("[a-z]{1,8}", "[A-Z0-9-]{1,12}").prop_map(|(source, id)| PackageId::Record(RecordKey::new(
                source.parse().unwrap(),
                id.parse().unwrap()
            ))),
        ]
    }

    proptest! {
        #[test]
        fn any_package_reads_back(package in any_package()) {
            let mut bytes = encode(&package);
            bytes.push(9);
            let mut reader = Reader::new(&bytes);
            prop_assert_eq!(read_package(&mut reader), Some(package));
            prop_assert_eq!(reader.byte(), Some(9));
        }

        #[test]
        fn package_has_one_encoding(bytes in prop::collection::vec(prop_oneof![Just(0u8), Just(0xfd), Just(0xfe), Just(0xff), 1u8..60, 97u8..123], 0..24)) {
            let mut reader = Reader::new(&bytes);
            if let Some(package) = read_package(&mut reader) {
                prop_assert_eq!(&encode(&package)[..], &bytes[..bytes.len() - reader.rest.len()]);
            }
        }
    }
}
