//! The corpus that `STARLING_CORPUS` names: archives of whole sources, and streams of each day's changes.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Archives of OSV records, JSON and YAML, each with the name of its source.
const ARCHIVES: [(&str, &str); 14] = [
    ("almalinux", "almalinux"),
    ("bitnami", "bitnami"),
    ("drupal", "drupal"),
    ("ghsa-samples", "ghsa"),
    ("haskell", "haskell"),
    ("homebrew", "homebrew"),
    ("julia", "julia"),
    ("malicious-packages", "malicious-packages"),
    ("osvdev-20250228-git-upto2022", "nvd"),
    ("osvdev-20250228-go-hex-upto2022", "osv"),
    ("psf", "psf"),
    ("pypa", "pypa"),
    ("rconsortium", "rconsortium"),
    ("rustsec-osv", "rustsec"),
];

/// Archives for a run that only checks the benchmark itself.
const SMALL: [&str; 3] = ["drupal", "julia", "rustsec-osv"];

/// Streams of OSV records, with their source.
pub(crate) const STREAMS: [(&str, &str); 5] = [
    ("pypa", "pypa"),
    ("bitnami", "bitnami"),
    ("almalinux", "almalinux"),
    ("julia", "julia"),
    ("rustsec-osv", "rustsec"),
];

/// Files of a source by their path.
pub(crate) type Tree = BTreeMap<String, Vec<u8>>;

/// The folder of the corpus.
pub(crate) struct Corpus(PathBuf);

/// One archive of a whole source.
pub(crate) struct Archive {
    pub(crate) source: &'static str,
    pub(crate) path: PathBuf,
}

/// A source before the first day, and each day's changes.
pub(crate) struct Stream {
    pub(crate) base: Tree,
    pub(crate) days: Vec<Day>,
}

/// One day's changes.
#[derive(Default)]
pub(crate) struct Day {
    pub(crate) date: String,
    /// Added and modified files.
    pub(crate) written: Tree,
    pub(crate) deleted: Vec<String>,
}

impl Day {
    pub(crate) fn apply(&self, tree: &mut Tree) {
        for path in &self.deleted {
            assert!(
                tree.remove(path).is_some(),
                "{}: {path} is missing and cannot be deleted",
                self.date
            );
        }
        tree.extend(
            self.written
                .iter()
                .map(|(path, bytes)| (path.clone(), bytes.clone())),
        );
    }

    pub(crate) fn changes(&self) -> usize {
        self.written.len() + self.deleted.len()
    }
}

impl Corpus {
    pub(crate) fn find() -> Option<Self> {
        std::env::var_os("STARLING_CORPUS").map(|path| Self(path.into()))
    }

    /// Returns the archives of OSV records.
    pub(crate) fn archives(&self, small: bool) -> Vec<Archive> {
        let chosen = ARCHIVES.iter().filter(|(file, _)| !small || SMALL.contains(file));
        let archive = |(file, source): &(&str, &'static str)| Archive {
            source,
            path: self.0.join("advisories").join(format!("{file}.tar.zst")),
        };
        chosen.map(archive).collect()
    }

    /// Reads one stream, its days in order.
    pub(crate) fn stream(&self, name: &str) -> Stream {
        let mut base = Tree::new();
        let mut days: BTreeMap<String, Day> = BTreeMap::new();
        for (path, bytes) in unpack(&self.0.join("deltas").join(format!("{name}.tar.zst"))) {
            let parts: Vec<&str> = path.splitn(3, '/').collect();
            match parts[1..] {
                ["base", file] => drop(base.insert(file.to_owned(), bytes)),
                ["days", rest] => {
                    let (date, file) = rest
                        .split_once('/')
                        .expect("a day's file lies in the day's folder");
                    let day = days.entry(date.to_owned()).or_default();
                    date.clone_into(&mut day.date);
                    if let Some(file) = file.strip_prefix("files/") {
                        day.written.insert(file.to_owned(), bytes);
                    } else {
                        let changes = String::from_utf8(bytes).expect("changes.tsv is text");
                        let deleted = changes.lines().filter(|line| line.starts_with("D\t"));
                        let path = |line: &str| line.rsplit('\t').next().unwrap_or_default().to_owned();
                        day.deleted.extend(deleted.map(path));
                    }
                }
                _ => {}
            }
        }
        Stream {
            base,
            days: days.into_values().collect(),
        }
    }
}

/// Returns the files of a `.tar.zst`, in memory.
fn unpack(path: &Path) -> Tree {
    let file = std::fs::File::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut archive = tar::Archive::new(zstd::Decoder::new(file).unwrap());
    let mut files = Tree::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let path = entry.path().unwrap().to_string_lossy().into_owned();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        files.insert(path, bytes);
    }
    files
}

/// Files as one tar archive.
pub(crate) fn tar_of(tree: &Tree) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (path, bytes) in tree {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, path, bytes.as_slice()).unwrap();
    }
    tar.into_inner().unwrap()
}
