//! Ubuntu's security notices: the database of notices, and the pages of its web service.
//!
//! Ubuntu's vulnerabilities are also published as OSV records, which need no connector.

#[cfg(test)]
mod tests;

use starling_protocol::json::Value;

use super::Connector;
use super::draft::{Affected, Draft, Range};
use super::output::Output;
use super::shallow;
use super::shape::Shape;
use super::text::{self, quote};
use super::value::{self, count_of, list_of, plain, str_of};

/// Reads security notices of Ubuntu.
pub(crate) struct Ubuntu;

impl Connector for Ubuntu {
    fn name(&self) -> &'static str {
        "ubuntu"
    }

    fn knows(&self, shape: &Shape<'_>) -> bool {
        let is_page = shape.is_object_with(&["notices"])
            && shape
                .value("notices")
                .is_some_and(|list| memchr::memmem::find(list, b"\"release_packages\"").is_some());
        let is_database = shape.first().is_some_and(|(number, notice)| {
            is_key(number) && memchr::memmem::find(notice, b"\"releases\"").is_some()
        });
        // One notice, or a list of them.
        let is_notice = shape.has("release_packages") && shape.has("cves_ids");
        is_page || is_database || is_notice
    }

    fn read(&self, bytes: &[u8], _: &str, out: &mut Output<'_>) {
        let body = crate::osv::strip_byte_order_mark(bytes).trim_ascii_start();
        if shallow::member(body, "release_packages").is_some() {
            if let Some(item) = out.json(body) {
                notice(out, String::new(), None, item);
            }
            return;
        }
        let is_list = shallow::items(body).is_some();
        let is_page = matches!(shallow::members(body).and_then(|mut walk| walk.next()), Some(Ok((key, _))) if !is_key(&key));
        if is_list || is_page {
            let mut count = 0_usize;
            let rest = out.json_lists(body, &["notices"], &mut |out, pointer, item| {
                count += 1;
                notice(out, pointer, None, item);
            });
            let start = count_of(&rest, "offset");
            if start.is_some() {
                out.page(count_of(&rest, "total_results"), start, count, "");
            }
        } else {
            out.json_members("", body, &mut |out, pointer, key, item| {
                notice(out, pointer, Some(key), item);
            });
        }
    }
}

/// Returns true for `763-1`, the database's form of notice numbers.
fn is_number(text: &str) -> bool {
    text.split_once('-').is_some_and(|(number, edition)| {
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        digits(number) && digits(edition)
    })
}

/// Returns true for a key of the database: the number of a notice, or its id.
fn is_key(text: &str) -> bool {
    is_number(number_of(text).unwrap_or(text))
}

/// Returns the number in the id of a notice.
fn number_of(id: &str) -> Option<&str> {
    ["USN-", "LSN-", "SSN-"]
        .iter()
        .find_map(|prefix| id.strip_prefix(prefix))
}

/// Releases by their names.
const RELEASES: [(&str, &str); 45] = [
    ("warty", "4.10"),
    ("hoary", "5.04"),
    ("breezy", "5.10"),
    ("dapper", "6.06:LTS"),
    ("edgy", "6.10"),
    ("feisty", "7.04"),
    ("gutsy", "7.10"),
    ("hardy", "8.04:LTS"),
    ("intrepid", "8.10"),
    ("jaunty", "9.04"),
    ("karmic", "9.10"),
    ("lucid", "10.04:LTS"),
    ("maverick", "10.10"),
    ("natty", "11.04"),
    ("oneiric", "11.10"),
    ("precise", "12.04:LTS"),
    ("quantal", "12.10"),
    ("raring", "13.04"),
    ("saucy", "13.10"),
    ("trusty", "14.04:LTS"),
    ("utopic", "14.10"),
    ("vivid", "15.04"),
    ("wily", "15.10"),
    ("xenial", "16.04:LTS"),
    ("yakkety", "16.10"),
    ("zesty", "17.04"),
    ("artful", "17.10"),
    ("bionic", "18.04:LTS"),
    ("cosmic", "18.10"),
    ("disco", "19.04"),
    ("eoan", "19.10"),
    ("focal", "20.04:LTS"),
    ("groovy", "20.10"),
    ("hirsute", "21.04"),
    ("impish", "21.10"),
    ("jammy", "22.04:LTS"),
    ("kinetic", "22.10"),
    ("lunar", "23.04"),
    ("mantic", "23.10"),
    ("noble", "24.04:LTS"),
    ("oracular", "24.10"),
    ("plucky", "25.04"),
    ("questing", "25.10"),
    ("resolute", "26.04:LTS"),
    ("stonking", "26.10"),
];

