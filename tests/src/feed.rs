//! Handwritten advisories, and folders of them as a feed would publish them.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};

/// Returns an advisory for every version of an npm package before `fixed`.
#[must_use]
pub fn advisory(id: &str, package: &str, fixed: &str, modified: &str) -> Value {
    json!({
        "schema_version": "1.6.0",
        "id": id,
        "modified": modified,
        "published": "2025-01-01T00:00:00Z",
        "summary": format!("{package} before {fixed} trusts its input"),
        "affected": [{
            "package": { "ecosystem": "npm", "name": package },
            "ranges": [{ "type": "SEMVER", "events": [{ "introduced": "0" }, { "fixed": fixed }] }],
        }],
        "severity": [{ "type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H" }],
    })
}

/// Returns the advisory with one field set.
#[must_use]
pub fn with(mut advisory: Value, field: &str, value: Value) -> Value {
    advisory[field] = value;
    advisory
}

/// Returns `count` advisories with distinct ids and packages, `padding` bytes of details each.
#[must_use]
pub fn many(prefix: &str, count: usize, padding: usize) -> Folder {
    let mut folder = Folder::default();
    let mut rng = fastrand::Rng::with_seed(prefix.bytes().map(u64::from).sum());
    for number in 0..count {
        let id = format!("{prefix}-{number:06}");
        let record = advisory(
            &id,
            &format!("{}-package-{number}", prefix.to_lowercase()),
            "1.2.3",
            "2025-03-01T00:00:00Z",
        );
        // Noise, so that compression does not make the size meaningless.
        let details: String = std::iter::repeat_with(|| rng.alphanumeric())
            .take(padding)
            .collect();
        folder.put(&format!("{id}.json"), &with(record, "details", details.into()));
    }
    folder
}

/// A folder of files, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Folder {
    /// Name to content.
    pub files: BTreeMap<String, Vec<u8>>,
}

impl Folder {
    /// Adds or replaces a file that holds one record.
    pub fn put(&mut self, name: &str, record: &Value) {
        self.put_bytes(name, record.to_string().into_bytes());
    }

    /// Adds or replaces a file.
    pub fn put_bytes(&mut self, name: &str, bytes: Vec<u8>) {
        self.files.insert(name.to_owned(), bytes);
    }

    /// Removes a file.
    ///
    /// # Panics
    /// If there is no file of this name: the fixture is wrong.
    pub fn remove(&mut self, name: &str) {
        assert!(self.files.remove(name).is_some(), "{name} is not in the folder");
    }

    /// Makes `path` hold exactly these files.
    ///
    /// # Panics
    /// If it cannot be written.
    pub fn write(&self, path: &Path) {
        if path.exists() {
            std::fs::remove_dir_all(path).expect("the folder can be replaced");
        }
        std::fs::create_dir_all(path).expect("the folder can be made");
        for (name, bytes) in &self.files {
            let file = path.join(name);
            std::fs::create_dir_all(file.parent().expect("a file lies in a folder"))
                .expect("a folder can be made");
            std::fs::write(file, bytes).expect("a file can be written");
        }
    }

    /// Returns the files as a zstd-compressed tar archive.
    ///
    /// # Panics
    /// Never: it is written to memory.
    #[must_use]
    pub fn tar_zst(&self) -> Vec<u8> {
        let mut tar = tar::Builder::new(Vec::new());
        for (name, bytes) in &self.files {
            let mut header = tar::Header::new_gnu();
            header.set_size(bytes.len() as u64);
            header.set_mode(0o644);
            tar.append_data(&mut header, name, bytes.as_slice())
                .expect("memory takes it");
        }
        let tar = tar.into_inner().expect("memory takes it");
        zstd::encode_all(tar.as_slice(), 3).expect("memory takes it")
    }
}
