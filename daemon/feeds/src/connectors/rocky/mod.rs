//! Rocky Linux: the notices of its repositories, and the pages of its errata service.
//!
//! The service also returns OSV records in a list under `advisories`; those are passed on unchanged.

#[cfg(test)]
mod tests;

use starling_protocol::json::Value;

use super::Connector;
use super::draft::Draft;
use super::output::Output;
use super::rpm::Nevra;
use super::severity;
use super::shape::Shape;
use super::text::quote;
use super::updateinfo::{self, Owner, Package, add_packages, from_the_beginning, major_of};
use super::value::{self, count_of, items_of, start_of, str_of};
use super::xml::Element;

/// Reads errata of Rocky Linux.
pub(crate) struct Rocky;

const PREFIXES: &[&str] = &["RLSA-", "RLBA-", "RLEA-", "RXSA-", "RXBA-", "RXEA-"];

const OWNER: Owner = Owner {
    prefixes: PREFIXES,
    ecosystem: |package, _: &Element| ecosystem(package),
    introduced: |package, _: &Element| from_the_beginning(package),
    has_bugs_by_cve: false,
};

impl Connector for Rocky {
    fn name(&self) -> &'static str {
        "rocky"
    }

    fn knows(&self, shape: &Shape<'_>) -> bool {
        let is_page = shape.is_object_with(&["advisories"])
            && shape.value("advisories").is_some_and(|list| {
                let near = list.get(..list.len().min(16 << 10)).unwrap_or_default();
                PREFIXES
                    .iter()
                    .any(|prefix| memchr::memmem::find(near, format!("\"{prefix}").as_bytes()).is_some())
            });
        is_page
            || shape.is_object_with(&["name", "synopsis", "packages"])
            || shape.is_object_with(&["name", "synopsis", "rpms"])
            || OWNER.knows(shape)
    }

    fn read(&self, bytes: &[u8], _: &str, out: &mut Output<'_>) {
        let body = crate::osv::strip_byte_order_mark(bytes).trim_ascii_start();
        if body.first() == Some(&b'<') {
            return OWNER.read(bytes, out);
        }
        if super::shallow::member(body, "synopsis").is_some() {
            if let Some(item) = out.json(body) {
                erratum(out, String::new(), item);
            }
            return;
        }
        let mut count = 0_usize;
        let rest = out.json_lists(body, &["advisories"], &mut |out, pointer, item| {
            count += 1;
            if item.get("affected").is_some() && item.get("id").is_some() {
                out.osv(pointer, &item);
            } else {
                erratum(out, pointer, item);
            }
        });
        let start = start_of(&rest, "page", "size");
        if start.is_some() {
            out.page(count_of(&rest, "total"), start, count, "");
        }
    }
}

/// Returns the release of a package: first from its own release, because the list is not reliable.
fn ecosystem(package: &Package) -> Option<String> {
    let major = major_of(&package.evr, ".el")
        .or_else(|| major_of(&package.evr, "+el"))
        .or_else(|| major_of(&package.evr, "_el"))
        .or_else(|| major_of(&package.collection, "rocky-linux-"))
        .or_else(|| major_of(&package.collection, "Rocky Linux "))?;
    Some(format!("Rocky Linux:{major}"))
}

fn erratum(out: &mut Output<'_>, pointer: String, item: Value<'_>) {
    let id = str_of(&item, "name").unwrap_or_default();
    if !PREFIXES.iter().any(|prefix| id.starts_with(prefix)) {
        let expected = PREFIXES.join(", ");
        return out.reject(
            pointer,
            format!("the name \"{}\" does not begin with {expected}", quote(id)),
        );
    }
    let mut draft = Draft::of(id);
    let either = |one: &'static str, other: &'static str| str_of(&item, one).or_else(|| str_of(&item, other));
    draft.published = draft.time("published_at", either("published_at", "publishedAt"));
    draft.modified = draft
        .time("updated_at", either("updated_at", "updatedAt"))
        .or_else(|| draft.published.clone());
    draft.summary = str_of(&item, "synopsis").map(str::to_owned);
    draft.details = str_of(&item, "description").map(str::to_owned);
    let severity = str_of(&item, "severity").map(|word| word.strip_prefix("SEVERITY_").unwrap_or(word));
    updateinfo::word(&mut draft, severity.filter(|word| *word != "UNKNOWN"));
    for cve in items_of(&item, "cves") {
        let name = str_of(cve, "cve")
            .or_else(|| str_of(cve, "name"))
            .or(cve.as_str());
        for cve in name.into_iter().flat_map(updateinfo::cves_in) {
            draft.derive(&cve);
        }
    }
    for bug in items_of(&item, "fixes") {
        for cve in str_of(bug, "description")
            .into_iter()
            .flat_map(updateinfo::cves_in)
        {
            updateinfo::link_only(&mut draft, &cve);
        }
    }
    let packages = packages(&mut draft, &item);
    rate(&mut draft, &item, severity);
    if packages.is_empty() {
        draft.warn("the erratum names no package");
    }
    add_packages(&mut draft, &packages, &ecosystem, &from_the_beginning);
    updateinfo::class(
        &mut draft,
        str_of(&item, "kind").or_else(|| str_of(&item, "type")),
    );
    if let Value::Object(object) = value::without(item, &["name", "synopsis", "description"]) {
        for (key, value) in object.into_entries() {
            draft.keep(key, value);
        }
    }
    out.record(pointer, draft);
}

