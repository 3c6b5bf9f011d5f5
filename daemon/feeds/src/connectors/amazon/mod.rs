//! Amazon Linux: the notices of its repositories, of every release and topic.
//!
//! Topics of release 2 (`kernel-5.15`, `nginx1`) have packages with the same names as the core repository. The
//! kernel's topics name their version line, so their ranges begin there; the ranges of other topics begin with the
//! first version.

#[cfg(test)]
mod tests;

use super::Connector;
use super::output::Output;
use super::shape::Shape;
use super::updateinfo::{Owner, Package};
use super::xml::Element;

/// Reads notices of Amazon Linux.
pub(crate) struct Amazon;

const OWNER: Owner = Owner {
    prefixes: &["ALAS"],
    ecosystem,
    introduced,
};

impl Connector for Amazon {
    fn name(&self) -> &'static str {
        "amazon"
    }

    fn knows(&self, shape: &Shape<'_>) -> bool {
        shape.is_xml("updates") && shape.xml_holds("<id>ALAS")
    }

    fn read(&self, bytes: &[u8], _: &str, out: &mut Output<'_>) {
        OWNER.read(bytes, out);
    }
}

/// Returns the release: from the id if it contains one, else from the list.
fn ecosystem(package: &Package, update: &Element) -> Option<String> {
    let id = update.text_of("id").unwrap_or_default();
    let digits: String = id
        .strip_prefix("ALAS")?
        .chars()
        .take_while(char::is_ascii_digit)
        .collect();
    let collection = package.collection.to_ascii_lowercase();
    let release = match digits.as_str() {
        "2" | "2022" | "2023" => digits.as_str(),
        _ if collection.contains("2023") => "2023",
        _ if collection.contains("2022") => "2022",
        _ if collection.contains("ami") => "1",
        _ if collection.contains("amazon linux 2") || collection.contains("amazon-linux-2") => "2",
        // The ids of the first release have no release number.
        "" => "1",
        _ => return None,
    };
    Some(format!("Amazon Linux:{release}"))
}

/// Returns the version line of a kernel's topic.
fn introduced(package: &Package) -> String {
    let collection = package.collection.to_ascii_lowercase();
    let line = collection.split("kernel-").nth(1).map(|rest| {
        let end = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(rest.len());
        rest.get(..end).unwrap_or_default().trim_end_matches('.')
    });
    match line {
        Some(line) if !line.is_empty() && package.evr.starts_with(&format!("{line}.")) => line.to_owned(),
        _ => "0".to_owned(),
    }
}
