//! The configuration file of a new site: every key with its meaning and its default.

use starling_protocol::SiteSlug;

use crate::config::CONFIG_FORMAT;

/// The way in which a new site exchanges knowledge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// It listens for peers and dials them; bundles work too.
    Network,
    /// Only by bundles: it does not listen or dial.
    AirGapped,
}

/// Builds a configuration with every key, its meaning and its default, and the site's own name.
#[must_use]
pub fn sample_config(slug: &SiteSlug, engine: Option<&str>, reach: Reach) -> String {
    let mut text = String::from(
        "# Starling's configuration. Every key is shown with its default; environment variables\n\
         # (STARLING_ and the key in capitals, dots as underscores) and flags lie over this file.\n\
         \n# A file with this line must end with `[end]`: one that was cut off is refused.\n",
    );
    text.push_str(&format!("format = {CONFIG_FORMAT}\n"));
    let mut section = "";
    for key in crate::config::KEYS {
        let (in_section, name) = key.name.rsplit_once('.').unwrap_or(("", key.name));
        if in_section != section {
            section = in_section;
            text.push_str(&format!("\n[{section}]\n"));
        }
        let set = match (key.name, engine) {
            ("federation.site_id", _) => Some(format!("\"{slug}\"")),
            ("store.engine", Some(engine)) => Some(format!("\"{engine}\"")),
            // New sites fail closed; existing configurations without these keys keep their behaviour.
            ("scan.min_coverage_percent", _) => Some("90".to_owned()),
            ("scan.require_fresh", _) => Some("true".to_owned()),
            // A new site imports its first records by hand; status and scans name each source that is held in part.
            ("scan.partial_sources", _) => Some("[\"*\"]".to_owned()),
            ("federation.enabled", _) if reach == Reach::AirGapped => Some("false".to_owned()),
            ("network.listen", _) if reach == Reach::AirGapped => Some("[]".to_owned()),
            _ => None,
        };
        text.push_str(&format!("# {}\n", key.meaning));
        match set {
            Some(value) => text.push_str(&format!("{name} = {value}\n")),
            None => text.push_str(&format!(
                "# {name} = {}\n",
                if key.default.is_empty() {
                    "…"
                } else {
                    key.default
                }
            )),
        }
    }
    text.push_str("\n[end]\n");
    text
}