/// Returns the ecosystem of a release; for a pocket of extended support, the subscribers' ecosystem.
fn ecosystem_of(item: &Value<'_>, release: &str, pocket: &str, package: &str) -> Option<String> {
    // Some name the pocket with the release: `trusty/esm`, `esm-infra/xenial`.
    let (release, pocket) = match release.split_once('/') {
        Some((front, rest)) if is_extended(front) => (rest, front),
        Some((front, rest)) if is_extended(rest) => (front, rest),
        // The kernel of one kind of devices, under a name of its own.
        Some(("bluefield", rest)) => (rest, pocket),
        _ => (release, pocket),
    };
    let release = release.trim();
    let known = RELEASES
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(release));
    let number = match known {
        Some((_, number)) => (*number).to_owned(),
        None => number_in(item, release)?,
    };
    // A certified build has a higher version than the fix for everybody: `openssl 3.0.2-0ubuntu1.12+Fips1`.
    let certified = match pocket {
        _ if package.contains("fips") => None,
        "fips" => Some("FIPS"),
        "fips-updates" => Some("FIPS-updates"),
        "fips-preview" => Some("FIPS-preview"),
        _ => None,
    };
    Some(match certified {
        Some(certified) => format!("Ubuntu:Pro:{certified}:{number}"),
        None if is_extended(pocket) => format!("Ubuntu:Pro:{number}"),
        None => format!("Ubuntu:{number}"),
    })
}

fn is_extended(pocket: &str) -> bool {
    ["esm", "fips", "ros", "realtime"]
        .iter()
        .any(|kind| pocket.starts_with(kind))
}

/// Returns the number of a release by the notice's own list of them.
fn number_in(item: &Value<'_>, release: &str) -> Option<String> {
    let mut releases = list_of(item, "releases").iter();
    let own = releases.find(|own| str_of(own, "codename") == Some(release))?;
    let number = str_of(own, "version").filter(|number| {
        let digits = |part: &str| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
        number
            .split_once('.')
            .is_some_and(|(year, month)| digits(year) && digits(month))
    })?;
    let is_long = str_of(own, "support_tag").is_some_and(|tag| tag.contains("LTS"));
    Some(if is_long {
        format!("{number}:LTS")
    } else {
        number.to_owned()
    })
}

/// Converts a notice; one in the database has a key, by which it is known if it has no id.
fn notice(out: &mut Output<'_>, pointer: String, key: Option<&str>, item: Value<'_>) {
    let stated = str_of(&item, "id").or(key.filter(|_| item.as_object().is_some()));
    let stated = stated.unwrap_or_default();
    let id = if is_number(stated) {
        format!("USN-{stated}")
    } else {
        stated.to_owned()
    };
    if !number_of(&id).is_some_and(is_number) {
        return out.reject(pointer, format!("not the id of a notice: \"{}\"", quote(stated)));
    }
    let mut draft = Draft::of(id);
    if let Some(key) =
        key.filter(|key| number_of(key).unwrap_or(key) != number_of(&draft.id).unwrap_or_default())
    {
        draft.warn(format!("it stands under another number: \"{}\"", quote(key)));
    }
    let stamp = item.get("timestamp").and_then(plain);
    draft.published = draft.time("published", str_of(&item, "published").or(stamp.as_deref()));
    draft.modified.clone_from(&draft.published);
    if item.get("is_hidden").and_then(Value::as_bool) == Some(true) {
        // A withdrawn notice is hidden.
        draft.withdrawn.clone_from(&draft.modified);
    }
    draft.summary = str_of(&item, "title")
        .or_else(|| str_of(&item, "summary"))
        .map(str::to_owned);
    draft.details = str_of(&item, "description").map(str::to_owned);
    for key in ["cves_ids", "cves"] {
        if let Some(other) = item
            .get(key)
            .filter(|list| !list.is_null() && list.as_array().is_none())
        {
            draft.warn(format!("{key} is {} instead of a list", other.type_name()));
        }
    }
    for cve in list_of(&item, "cves_ids").iter().chain(list_of(&item, "cves")) {
        let name = cve.as_str().map(str::trim);
        let name = name.or_else(|| str_of(cve, "id")).unwrap_or_default();
        let spelt = name.to_ascii_uppercase();
        if text::is_cve(&spelt) {
            draft.derive(&spelt);
        } else if name.starts_with("https://") || name.starts_with("http://") {
            draft.link("REPORT", name);
        } else {
            draft.warn(format!("not the id of a CVE record: \"{}\"", quote(name)));
        }
    }
    for reference in list_of(&item, "references") {
        draft.link("WEB", reference.as_str().unwrap_or_default());
    }
    let own = format!("https://ubuntu.com/security/notices/{}", draft.id);
    draft.link("ADVISORY", &own);
    if draft.id.starts_with("LSN-") {
        draft.warn("a livepatch: its versions are not those of packages, which have no entry");
    } else {
        packages_of_service(&mut draft, &item);
        packages_of_database(&mut draft, &item);
    }
    if draft.affected.is_empty() && !draft.id.starts_with("LSN-") {
        draft.warn("the notice names no source package with a version");
    }
    let is_database = is_number(stated);
    if let Value::Object(object) = value::without(item, &["id", "title", "description", "published"]) {
        for (key, value) in object.into_entries() {
            // Most of the database is addresses and checksums of files.
            if key == "releases" && is_database {
                draft.keep(key, without_files(value));
            } else {
                draft.keep(key, value);
            }
        }
    }
    if is_database {
        draft.warn("addresses and checksums of files are not kept");
    }
    out.record(pointer, draft);
}

