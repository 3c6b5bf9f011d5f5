//! The export of the tracker: packages, their vulnerabilities, and the state of each in each release.

use std::collections::BTreeMap;

use starling_protocol::json::{self, Value};

use super::super::draft::{Affected, Draft, Range};
use super::super::output::Output;
use super::super::shallow;
use super::super::text::{self, quote};
use super::super::value::{self, str_of};
use super::notes::is_version;
use super::{ecosystem_of, record_id};

/// Reads the export. It is sorted by package; the records are by vulnerability.
pub(super) fn read(body: &[u8], out: &mut Output<'_>) {
    let mut found: BTreeMap<String, Vec<(String, &[u8])>> = BTreeMap::new();
    let Some(mut packages) = shallow::members(body) else {
        return out.reject("", "expected an object of packages");
    };
    let mut is_whole = true;
    for package in packages.by_ref() {
        let (package, vulnerabilities) = match package {
            Ok(package) => package,
            Err(fault) => {
                is_whole = false;
                out.reject("", format!("the document breaks off: {fault}"));
                break;
            }
        };
        let Some(walk) = shallow::members(vulnerabilities) else {
            out.reject(
                format!("/{}", quote(&package)),
                "expected an object of vulnerabilities",
            );
            continue;
        };
        for vulnerability in walk {
            match vulnerability {
                Ok((id, about)) => {
                    found
                        .entry(id.into_owned())
                        .or_default()
                        .push((package.to_string(), about));
                }
                Err(fault) => out.reject(
                    format!("/{}", quote(&package)),
                    format!("the object breaks off: {fault}"),
                ),
            }
        }
    }
    if is_whole {
        out.refuse_rest("", &packages);
    }
    for (id, packages) in found {
        record(out, &id, &packages);
    }
}

fn record(out: &mut Output<'_>, id: &str, packages: &[(String, &[u8])]) {
    let is_cve = text::is_cve(id);
    let pointer = |package: &str| format!("/{}/{}", quote(package), quote(id));
    let first = packages.first().map_or("", |(package, _)| package.as_str());
    if !is_cve && !id.starts_with("TEMP-") {
        return out.reject(
            pointer(first),
            format!(
                "neither the id of a CVE record nor a temporary one: \"{}\"",
                quote(id)
            ),
        );
    }
    let mut draft = Draft::of(record_id(id));
    draft.is_without_time = true;
    if is_cve {
        draft.derive(id);
    }
    let mut native = Vec::new();
    for (package, about) in packages {
        match json::parse(about) {
            Ok(about) => {
                if draft.details.is_none() {
                    draft.details = str_of(&about, "description").map(str::to_owned);
                }
                releases(&mut draft, package, &about);
                let is_told = str_of(&about, "description") == draft.details.as_deref();
                let rest = if is_told {
                    value::without(about, &["description"])
                } else {
                    about
                };
                native.push((package.clone(), rest));
            }
            Err(error) => out.reject(pointer(package), format!("reading JSON: {error}")),
        }
    }
    if native.is_empty() {
        return;
    }
    draft.link(
        "ADVISORY",
        &format!("https://security-tracker.debian.org/tracker/{id}"),
    );
    draft.keep("packages", value::object(native));
    out.record(pointer(first), draft);
}

fn releases<'v>(draft: &mut Draft<'v>, package: &str, about: &Value<'v>) {
    let Some(Value::Object(releases)) = about.get("releases") else {
        return draft.warn(format!("{package}: no releases"));
    };
    for (release, state) in releases.iter() {
        let Some(ecosystem) = ecosystem_of(release) else {
            if release != "sid" {
                draft.warn(format!("{package}: unknown release \"{}\"", quote(release)));
            }
            continue;
        };
        let urgency = str_of(state, "urgency").unwrap_or_default();
        let mut entry = Affected::of(ecosystem, package);
        if !urgency.is_empty() {
            entry
                .ecosystem_specific
                .push(("urgency", value::text(urgency.to_owned())));
        }
        match (str_of(state, "status"), str_of(state, "fixed_version")) {
            // The release never contained it.
            (Some("resolved"), Some("0")) => continue,
            (Some("resolved"), Some(fixed)) if is_version(fixed) => entry.ranges.push(Range::before(fixed)),
            (Some("resolved"), Some(other)) => {
                draft.warn(format!(
                    "{package} in {release}: the version \"{}\" is not understood",
                    quote(other)
                ));
                entry.ranges.push(Range::undecided());
            }
            (Some("open"), _) => {
                entry.ranges.push(Range::from("0"));
                entry
                    .specific
                    .push(("fix_state", value::text(open_state(state, urgency))));
            }
            (Some("undetermined"), _) => {
                entry.ranges.push(Range::from("0"));
                entry.specific.push(("fix_state", value::text("undetermined")));
            }
            (status, _) => {
                let status = quote(status.unwrap_or_default());
                draft.warn(format!(
                    "{package} in {release}: status \"{status}\" is not understood"
                ));
                entry.ranges.push(Range::undecided());
            }
        }
        draft.affected.push(entry);
    }
}

/// Returns Debian's statement about a missing fix.
fn open_state(state: &Value<'_>, urgency: &str) -> &'static str {
    match state.get("nodsa_reason").and_then(Value::as_str).map(str::trim) {
        _ if urgency == "end-of-life" => "end_of_life",
        Some("ignored") => "will_not_fix",
        Some(_) => "deferred",
        None if state.get("nodsa").is_some() => "deferred",
        None => "none",
    }
}
