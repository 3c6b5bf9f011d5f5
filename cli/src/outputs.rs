//! Refuses outputs that would replace what a command reads, what it writes elsewhere, or a file of the site.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use starling_api_types::{ErrorCode, Problem};

use crate::output::STANDARD;

/// The file that makes a folder a site's home.
const CHAIN_FILE: &str = "site.chain";

/// Checks every output of a command before anything is read or written.
///
/// Pipes and devices are never refused: they hold nothing that could be lost.
///
/// # Errors
/// `bad_request` if an output is an input, another output, or may be a file of the site; also through links.
pub(crate) fn check<'a>(
    home: &Path,
    inputs: impl IntoIterator<Item = &'a Path>,
    outputs: impl IntoIterator<Item = &'a Path>,
) -> Result<(), Problem> {
    let inputs: Vec<(&Path, Target)> = inputs.into_iter().filter_map(named).collect();
    let home = home
        .canonicalize()
        .ok()
        .filter(|home| home.join(CHAIN_FILE).exists());
    let mut earlier: Vec<(&Path, Target)> = Vec::new();
    for (path, target) in outputs.into_iter().filter_map(named) {
        if let Some((input, _)) = inputs.iter().find(|(_, input)| *input == target) {
            return Err(refused(
                path,
                &format!("the command reads {}, and would overwrite it", input.display()),
            ));
        }
        if let Some((other, _)) = earlier.iter().find(|(_, other)| *other == target) {
            return Err(refused(
                path,
                &format!(
                    "another output goes to {}, and one would replace the other",
                    other.display()
                ),
            ));
        }
        if home.as_deref().is_some_and(|home| target.may_be_of_site(home)) {
            return Err(refused(
                path,
                "it is a file in the site's home, or in one of its folders, where only the site writes",
            ));
        }
        earlier.push((path, target));
    }
    Ok(())
}

fn refused(path: &Path, why: &str) -> Problem {
    Problem::new(
        ErrorCode::BadRequest,
        format!("writing {}: {why}", path.display()),
    )
    .hint("nothing was read or written; give another file")
}

/// The target of a path.
#[derive(Debug)]
struct Target {
    place: PathBuf,
    /// Device and inode, if the file exists.
    file: Option<(u64, u64)>,
}

impl Target {
    /// Returns true if it may be a file of the site: any in the home, except a new one beside those that are there.
    fn may_be_of_site(&self, home: &Path) -> bool {
        let is_new_beside = self.file.is_none() && self.place.parent() == Some(home);
        self.place.starts_with(home) && !is_new_beside
    }
}

impl PartialEq for Target {
    fn eq(&self, other: &Self) -> bool {
        // Hard links have different places.
        self.place == other.place || (self.file.is_some() && self.file == other.file)
    }
}

/// Returns where a path leads; `None` for standard input and output, pipes, devices, and paths that lead nowhere.
fn named(path: &Path) -> Option<(&Path, Target)> {
    // `/dev/stdout` may lead to a file, which the caller opened and knows.
    if path.as_os_str() == STANDARD || path.starts_with("/dev") || path.starts_with("/proc") {
        return None;
    }
    let found = std::fs::metadata(path).ok();
    if found.as_ref().is_some_and(|found| !found.is_file()) {
        return None;
    }
    let file = found.as_ref().map(|found: &Metadata| (found.dev(), found.ino()));
    Some((
        path,
        Target {
            place: place(path)?,
            file,
        },
    ))
}

/// Returns the path without links. Its last part, and what a link names, need not exist.
fn place(path: &Path) -> Option<PathBuf> {
    if let Ok(whole) = path.canonicalize() {
        return Some(whole);
    }
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new(".")).canonicalize().ok()?;
    if let Ok(next) = path.read_link() {
        let next = folder.join(next);
        let parent = next.parent()?.canonicalize().ok()?;
        return Some(parent.join(next.file_name()?));
    }
    Some(folder.join(path.file_name()?))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn refusal(home: &Path, inputs: &[&Path], outputs: &[&Path]) -> Option<String> {
        let checked = check(home, inputs.iter().copied(), outputs.iter().copied());
        checked.err().map(|problem| {
            assert_eq!(problem.code, ErrorCode::BadRequest);
            problem.detail.clone()
        })
    }

    #[test]
    fn output_that_is_an_input_is_refused_through_links() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("in.json"), "{}").unwrap();
        symlink("in.json", at("link")).unwrap();
        std::fs::hard_link(at("in.json"), at("hard")).unwrap();
        std::fs::create_dir(at("sub")).unwrap();
        let home = at("home");
        for output in ["in.json", "sub/../in.json", "link", "hard"] {
            let said = refusal(&home, &[&at("in.json")], &[&at(output)]).unwrap();
            assert!(said.contains("would overwrite it"), "{output}: {said}");
        }
        assert_eq!(refusal(&home, &[&at("in.json")], &[&at("new")]), None);
        assert_eq!(refusal(&home, &[&at("in.json")], &[&at("no/such/folder")]), None);
    }

    #[test]
    fn two_outputs_to_one_file_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let (home, out, link) = (
            folder.path().join("home"),
            folder.path().join("out"),
            folder.path().join("link"),
        );
        symlink("out", &link).unwrap();
        let said = refusal(&home, &[], &[&out, &link]).unwrap();
        assert!(said.contains("another output"), "{said}");
        for device in ["/dev/null", "/dev/stdout", "/dev/full", "-"].map(Path::new) {
            assert_eq!(refusal(&home, &[device], &[device, device]), None);
        }
    }

    #[test]
    fn output_in_the_home_of_a_site_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().join("home");
        std::fs::create_dir_all(home.join("keys")).unwrap();
        let key = home.join("keys/root.key");
        std::fs::write(&key, "x").unwrap();
        symlink("home/keys/root.key", folder.path().join("link")).unwrap();
        assert_eq!(refusal(&home, &[], &[&key]), None, "not a site yet");
        std::fs::write(home.join(CHAIN_FILE), "x").unwrap();
        for output in [key, home.join("keys/new"), folder.path().join("link")] {
            let said = refusal(&home, &[], &[&output]).unwrap();
            assert!(said.contains("the site's home"), "{said}");
        }
        for output in [folder.path().join("out"), home.join("new")] {
            assert_eq!(refusal(&home, &[], &[&output]), None);
        }
    }
}