fn without_files(releases: Value<'_>) -> Value<'_> {
    match releases {
        Value::Object(object) => {
            let releases = object.into_entries().into_iter();
            value::object(releases.map(|(name, release)| (name, value::without(release, &["archs"]))))
        }
        other => other,
    }
}

/// A source package, and where its version is published.
struct Source<'v> {
    release: &'v str,
    pocket: &'v str,
    name: &'v str,
    /// Without it, the package is left undecided.
    version: Option<&'v str>,
}

fn add(draft: &mut Draft<'_>, item: &Value<'_>, source: &Source<'_>) {
    let Source {
        release,
        name,
        version,
        ..
    } = *source;
    let version = version.filter(|version| is_version(version));
    if version.is_none() {
        draft.warn(format!("{} in {}: no version", quote(name), quote(release)));
    }
    // Without a pocket, the version shows it: `1.0-1ubuntu1+esm1`.
    let is_extended = version.is_some_and(|version| version.contains("+esm") || version.contains("~esm"));
    let pocket = match source.pocket {
        "" if is_extended => "esm",
        pocket => pocket,
    };
    match ecosystem_of(item, release, pocket, name) {
        Some(ecosystem) => {
            let mut entry = Affected::of(ecosystem, name);
            entry
                .ranges
                .push(version.map_or_else(Range::undecided, Range::before));
            if !source.pocket.is_empty() {
                entry
                    .ecosystem_specific
                    .push(("pocket", value::text(pocket.to_owned())));
            }
            draft.affected.push(entry);
        }
        None => draft.warn(format!("unknown release \"{}\"", quote(release))),
    }
}

fn packages_of_service(draft: &mut Draft<'_>, item: &Value<'_>) {
    let Some(Value::Object(releases)) = item.get("release_packages") else {
        return;
    };
    for (release, packages) in releases.iter() {
        let Some(packages) = packages.as_array() else {
            draft.warn(format!("{}: it lists no packages", quote(release)));
            continue;
        };
        for package in packages {
            match package.get("is_source") {
                Some(Value::Bool(true)) => {}
                Some(Value::String(text)) if text == "true" => {}
                None | Some(Value::Null | Value::Bool(false)) if package.as_object().is_some() => continue,
                Some(Value::String(text)) if text == "false" => continue,
                _ => {
                    draft.warn(format!("{}: a package is not understood", quote(release)));
                    continue;
                }
            }
            match str_of(package, "name") {
                Some(name) => {
                    let source = Source {
                        release,
                        pocket: pocket_of(package, packages),
                        name,
                        version: str_of(package, "version"),
                    };
                    add(draft, item, &source);
                }
                None => draft.warn(format!("{}: a source package has no name", quote(release))),
            }
        }
    }
}

/// Returns true for text of the characters that a version may have.
fn is_version(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b".+-:~".contains(&byte))
}

/// Returns the pocket of a source package: its own, else that of the packages built from it. One notice may fix a source
/// in several pockets, each with its own version.
fn pocket_of<'v>(source: &'v Value<'_>, packages: &'v [Value<'_>]) -> &'v str {
    let is_same = |one: &Value<'_>, key: &'static str| {
        let own = str_of(source, key);
        own.is_some() && str_of(one, key) == own
    };
    let of_same = |keys: &[&'static str]| {
        let mut built = packages
            .iter()
            .filter(|one| keys.iter().all(|key| is_same(one, key)));
        built.find_map(|one| str_of(one, "pocket"))
    };
    let of_link = || {
        let others = packages.iter().filter(|one| is_same(one, "source_link"));
        let sources = others.filter(|one| one.get("is_source").and_then(Value::as_bool) == Some(true));
        of_same(&["source_link"]).filter(|_| sources.count() < 2)
    };
    str_of(source, "pocket")
        .or_else(|| of_same(&["source_link", "version"]))
        .or_else(|| of_same(&["version"]))
        .or_else(of_link)
        .unwrap_or_default()
}

fn packages_of_database(draft: &mut Draft<'_>, item: &Value<'_>) {
    let Some(Value::Object(releases)) = item.get("releases") else {
        return;
    };
    for (release, about) in releases.iter() {
        let Some(Value::Object(sources)) = about.get("sources") else {
            draft.warn(format!("{}: it lists no sources", quote(release)));
            continue;
        };
        let pocket_of = |source: &str| {
            let Some(Value::Object(binaries)) = about.get("allbinaries") else {
                return None;
            };
            let own = binaries
                .iter()
                .find(|(_, binary)| str_of(binary, "source") == Some(source));
            own.and_then(|(_, binary)| str_of(binary, "pocket"))
        };
        for (name, source) in sources.iter() {
            let source = Source {
                release,
                pocket: pocket_of(name).unwrap_or_default(),
                name,
                version: str_of(source, "version").or_else(|| source.as_str()),
            };
            add(draft, item, &source);
        }
    }
}
