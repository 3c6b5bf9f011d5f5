//! Fedora and EPEL: the notices of their repositories, and the pages of Bodhi.
//!
//! Bodhi names source packages by their builds; its vulnerabilities are the ids that titles of bugs begin with.

#[cfg(test)]
mod tests;

use starling_protocol::json::Value;

use super::Connector;
use super::draft::{Affected, Draft, Range};
use super::output::Output;
use super::rpm::{Nevra, with_epoch};
use super::shallow;
use super::shape::Shape;
use super::text::{self, quote};
use super::updateinfo::{self, Owner, from_the_beginning};
use super::value::{self, count_of, items_of, plain, start_of, str_of};
use super::xml::Element;

/// Reads notices of Fedora.
pub(crate) struct Fedora;

const OWNER: Owner = Owner {
    prefixes: &["FEDORA-"],
    ecosystem: |package, update: &Element| {
        let stated = update.text_of("release").and_then(release);
        stated
            .or_else(|| release(&package.collection))
            .or_else(|| release_of_build(&package.evr))
    },
    introduced: |package, _: &Element| from_the_beginning(package),
    has_bugs_by_cve: true,
};

impl Connector for Fedora {
    fn name(&self) -> &'static str {
        "fedora"
    }

    fn knows(&self, shape: &Shape<'_>) -> bool {
        let is_page = shape.is_object_with(&["updates", "rows_per_page"]);
        is_page
            || shape.is_object_with(&["update", "can_edit"])
            || (shape.has("builds") && (shape.has("updateid") || shape.has("alias")))
            || (shape.is_xml("updates") && shape.xml_holds("<id>FEDORA-"))
    }

    fn read(&self, bytes: &[u8], _: &str, out: &mut Output<'_>) {
        let body = crate::osv::strip_byte_order_mark(bytes).trim_ascii_start();
        // The service's answer about a single update.
        let body = shallow::member(body, "update").unwrap_or(body);
        match body.first() {
            Some(b'<') => OWNER.read(bytes, out),
            Some(b'{') if shallow::member(body, "builds").is_some() => {
                if let Some(item) = out.json(body) {
                    update(out, String::new(), item);
                }
            }
            _ => {
                let mut count = 0_usize;
                let rest = out.json_lists(body, &["updates"], &mut |out, pointer, item| {
                    count += 1;
                    update(out, pointer, item);
                });
                let start = start_of(&rest, "page", "rows_per_page");
                if start.is_some() {
                    out.page(count_of(&rest, "total"), start, count, "");
                }
            }
        }
    }
}

/// Returns the ecosystem of a release by its display name: `Fedora 40`, `Fedora EPEL 9`.
fn release(name: &str) -> Option<String> {
    let number: String = name
        .chars()
        .skip_while(|c| !c.is_ascii_digit())
        .take_while(char::is_ascii_digit)
        .collect();
    let family = if name.contains("EPEL") { "EPEL" } else { "Fedora" };
    (name.contains("Fedora") && !number.is_empty()).then(|| format!("{family}:{number}"))
}

