//! Databases of apk distributions (`secdb`): packages, and the versions that fixed vulnerabilities.
//!
//! A version lists its fixes in one branch, without information about other branches; unfixed vulnerabilities are not
//! listed. Version `0` means that the package was never affected.

use std::collections::BTreeMap;

use starling_protocol::json::Value;

use super::draft::{Affected, Draft, Range};
use super::output::Output;
use super::shallow;
use super::shape::Shape;
use super::text::quote;
use super::value::{self, str_of};

/// The owner of a database.
pub(crate) struct Owner {
    /// The prefix of a vulnerability's id in the record's id.
    pub(crate) prefix: &'static str,
    /// The ecosystem without its branch.
    pub(crate) ecosystem: &'static str,
    /// True if the ecosystem has branches.
    pub(crate) has_branches: bool,
    /// Parts of the address of its packages.
    pub(crate) hosts: &'static [&'static str],
}

impl Owner {
    /// Returns true for the database of this owner.
    pub(crate) fn knows(&self, shape: &Shape<'_>) -> bool {
        let is_own = |prefix: &str| self.hosts.iter().any(|host| prefix.contains(host));
        if let Some(text) = shape.text() {
            // The same as YAML begins with these members, too.
            let mut lines = text.lines().filter_map(|line| line.strip_prefix("urlprefix:"));
            return text.starts_with("apkurl:") && lines.any(is_own);
        }
        if !shape.is_object_with(&["packages", "urlprefix"]) {
            return false;
        }
        let prefix = shape.value("urlprefix").and_then(shallow::string);
        is_own(&prefix.unwrap_or_default())
    }

    /// Reads the database.
    pub(crate) fn read(&self, bytes: &[u8], out: &mut Output<'_>) {
        let body = crate::osv::strip_byte_order_mark(bytes);
        if shallow::members(body).is_some() {
            return self.database(body, out);
        }
        match std::str::from_utf8(body).map(crate::yaml::parse) {
            Ok(Ok(documents)) if matches!(documents.as_slice(), [Value::Object(_)]) => {
                for document in documents {
                    self.database(&document.to_canonical(), out);
                }
            }
            Ok(Err(error)) => out.reject("", format!("reading YAML: {error}")),
            _ => out.reject("", "expected an object with packages"),
        }
    }

    fn database(&self, body: &[u8], out: &mut Output<'_>) {
        let branch = shallow::member(body, "distroversion").and_then(shallow::string);
        let repository = shallow::member(body, "reponame").and_then(shallow::string);
        let ecosystem = match (&branch, self.has_branches) {
            (Some(branch), true) => format!("{}:{}", self.ecosystem, branch_name(branch)),
            (None, true) => return out.reject("", "the database does not say of which branch it is"),
            (_, false) => self.ecosystem.to_owned(),
        };
        let mut fixes: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
        if shallow::member(body, "packages").is_some_and(|list| list == b"null") {
            return out.ignore("", "a database without any package");
        }
        out.json_lists(body, &["packages"], &mut |out, pointer, item| {
            package(out, &pointer, &item, &mut fixes);
        });
        for (id, fixes) in fixes {
            let draft = self.record(&id, &ecosystem, repository.as_deref(), fixes);
            out.record(format!("/{}", quote(&id)), draft);
        }
    }

    fn record(
        &self,
        id: &str,
        ecosystem: &str,
        repository: Option<&str>,
        fixes: Vec<(String, String)>,
    ) -> Draft<'static> {
        let mut draft = Draft::of(format!("{}-{id}", self.prefix));
        draft.is_without_time = true;
        draft.derive(id);
        let mut never = Vec::new();
        for (package, version) in fixes {
            if version == "0" {
                never.push(package);
                continue;
            }
            let mut entry = Affected::of(ecosystem, package);
            if is_version(&version) {
                entry.ranges.push(Range::before(version));
            } else {
                draft.warn(format!(
                    "{}: the version \"{}\" is not understood",
                    entry.name,
                    quote(&version)
                ));
                entry.ranges.push(Range::undecided());
            }
            entry
                .ecosystem_specific
                .extend(repository.map(|name| ("repository", value::text(name.to_owned()))));
            draft.affected.push(entry);
        }
        if !never.is_empty() {
            let by_branch = value::object([(ecosystem.to_owned(), value::texts(never))]);
            draft.keep("never_affected", by_branch);
        }
        draft
    }
}

/// Returns true for text that begins like a version and has only characters of one.
fn is_version(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._-~+".contains(&byte))
}

