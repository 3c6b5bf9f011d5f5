//! Amazon Linux: the notices of its repositories, of every release and topic.
//!
//! Topics of release 2 (`kernel-5.15`, `php8.2`) have packages with the same names as the core repository and each
//! other. Their names say their version line, so the ranges of packages with such a version begin there; those of other
//! packages begin with the first version. Release 2023 has kernels of several lines beside each other (`kernel6.12`).

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
    has_bugs_by_cve: false,
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

/// Returns the release: from the id if it contains one, else from the list, else from the package's own release.
fn ecosystem(package: &Package, update: &Element) -> Option<String> {
    let id = update.text_of("id").unwrap_or_default().strip_prefix("ALAS")?;
    let leading = |text: &str| -> String { text.chars().take_while(char::is_ascii_digit).collect() };
    let stated = |digits: String| Some(digits).filter(|digits| is_release(digits));
    let digits = leading(id);
    let collection = package.collection.to_ascii_lowercase();
    let of_list = || match collection.as_str() {
        list if list.contains("2023") => Some("2023"),
        list if list.contains("2022") => Some("2022"),
        list if list.contains("ami") => Some("1"),
        list if list.contains("amazon linux 2") || list.contains("amazon-linux-2") => Some("2"),
        _ => None,
    };
    let of_package = || stated(leading(package.evr.split(".amzn").nth(1)?));
    // The ids of the first release have no release number; a topic's name there is one of the second.
    let first = || (digits.is_empty() && id.starts_with('-')).then(|| "1".to_owned());
    let release = stated(digits.clone())
        .or_else(|| of_list().map(str::to_owned))
        .or_else(of_package)
        .or_else(first)?;
    Some(format!("Amazon Linux:{release}"))
}

/// Returns true for the number of a release: 1, 2, then years.
fn is_release(digits: &str) -> bool {
    matches!(digits, "1" | "2") || (digits.len() == 4 && digits.starts_with("20"))
}

/// Returns the version line of a package: of its topic (`kernel-5.15`, `php8.2`), or of another kernel in the notice (`kernel6.12`) with which a
/// package of the first kernel's names was built.
fn introduced(package: &Package, update: &Element) -> String {
    let (epoch, version) = match package.evr.split_once(':') {
        Some((epoch, version)) => (format!("{epoch}:"), version),
        None => (String::new(), package.evr.as_str()),
    };
    let is_of = |line: &str| !line.is_empty() && version.starts_with(&format!("{line}."));
    let collection = package.collection.to_ascii_lowercase();
    let topic = collection.split("kernel-").nth(1).map(number_at_start);
    let topic = topic.or_else(|| number_of_topic(&collection));
    let is_shared = ["perf", "bpftool", "python3-perf"].contains(&package.name.as_str())
        || package.name.starts_with("kernel-");
    let beside = || {
        let packages = update
            .items("pkglist", "collection")
            .flat_map(|list| list.all("package"));
        let mut names = packages.filter_map(|one| one.attribute("name"));
        let line = |name: &str| Some(number_at_start(name.strip_prefix("kernel")?).to_owned());
        let line = names.find_map(|name| line(name).filter(|line| is_of(line)))?;
        Some(format!("{epoch}{line}"))
    };
    match topic.filter(|line| is_of(line)) {
        Some(line) => format!("{epoch}{line}"),
        None if is_shared => beside().unwrap_or_else(|| "0".to_owned()),
        None => "0".to_owned(),
    }
}

/// Returns the number at the end of a topic's name: 8.2 of `amazon-linux-2---php8.2`.
fn number_of_topic(collection: &str) -> Option<&str> {
    let (_, topic) = collection.split_once("---")?;
    let topic = topic.split_whitespace().next()?;
    let start = topic.rfind(|c: char| !c.is_ascii_digit() && c != '.')? + 1;
    topic.get(start..).map(|number| number.trim_start_matches('.'))
}

/// Returns the number with points at the start of a text.
fn number_at_start(text: &str) -> &str {
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    text.get(..end).unwrap_or_default().trim_end_matches('.')
}