fn update(out: &mut Output<'_>, pointer: String, item: Value<'_>) {
    let id = str_of(&item, "updateid")
        .or_else(|| str_of(&item, "alias"))
        .unwrap_or_default();
    if !id.starts_with("FEDORA-") {
        return out.reject(
            pointer,
            format!("the id \"{}\" does not begin with FEDORA-", quote(id)),
        );
    }
    let state = str_of(&item, "status").unwrap_or_default();
    let mut draft = Draft::of(id);
    draft.published = draft.time("date_submitted", str_of(&item, "date_submitted"));
    let later = ["date_modified", "date_stable", "date_pushed"];
    let later = later
        .into_iter()
        .filter_map(|key| text::time(str_of(&item, key)?))
        .max();
    draft.modified = later.or_else(|| draft.published.clone());
    if ["obsolete", "unpushed"]
        .iter()
        .any(|gone| state.eq_ignore_ascii_case(gone))
    {
        draft.withdrawn.clone_from(&draft.modified);
    }
    let title = str_of(&item, "display_name").or_else(|| str_of(&item, "title"));
    draft.summary = title.map(str::to_owned);
    draft.details = str_of(&item, "notes").map(str::to_owned);
    updateinfo::word(&mut draft, str_of(&item, "severity"));
    let bugs = items_of(&item, "bugs");
    let bugs: Vec<&str> = bugs
        .iter()
        .filter_map(|bug| str_of(bug, "title").or_else(|| bug.as_str()))
        .collect();
    for title in &bugs {
        updateinfo::of_bug(&mut draft, title);
    }
    // The service's older versions have a list of its own.
    let cves = items_of(&item, "cves").iter();
    for cve in cves.filter_map(|cve| str_of(cve, "cve_id").or_else(|| cve.as_str())) {
        updateinfo::cves_in(cve).iter().for_each(|cve| draft.derive(cve));
    }
    let texts = ["display_name", "title", "notes"].iter();
    let texts = texts.filter_map(|key| str_of(&item, key)).chain(bugs);
    // Everything else is free text: its ids become links, and even a single one does not name the record.
    for cve in texts.flat_map(updateinfo::cves_in) {
        updateinfo::link_only(&mut draft, &cve);
    }
    for bug in items_of(&item, "bugs") {
        if let Some(number) = bug.get("bug_id").and_then(plain) {
            draft.link(
                "REPORT",
                &format!("https://bugzilla.redhat.com/show_bug.cgi?id={number}"),
            );
        }
    }
    draft.link("ADVISORY", str_of(&item, "url").unwrap_or_default());
    entries(&mut draft, &item);
    updateinfo::class(&mut draft, str_of(&item, "type"));
    if let Value::Object(object) =
        value::without(item, &["updateid", "notes", "comments", "user", "test_cases"])
    {
        for (key, value) in object.into_entries() {
            draft.keep(key, value);
        }
    }
    draft.warn("comments and the account of who submitted it are not kept");
    out.record(pointer, draft);
}

fn entries<'v>(draft: &mut Draft<'v>, item: &Value<'v>) {
    let name = item
        .get("release")
        .and_then(|release| str_of(release, "long_name").or_else(|| str_of(release, "name")));
    let number = item.get("release").and_then(|release| str_of(release, "version"));
    let is_epel = str_of(item, "updateid")
        .or_else(|| str_of(item, "alias"))
        .is_some_and(|id| id.starts_with("FEDORA-EPEL"));
    let ecosystem = name.and_then(release).or_else(|| {
        let number = number.filter(|number| number.bytes().all(|byte| byte.is_ascii_digit()))?;
        Some(format!("{}:{number}", if is_epel { "EPEL" } else { "Fedora" }))
    });
    if items_of(item, "builds").is_empty() {
        draft.warn("the update names no build");
    }
    let mut is_unknown = false;
    for build in items_of(item, "builds") {
        let nvr = str_of(build, "nvr")
            .or_else(|| build.as_str())
            .unwrap_or_default();
        if str_of(build, "type").is_some_and(|ty| !ty.eq_ignore_ascii_case("rpm")) {
            draft.warn(format!("{} is not an RPM package, and has no entry", quote(nvr)));
            continue;
        }
        let Some(nevra) = Nevra::of_build(nvr) else {
            draft.warn(format!("not a build: \"{}\"", quote(nvr)));
            continue;
        };
        if updateinfo::is_of_next(&format!(".{}", nevra.release)) {
            draft.warn(format!(
                "{} is a build of EPEL Next, and has no entry",
                quote(nvr)
            ));
            continue;
        }
        let Some(ecosystem) = ecosystem.clone().or_else(|| release_of_build(&nevra.release)) else {
            is_unknown = true;
            continue;
        };
        let epoch = build.get("epoch").and_then(plain).unwrap_or_default();
        let mut entry = Affected::of(ecosystem, nevra.name);
        entry.ranges.push(Range::before(with_epoch(
            &format!("{}-{}", nevra.version, nevra.release),
            &epoch,
        )));
        entry.ecosystem_specific.push(("arch", value::text("src")));
        draft.affected.push(entry);
    }
    if is_unknown || (ecosystem.is_none() && draft.affected.is_empty()) {
        draft.warn(format!("unknown release \"{}\"", quote(name.unwrap_or_default())));
    }
}

/// Returns the ecosystem in the release of a build: `2.fc40`, `2.el9`.
fn release_of_build(release: &str) -> Option<String> {
    let of = |mark: &str, family: &str| {
        let major = updateinfo::major_of(release, mark)?;
        Some(format!("{family}:{major}"))
    };
    of(".fc", "Fedora").or_else(|| of(".el", "EPEL"))
}
