//! Reads the files of a local folder, in any layout, as on a medium for a site without a network.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use super::Executor;
use super::document::Outcome;
use crate::address::Address;
use crate::error::{FetchError, MISSING};
use crate::fetched::Gone;
use crate::http::blocking;
use crate::names::check_name;
use crate::plan::{DocumentStep, FolderStep, Form, Validators};

/// Deepest folder below the one that was given.
const MAX_DEPTH: usize = 32;
/// Names the step in a position.
const ID: &str = "folder";

impl Executor<'_> {
    pub(super) async fn folder_step(&mut self, step: &FolderStep) -> Result<(), FetchError> {
        let root = step.path.clone();
        let limit = self.session.limits.max_documents;
        let listed = blocking(move || list(&root, limit)).await;
        let listed = listed.map_err(|source| FetchError::Disk {
            path: step.path.clone(),
            // A folder that does not exist is reported like a missing document.
            action: if source.kind() == io::ErrorKind::NotFound {
                MISSING
            } else {
                "read"
            },
            source,
        })?;
        for note in listed.notes {
            self.not_read(note);
        }
        if listed.is_over {
            return Err(FetchError::Limit {
                address: step.path.display().to_string(),
                what: format!("more than {limit} files"),
            });
        }
        if listed.files.is_empty() {
            return Err(FetchError::Disk {
                path: step.path.clone(),
                action: MISSING,
                source: io::Error::other("the folder holds no file"),
            });
        }
        let names: BTreeMap<String, String> = listed
            .files
            .iter()
            .map(|(name, _)| (name.clone(), String::new()))
            .collect();
        for (name, path) in listed.files {
            self.local_file(name, path).await?;
        }
        let known = self.old.rows.get(ID).cloned().unwrap_or_default();
        for name in known.keys().filter(|name| !names.contains_key(*name)) {
            let address = step.path.join(name);
            self.new.documents.remove(&address.display().to_string());
            self.gone.push(Gone {
                name: name.clone(),
                address: address.display().to_string(),
                reason: "the file is not there any more".to_owned(),
            });
        }
        self.new.rows.insert(ID.to_owned(), names);
        Ok(())
    }

    async fn local_file(&mut self, name: String, path: PathBuf) -> Result<(), FetchError> {
        let document = DocumentStep {
            address: Address::File(path),
            name,
            form: Form::Any,
            validators: Validators::Both,
            beside: None,
            may_be_missing: false,
        };
        match self.document(&document, true).await {
            Ok(Outcome::Taken { .. }) => {}
            Ok(Outcome::Unchanged) => self.unsent.push(document),
            Ok(Outcome::Missing | Outcome::Damaged) => {
                self.not_read(format!("{} vanished while the folder was read", document.address));
            }
            // A file that is not a document does not affect the others.
            Err(error @ FetchError::Unexpected { .. }) => self.not_read(error.to_string()),
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

struct Listing {
    /// Names with `/`, and the path of each file.
    files: Vec<(String, PathBuf)>,
    notes: Vec<String>,
    is_over: bool,
}

/// Lists the files of a folder in the order of their names. A file by itself is a list of one.
fn list(root: &Path, limit: u64) -> io::Result<Listing> {
    let mut listing = Listing {
        files: Vec::new(),
        notes: Vec::new(),
        is_over: false,
    };
    let kind = root.metadata()?;
    if !kind.is_file() && !kind.is_dir() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "it is neither a file nor a folder",
        ));
    }
    if kind.is_file() {
        let address = Address::File(root.to_owned());
        listing
            .files
            .push((address.file_name("document"), root.to_owned()));
        return Ok(listing);
    }
    let real = root.canonicalize()?;
    walk(&mut listing, &real, root, "", 0, limit)?;
    Ok(listing)
}

fn walk(
    listing: &mut Listing,
    root: &Path,
    folder: &Path,
    prefix: &str,
    depth: usize,
    limit: u64,
) -> io::Result<()> {
    let mut entries: Vec<PathBuf> = std::fs::read_dir(folder)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<io::Result<_>>()?;
    entries.sort_unstable();
    for path in entries {
        let Some(file) = path.file_name().and_then(|name| name.to_str()) else {
            listing
                .notes
                .push(format!("{}: the name is not UTF-8", path.display()));
            continue;
        };
        let name = format!("{prefix}{file}");
        if file.starts_with('.') {
            continue;
        }
        if let Err(why) = check_name(&name) {
            listing.notes.push(why);
            continue;
        }
        if listing.files.len() as u64 >= limit {
            listing.is_over = true;
            return Ok(());
        }
        let kind = path.symlink_metadata()?.file_type();
        let is_inside = || {
            path.canonicalize()
                .is_ok_and(|target| target.starts_with(root) && target.is_file())
        };
        if kind.is_dir() && depth < MAX_DEPTH {
            walk(listing, root, &path, &format!("{name}/"), depth + 1, limit)?;
        } else if kind.is_file() || (kind.is_symlink() && is_inside()) {
            listing.files.push((name, path));
        } else {
            let text = format!(
                "{}: not a regular file of this folder, or too deep",
                path.display()
            );
            listing.notes.push(text);
        }
    }
    Ok(())
}