/// Returns the name of a branch in its usual spelling: `v3.18`, `edge`.
fn branch_name(text: &str) -> String {
    let name = text.trim().to_ascii_lowercase();
    if name.starts_with(|c: char| c.is_ascii_digit()) {
        format!("v{name}")
    } else {
        name
    }
}

/// Adds the fixes of one package, by vulnerability.
fn package(
    out: &mut Output<'_>,
    pointer: &str,
    item: &Value<'_>,
    fixes: &mut BTreeMap<String, Vec<(String, String)>>,
) {
    let item = item.get("pkg").unwrap_or(item);
    let Some(name) = str_of(item, "name") else {
        return out.reject(pointer, "the package has no name");
    };
    match item.get("secfixes") {
        Some(Value::Object(versions)) => {
            for (version, ids) in versions.iter() {
                let version = version.trim();
                let Some(ids) = ids.as_array() else {
                    if let Some(text) = ids.as_str() {
                        one_text(out, pointer, (name, version), text, fixes);
                    } else if !ids.is_null() {
                        out.reject(
                            pointer,
                            format!("{name} {}: expected a list of ids", quote(version)),
                        );
                    }
                    continue;
                };
                for text in ids {
                    let Some(text) = text.as_str() else {
                        out.reject(pointer, format!("{name} {}: expected an id", quote(version)));
                        continue;
                    };
                    one_text(out, pointer, (name, version), text, fixes);
                }
            }
        }
        None | Some(Value::Null) => out.ignore(pointer, format!("{name}: nothing was fixed")),
        Some(Value::Array(list)) if list.is_empty() => {
            out.ignore(pointer, format!("{name}: nothing was fixed"));
        }
        Some(other) => out.reject(
            pointer,
            format!("{name}: expected versions, found {}", other.type_name()),
        ),
    }
}

/// One text may contain several ids, with words after them.
fn one_text(
    out: &mut Output<'_>,
    pointer: &str,
    (name, version): (&str, &str),
    text: &str,
    fixes: &mut BTreeMap<String, Vec<(String, String)>>,
) {
    let spelled = spelled(text);
    let mut found = 0;
    for word in spelled.split(is_separator) {
        let word = word.trim_end_matches(['.', ':']);
        if !is_id(word) {
            continue;
        }
        found += 1;
        let list = fixes.entry(word.to_owned()).or_default();
        let fix = (name.to_owned(), version.to_owned());
        if !list.contains(&fix) {
            list.push(fix);
        }
    }
    let words = spelled
        .split(is_separator)
        .filter(|word| !word.is_empty())
        .count();
    if found == 0 {
        out.reject(
            pointer,
            format!("{name} {}: not an id: \"{}\"", quote(version), quote(text)),
        );
    } else if words > found {
        out.note(format!(
            "{name} {}: words beside the id are not kept: \"{}\"",
            quote(version),
            quote(text)
        ));
    }
}

fn is_separator(c: char) -> bool {
    c.is_whitespace() || ",;()[]|/?\"'".contains(c)
}

/// Returns a text with its ids in their usual spelling: `CVE-2030-1` for `cve_2030-1` and `CVE 2030-1`.
fn spelled(text: &str) -> String {
    let text = text.replace(['\u{2010}', '\u{2011}', '\u{2013}'], "-");
    let bytes = text.as_bytes();
    let mut spelled = text.clone();
    for (at, window) in bytes.windows(5).enumerate() {
        if let [c, v, e, joint, digit] = window
            && [*c, *v, *e].eq_ignore_ascii_case(b"CVE")
            && b"-_ ".contains(joint)
            && digit.is_ascii_digit()
        {
            spelled.replace_range(at..at + 4, "CVE-");
        }
    }
    spelled
}

/// Returns true for ids such as `CVE-2030-1`, `GHSA-…`, `XSA-108`, `ZBX-11023`, `GO-2024-1`, `CGA-…`, `VSV00001`.
fn is_id(word: &str) -> bool {
    if let Some(number) = word.strip_prefix("VSV") {
        return number.len() == 5 && number.bytes().all(|byte| byte.is_ascii_digit());
    }
    let Some((prefix, rest)) = word.split_once('-') else {
        return false;
    };
    // The letters of these need not have a digit among them.
    let is_of_letters = matches!(prefix, "GHSA" | "CGA") && rest.len() == 14;
    (2..=12).contains(&prefix.len())
        && prefix.bytes().all(|byte| byte.is_ascii_uppercase())
        && !rest.is_empty()
        && rest
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_:.".contains(&byte))
        && (is_of_letters || rest.bytes().any(|byte| byte.is_ascii_digit()))
}
