//! Encodes well-known source names in one byte.

use starling_protocol::Source;

use super::Reader;

/// The code of a name that is not listed: a length byte and the text.
const RAW: u8 = 0;

/// Sources with their own code: the index in this list plus one. Frozen: new names go to the end.
const KNOWN: [&str; 48] = [
    "nvd",
    "ghsa",
    "osv",
    "rustsec",
    "pypa",
    "go",
    "debian",
    "ubuntu",
    "alpine",
    "almalinux",
    "bitnami",
    "julia",
    "drupal",
    "haskell",
    "homebrew",
    "psf",
    "malicious-packages",
    "rubysec",
    "rconsortium",
    "friendsofphp",
    "retirejs",
    "nodejs-wg",
    "elixir",
    "ocaml",
    "kev",
    "epss",
    "vulnrichment",
    "cve",
    "curl",
    "redhat",
    "rocky",
    "suse",
    "opensuse",
    "mageia",
    "openeuler",
    "chainguard",
    "wolfi",
    "minimos",
    "echo",
    "android",
    "oss-fuzz",
    "linux",
    "npm",
    "maven",
    "nuget",
    "packagist",
    "hex",
    "git",
];

/// Writes a source name.
pub(super) fn write_source(out: &mut Vec<u8>, source: &Source) {
    let name = source.as_str();
    match (1u8..).zip(KNOWN).find(|(_, known)| *known == name) {
        Some((code, _)) => out.push(code),
        None => {
            // A source name has at most 64 bytes.
            out.extend_from_slice(&[RAW, u8::try_from(name.len()).unwrap_or(u8::MAX)]);
            out.extend_from_slice(name.as_bytes());
        }
    }
}

/// Reads a source name.
pub(super) fn read_source(reader: &mut Reader<'_>) -> Option<Source> {
    match reader.byte()? {
        RAW => {
            let length = usize::from(reader.byte()?);
            let name = std::str::from_utf8(reader.bytes(length)?).ok()?;
            (!KNOWN.contains(&name)).then_some(name)?.parse().ok()
        }
        code => KNOWN.get(usize::from(code) - 1)?.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn well_known_names_take_one_byte() {
        for name in KNOWN {
            let mut bytes = Vec::new();
            write_source(&mut bytes, &name.parse().unwrap());
            assert_eq!(bytes.len(), 1);
            assert_eq!(read_source(&mut Reader::new(&bytes)).unwrap().as_str(), name);
        }
    }

    proptest! {
        #[test]
        fn any_name_reads_back(name in "[a-z0-9][a-z0-9._-]{0,63}") {
            let mut bytes = Vec::new();
            write_source(&mut bytes, &name.parse().unwrap());
            let mut reader = Reader::new(&bytes);
            let read = read_source(&mut reader).unwrap();
            prop_assert_eq!(read.as_str(), name.as_str());
            prop_assert!(reader.is_at_end());
        }

        #[test]
        fn name_has_one_encoding(bytes in prop::collection::vec(any::<u8>(), 0..12)) {
            let mut reader = Reader::new(&bytes);
            if let Some(source) = read_source(&mut reader) {
                let mut again = Vec::new();
                write_source(&mut again, &source);
                prop_assert_eq!(&again[..], &bytes[..bytes.len() - reader.rest.len()]);
            }
        }
    }
}
