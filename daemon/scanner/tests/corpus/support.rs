//! Finds the corpus, unpacks its archives in memory, and counts a suite's results.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::PathBuf;

/// The files of one archive by their path inside it.
pub(crate) struct Archive(BTreeMap<String, Vec<u8>>);

/// Unpacks `STARLING_CORPUS/<path>.tar.zst`, or prints that the test is skipped.
pub(crate) fn archive(path: &str) -> Option<Archive> {
    let Some(root) = std::env::var_os("STARLING_CORPUS").map(PathBuf::from) else {
        println!("skipped: STARLING_CORPUS is not set, so {path} is not read");
        return None;
    };
    let file = root.join(format!("{path}.tar.zst"));
    let bytes = std::fs::read(&file).unwrap_or_else(|e| panic!("cannot read {}: {e}", file.display()));
    let tar = zstd::decode_all(&bytes[..]).unwrap();
    let mut files = BTreeMap::new();
    for entry in tar::Archive::new(&tar[..]).entries().unwrap() {
        let mut entry = entry.unwrap();
        if entry.header().entry_type().is_file() {
            let name = entry.path().unwrap().to_string_lossy().into_owned();
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            files.insert(name, content);
        }
    }
    Some(Archive(files))
}

impl Archive {
    pub(crate) fn files(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.0
            .iter()
            .map(|(name, bytes)| (name.as_str(), bytes.as_slice()))
    }

    /// Returns the one file whose path ends like this.
    pub(crate) fn bytes(&self, ending: &str) -> &[u8] {
        let mut found = self.files().filter(|(name, _)| name.ends_with(ending));
        let (_, bytes) = found
            .next()
            .unwrap_or_else(|| panic!("the archive has no {ending}"));
        bytes
    }

    pub(crate) fn text(&self, ending: &str) -> &str {
        std::str::from_utf8(self.bytes(ending)).unwrap()
    }
}

/// Counts a suite's cases and remembers failed ones.
#[derive(Default)]
pub(crate) struct Tally {
    passed: usize,
    failed: Vec<String>,
}

impl Tally {
    pub(crate) fn check(&mut self, passed: bool, case: impl FnOnce() -> String) {
        if passed {
            self.passed += 1;
        } else {
            self.failed.push(case());
        }
    }

    /// Checks that nothing failed and that at least `least` cases ran: a smaller suite is not a pass.
    pub(crate) fn finish(self, suite: &str, least: usize) {
        let total = self.passed + self.failed.len();
        println!("{suite}: {} of {total} passed", self.passed);
        for case in self.failed.iter().take(40) {
            println!("  failed: {case}");
        }
        assert!(
            self.failed.is_empty(),
            "{suite}: {} of {total} failed",
            self.failed.len()
        );
        assert!(
            total >= least,
            "{suite}: {total} cases ran, expected at least {least}"
        );
    }
}
