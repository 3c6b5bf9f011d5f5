//! AlmaLinux: its errata as JSON, and the notices of its repositories.

#[cfg(test)]
mod tests;

use starling_protocol::json::{Number, Value};

use super::Connector;
use super::draft::Draft;
use super::output::Output;
use super::rpm::with_epoch;
use super::shape::Shape;
use super::text;
use super::updateinfo::{self, Owner, Package, add_packages, from_the_beginning, major_of};
use super::value::{self, items_of, plain, str_of};
use super::xml::Element;

/// Reads errata of AlmaLinux.
pub(crate) struct Almalinux;

const PREFIXES: &[&str] = &["ALSA-", "ALBA-", "ALEA-"];

const OWNER: Owner = Owner {
    prefixes: PREFIXES,
    ecosystem: |package, _: &Element| ecosystem(package),
    introduced: |package, _: &Element| from_the_beginning(package),
    has_bugs_by_cve: false,
};

impl Connector for Almalinux {
    fn name(&self) -> &'static str {
        "almalinux"
    }

    fn knows(&self, shape: &Shape<'_>) -> bool {
        let is_full = shape.is_object_with(&["schema_version", "data"])
            && shape.value("data").is_some_and(|data| {
                let near = data.get(..data.len().min(4_096)).unwrap_or_default();
                memchr::memmem::find(near, b"\"updateinfo_id\"").is_some()
                    || memchr::memmem::find(near, b"\"ALSA-").is_some()
            });
        is_full || shape.has("updateinfo_id") || OWNER.knows(shape)
    }

    fn read(&self, bytes: &[u8], _: &str, out: &mut Output<'_>) {
        let body = crate::osv::strip_byte_order_mark(bytes).trim_ascii_start();
        match body.first() {
            Some(b'<') => OWNER.read(bytes, out),
            Some(b'{') if super::shallow::member(body, "updateinfo_id").is_some() => {
                if let Some(item) = out.json(body) {
                    erratum(out, String::new(), item);
                }
            }
            _ => {
                out.json_lists(body, &["data"], &mut erratum);
            }
        }
    }
}

/// Returns the release of a package: from its list, else from its own release.
fn ecosystem(package: &Package) -> Option<String> {
    let major = major_of(&package.collection, "almalinux-")
        .or_else(|| major_of(&package.collection, "rhel-"))
        .or_else(|| major_of(&package.evr, ".el"))
        .or_else(|| major_of(&package.evr, "+el"))
        .or_else(|| major_of(&package.evr, "_el"))?;
    Some(format!("AlmaLinux:{major}"))
}

/// Returns the time as text: from a number of seconds, or from `{"$date": milliseconds}`.
fn time(value: Option<&Value<'_>>) -> Option<String> {
    let value = value?;
    if let Some(wrapped) = value.get("$date") {
        let millis = wrapped.as_number().and_then(Number::as_i64);
        return match millis {
            Some(millis) => Some(jiff::Timestamp::from_millisecond(millis).ok()?.to_string()),
            None => text::time(wrapped.as_str()?),
        };
    }
    text::time(&plain(value)?)
}

fn erratum(out: &mut Output<'_>, pointer: String, item: Value<'_>) {
    let id = str_of(&item, "updateinfo_id")
        .or_else(|| str_of(&item, "id"))
        .unwrap_or_default();
    if !PREFIXES.iter().any(|prefix| id.starts_with(prefix)) {
        let expected = PREFIXES.join(", ");
        return out.reject(
            pointer,
            format!("the id \"{}\" does not begin with {expected}", text::quote(id)),
        );
    }
    let mut draft = Draft::of(id);
    draft.published = time(item.get("issued_date"));
    draft.modified = time(item.get("updated_date")).max(draft.published.clone());
    if draft.published.is_none() {
        draft.warn("issued_date is not a time");
    }
    draft.summary = str_of(&item, "title").map(str::to_owned);
    draft.details = str_of(&item, "description").map(str::to_owned);
    updateinfo::word(&mut draft, str_of(&item, "severity"));
    references(&mut draft, &item);
    let modules = modules(&item);
    let (read, without) = packages(&item);
    let named = read.len() + without;
    if without > 0 {
        draft.warn(format!(
            "{without} packages have no name, version or release, and no entry"
        ));
    }
    if named == 0 {
        draft.warn("the erratum names no package");
    }
    let packages: Vec<Package> = read
        .into_iter()
        .flat_map(|one| in_modules(one, &modules))
        .collect();
    add_packages(&mut draft, &packages, &ecosystem, &from_the_beginning);
    updateinfo::class(&mut draft, str_of(&item, "type"));
    if let Value::Object(object) = value::without(item, &["updateinfo_id", "title", "description"]) {
        for (key, value) in object.into_entries() {
            draft.keep(key, value);
        }
    }
    out.record(pointer, draft);
}

