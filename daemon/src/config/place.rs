//! Where a key stands in a file, and which key a misspelt name was meant to be.

use super::keys::{KEYS, Key};

/// Edits between a variable's name and a key's up to which it counts as misspelt. Others that begin with
/// `STARLING_` belong to somebody else: orchestrators make such names of a service called starling.
const MISSPELT_WITHIN: usize = 3;

/// The line, counted from 1, on which a file sets a dotted key, if it is written in the usual way.
pub(super) fn line_of(text: &str, key: &str) -> Option<usize> {
    let mut section = String::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.split(']').next()) {
            section = format!("{}.", name.trim());
            continue;
        }
        let Some((name, _)) = line.split_once('=').filter(|_| !line.starts_with('#')) else {
            continue;
        };
        if format!("{section}{}", name.trim()) == key {
            return Some(index + 1);
        }
    }
    None
}

/// The key whose variable a name was probably meant to be, if it is none itself.
pub(super) fn misspelt(variable: &str) -> Option<&'static Key> {
    if !variable.starts_with("STARLING_") || KEYS.iter().any(|key| key.variable() == variable) {
        return None;
    }
    let near = KEYS.iter().map(|key| (distance(variable, &key.variable()), key));
    let nearest = near.min_by_key(|(distance, _)| *distance)?;
    (nearest.0 <= MISSPELT_WITHIN).then_some(nearest.1)
}

/// Insertions, removals and replacements of one character that lead from one name to the other.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (done, from) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], done + 1);
        for (at, to) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(from != *to);
            diagonal = row[at + 1];
            row[at + 1] = replaced.min(diagonal + 1).min(row[at] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_found_in_its_section_and_dotted() {
        let text = "log.level = \"info\"\n[store]\n# engine = 1\nengine = \"rocks\"\n\n[api]\nengine = 1\n";
        assert_eq!(line_of(text, "store.engine"), Some(4));
        assert_eq!(line_of(text, "log.level"), Some(1));
        assert_eq!(line_of(text, "store.cache"), None);
    }

    #[test]
    fn a_misspelt_variable_is_told_from_a_strangers() {
        let meant = |name| misspelt(name).map(|key| key.name);
        assert_eq!(meant("STARLING_LOG_LEVLE"), Some("log.level"));
        assert_eq!(
            meant("STARLING_FEDERATION_MAXITEMS"),
            Some("federation.max_items")
        );
        for name in [
            "STARLING_LOG_LEVEL",
            "STARLING_HOME",
            "STARLING_CORPUS",
            "STARLING_SERVICE_HOST",
            "STARLING_PORT_7946_UDP",
            "LOG_LEVLE",
        ] {
            assert_eq!(meant(name), None, "{name}");
        }
    }
}
