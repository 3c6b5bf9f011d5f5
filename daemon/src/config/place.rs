//! Where a key stands in a file, and which key a misspelt name was meant to be.

use starling_api_types::wording::nearest_within;

use super::keys::{KEYS, Key};

/// Letters that differ between a variable's name and a key's up to which it counts as misspelt. Others that begin with
/// `STARLING_` belong to others: orchestrators make such names for a service called starling.
const MISSPELT_WITHIN: usize = 3;

/// Returns the line, counted from 1, on which a file sets a dotted key, if it is written in the usual way.
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

/// Returns the key whose variable is spelt most like an unknown name.
pub(super) fn misspelt(variable: &str) -> Option<&'static Key> {
    if !variable.starts_with("STARLING_") || KEYS.iter().any(|key| key.variable() == variable) {
        return None;
    }
    let known: Vec<String> = KEYS.iter().map(Key::variable).collect();
    let meant = nearest_within(variable, known.iter().map(String::as_str), |_| MISSPELT_WITHIN)?;
    KEYS.iter().find(|key| key.variable() == meant)
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
    fn misspelt_variable_is_distinguished_from_foreign_ones() {
        let meant = |name| misspelt(name).map(|key| key.name);
        assert_eq!(meant("STARLING_LOG_LEVLE"), Some("log.level"));
        assert_eq!(meant("STARLING_log_level"), Some("log.level"));
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