fn references(draft: &mut Draft<'_>, item: &Value<'_>) {
    for reference in items_of(item, "references") {
        let title = str_of(reference, "title").unwrap_or_default();
        let is_bug = str_of(reference, "type").is_some_and(|kind| kind.eq_ignore_ascii_case("bugzilla"));
        let stated = str_of(reference, "id").unwrap_or(if is_bug { "" } else { title });
        for cve in updateinfo::cves_in(stated) {
            draft.derive(&cve);
        }
        draft.link("WEB", str_of(reference, "href").unwrap_or_default());
    }
    for reference in items_of(item, "references") {
        for cve in str_of(reference, "title")
            .into_iter()
            .flat_map(updateinfo::cves_in)
        {
            updateinfo::link_only(draft, &cve);
        }
    }
}

/// Returns the packages of an erratum's lists, else its own; and the number of those without a name, version or release.
fn packages(item: &Value<'_>) -> (Vec<Package>, usize) {
    let lists = items_of(item, "pkglist");
    let listed = lists.iter().flat_map(|list| {
        items_of(list, "packages")
            .iter()
            .map(move |package| (list, package))
    });
    let mut named: Vec<_> = listed.map(|(list, package)| (Some(list), package)).collect();
    if named.is_empty() {
        named = items_of(item, "packages")
            .iter()
            .map(|package| (lists.first(), package))
            .collect();
    }
    let count = named.len();
    let read = named.into_iter().filter_map(|(list, package)| {
        let text = |key| package.get(key).and_then(plain);
        Some(Package {
            name: text("name")?,
            evr: with_epoch(
                &format!("{}-{}", text("version")?, text("release")?),
                &text("epoch").unwrap_or_default(),
            ),
            arch: text("arch").unwrap_or_default(),
            module: text("module").filter(|module| module.contains(':')),
            collection: list
                .and_then(|list| str_of(list, "name"))
                .unwrap_or_default()
                .to_owned(),
        })
    });
    let read: Vec<Package> = read.collect();
    let without = count - read.len();
    (read, without)
}

/// Returns the modules that an erratum names, as `name:stream`.
fn modules(item: &Value<'_>) -> Vec<String> {
    let own = items_of(item, "pkglist")
        .iter()
        .filter_map(|list| list.get("module"));
    let mut named: Vec<String> = Vec::new();
    for module in own.chain(items_of(item, "modules")) {
        let stated = str_of(module, "name").zip(module.get("stream").and_then(plain));
        if let Some((name, stream)) = stated {
            let module = format!("{name}:{stream}");
            if !named.contains(&module) {
                named.push(module);
            }
        }
    }
    named
}

/// Returns a package once for each module of its erratum, which does not say whose it is. A package of no module has
/// no module in its release.
fn in_modules(package: Package, modules: &[String]) -> Vec<Package> {
    let is_modular = package.evr.contains(".module_") || package.evr.contains(".module+");
    if package.module.is_some() || !is_modular || modules.is_empty() {
        return vec![package];
    }
    let of = |module: &String| Package {
        module: Some(module.clone()),
        ..package.clone()
    };
    modules.iter().map(of).collect()
}
