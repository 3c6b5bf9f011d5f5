//! Checks names from outside, of listed documents and of files, so that they never lead out of the folder of a run.

/// Longest part of a path, in bytes: the limit of common file systems, less room for an ending.
const MAX_PART_BYTES: usize = 200;
/// Longest path, in bytes.
const MAX_NAME_BYTES: usize = 1024;
/// Most parts of a path.
const MAX_PARTS: usize = 16;

/// Checks one part of a path.
pub(crate) fn check_part(part: &str) -> Result<(), String> {
    let why = if part.is_empty() {
        "a part of it is empty"
    } else if part == "." || part == ".." {
        "it leads out of its folder"
    } else if part.len() > MAX_PART_BYTES {
        "a part of it is too long"
    } else if part.contains(['/', '\\']) || part.chars().any(char::is_control) {
        "it holds a character that no file name has"
    } else {
        return Ok(());
    };
    Err(format!("{:?}: {why}", shorten(part)))
}

/// Returns `name` as a path below the folder of a run, with `/` between its parts.
///
/// # Errors
/// The reason why it is not a valid path. Hidden names are refused, because an import skips them.
pub(crate) fn check_name(name: &str) -> Result<&str, String> {
    let refuse = |why: &str| Err(format!("{:?}: {why}", shorten(name)));
    if name.len() > MAX_NAME_BYTES {
        return refuse("the name is too long");
    }
    if name.starts_with('/') {
        return refuse("it is an absolute path");
    }
    if name.split('/').count() > MAX_PARTS {
        return refuse("it has too many parts");
    }
    for part in name.split('/') {
        check_part(part)?;
        if part.starts_with('.') {
            return refuse("a part of it is hidden");
        }
    }
    Ok(name)
}

/// Shortens a text from outside for a message.
pub(crate) fn shorten(text: &str) -> String {
    const SHOWN_CHARS: usize = 120;
    let mut shown: String = text.chars().take(SHOWN_CHARS).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}

/// Returns the name of the file for the `number`th page of a list, in a folder of this run.
pub(crate) fn page_name(prefix: &str, number: u64) -> String {
    format!("{prefix}-{number:06}.json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_leave_the_folder_are_refused() {
        let long_part = "a".repeat(201);
        let long_name = vec!["abcdefgh"; 200].join("/");
        let deep = ["a"; 17].join("/");
        for name in [
            "",
            "/etc/passwd",
            "../x",
            "a/../b",
            "a//b",
            "a/.",
            "a\0b",
            "a\\b",
            "a/\u{7}",
            ".git/config",
            "a/.hidden",
            &long_part,
            &long_name,
            &deep,
        ] {
            assert!(check_name(name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn names_of_documents_are_taken() {
        for name in [
            "2024/cve-2024-1.json",
            "GHSA-xxxx-yyyy-zzzz.json",
            "Red Hat/CVE-1.json",
            "SUSE-SU-2024:1-1.json",
        ] {
            assert_eq!(check_name(name), Ok(name));
        }
    }

    #[test]
    fn long_text_is_cut_for_a_message() {
        assert_eq!(shorten("short"), "short");
        assert_eq!(shorten(&"é".repeat(500)).chars().count(), 121);
    }
}