/// Returns the packages of an erratum: from its list, or from the lists by product of the service's second version.
fn packages(draft: &mut Draft<'_>, item: &Value<'_>) -> Vec<Package> {
    let mut packages: Vec<Package> = Vec::new();
    let mut add = |nevra: Option<&str>, product: &str, module: Option<String>| {
        let Some(nevra) = nevra.and_then(Nevra::parse) else {
            return draft.warn(format!("not a package: \"{}\"", quote(nevra.unwrap_or_default())));
        };
        packages.push(Package {
            evr: nevra.evr(),
            name: nevra.name,
            arch: nevra.arch,
            module,
            collection: product.to_owned(),
        });
    };
    for package in items_of(item, "packages") {
        let stream = package.get("module_stream").and_then(value::plain);
        let module = str_of(package, "module_name").zip(stream.filter(|stream| !stream.is_empty()));
        let parts = in_parts(package);
        add(
            str_of(package, "nevra")
                .or_else(|| package.as_str())
                .or(parts.as_deref()),
            str_of(package, "product_name").unwrap_or_default(),
            module.map(|(name, stream)| format!("{name}:{stream}")),
        );
    }
    // A list without products.
    for nevra in item.get("rpms").and_then(Value::as_array).unwrap_or_default() {
        add(nevra.as_str(), "", None);
    }
    if let Some(Value::Object(products)) = item.get("rpms") {
        for (product, list) in products.iter() {
            let list = match list.get("nvras") {
                Some(list) => list.as_array(),
                None => list.as_array(),
            };
            for nevra in list.unwrap_or_default() {
                add(nevra.as_str(), product, None);
            }
        }
    }
    packages
}

/// Returns the name of a package that is written in parts.
fn in_parts(package: &Value<'_>) -> Option<String> {
    let text = |key| package.get(key).and_then(value::plain);
    let (name, version, release) = (text("name")?, text("version")?, text("release")?);
    let epoch = text("epoch")
        .filter(|epoch| !epoch.is_empty())
        .unwrap_or_else(|| "0".to_owned());
    let arch = text("arch").map(|arch| format!(".{arch}")).unwrap_or_default();
    Some(format!("{name}-{epoch}:{version}-{release}{arch}"))
}

/// Adds the vectors of an erratum's vulnerabilities.
fn rate(draft: &mut Draft<'_>, item: &Value<'_>, word: Option<&str>) {
    let (mut rated, mut is_partial) = (Vec::new(), false);
    for cve in items_of(item, "cves") {
        let either = |one: &'static str, other: &'static str| cve.get(one).or_else(|| cve.get(other));
        let vector = either("cvss3_scoring_vector", "cvss3ScoringVector").and_then(Value::as_str);
        let vector = vector.map(str::trim).unwrap_or_default();
        if vector.is_empty() || vector == "UNKNOWN" {
            is_partial = true;
            continue;
        }
        let score = either("cvss3_base_score", "cvss3BaseScore").and_then(value::plain);
        match severity::vector_of(vector, "3.1") {
            Some(severity) => rated.push((score.unwrap_or_default(), severity)),
            None => draft.warn(format!("not a CVSS vector: \"{}\"", quote(vector))),
        }
    }
    updateinfo::rate(draft, rated, is_partial, word);
}
