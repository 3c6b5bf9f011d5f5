//! The JSON form of the interface (`feed=oka`): overviews, and details as CSAF documents, alone or in a STIX bundle.

use std::collections::BTreeSet;

use starling_protocol::json::{self, Object, Value};

use super::super::csaf;
use super::super::output::Output;
use super::super::shallow;
use super::super::shape::Shape;
use super::super::text::{self, quote};
use super::super::value::{self, list_of, plain, str_of};
use super::{ALERT, Ids, Stated, begin, is_of_cves, page, rate, shortness};

/// The ratings that are read: their members, newest version first.
const RATINGS: [&str; 3] = ["cvss_v4", "cvss_v3", "cvss_v2"];

/// Objects of a bundle that say nothing about a vulnerability.
const AROUND: [&str; 3] = ["extension-definition", "identity", "marking-definition"];

/// Returns true for an answer in this form.
pub(crate) fn is_of_interface(shape: &Shape<'_>) -> bool {
    let schema = shape.value("$schema").and_then(shallow::string);
    shape.is_object_with(&[]) && schema.is_some_and(|schema| schema.contains("jvndb.jvn.jp/schema/"))
}

/// Reads an answer. Published examples have a status that is not valid JSON, so each part is cut out and read by itself.
pub(super) fn read(body: &[u8], out: &mut Output<'_>) {
    if shallow::member(body, "document").is_some() {
        return detail(out, "", body);
    }
    let status = shallow::member(body, "status");
    let of_status = |key: &str| {
        let value = shallow::member(status?, key)?;
        let text = shallow::string(value);
        Some(text.unwrap_or_else(|| String::from_utf8_lossy(value).trim().to_owned()))
    };
    let code = of_status("retCd").unwrap_or_default();
    if !matches!(code.as_str(), "" | "0") {
        let message = of_status("errMsg").unwrap_or_default();
        let why = format!("the answer is an error: {} {}", quote(&code), quote(&message));
        return out.reject("", why);
    }
    let mut found = 0_usize;
    let has = |key| shallow::member(body, key).is_some();
    if let Some(entries) = shallow::member(body, "feed").and_then(|feed| shallow::member(feed, "entry")) {
        out.json_items("/feed/entry", entries, &mut |out, pointer, entry| {
            found += 1;
            overview(out, pointer, entry);
        });
    } else if let Some(objects) = shallow::member(body, "objects") {
        bundle(out, objects, &mut found);
    } else if ["jvn-product-dictionary", "jvn_product_dictionary"]
        .into_iter()
        .any(has)
    {
        return out.ignore("", "a list of products or vendors, not of vulnerabilities");
    } else {
        return out.reject("", "expected a list under feed/entry or objects");
    }
    let number = |key: &str| of_status(key)?.parse::<usize>().ok();
    page(out, number("totalRes"), number("firstRes"), found);
    if let Some(what) = shortness(of_status("totalResRet").as_deref(), found) {
        out.note(what);
    }
}

/// Reads the CSAF documents in the objects of a bundle.
fn bundle(out: &mut Output<'_>, objects: &[u8], found: &mut usize) {
    let Some(walk) = shallow::items(objects) else {
        return out.reject("/objects", "expected a list");
    };
    for (index, object) in walk.enumerate() {
        let pointer = format!("/objects/{index}");
        let object = match object {
            Ok((_, object)) => object,
            Err(fault) => return out.reject(pointer, format!("the list breaks off here: {fault}")),
        };
        if let Some(documents) = shallow::member(object, "VULDEF-Document").and_then(shallow::items) {
            for (index, document) in documents.enumerate() {
                let pointer = format!("{pointer}/VULDEF-Document/{index}");
                match document {
                    Ok((_, document)) => out.within(document, |out| detail(out, &pointer, document)),
                    Err(fault) => out.reject(pointer, format!("the list breaks off here: {fault}")),
                }
                *found += 1;
            }
            continue;
        }
        let kind = shallow::member(object, "type").and_then(shallow::string);
        let kind = kind.unwrap_or_default();
        if !AROUND.contains(&kind.as_str()) {
            out.reject(
                pointer,
                format!("an object of the type \"{}\" is not read", quote(&kind)),
            );
        }
    }
}

/// Reads a CSAF document. A CVE record that only its references name is added to its vulnerabilities.
fn detail(out: &mut Output<'_>, pointer: &str, bytes: &[u8]) {
    let named = json::parse(bytes).ok().and_then(with_names);
    let bytes = named.as_deref().unwrap_or(bytes);
    out.nested(pointer, |out| csaf::without_names(bytes, out));
}

/// Returns a CSAF document in which vulnerabilities have the ids that its references name; `None` if they have them.
fn with_names(mut document: Value<'_>) -> Option<Vec<u8>> {
    let references = document.get("document").map(|about| list_of(about, "references"));
    let of_cves = references?
        .iter()
        .filter(|one| str_of(one, "source").is_some_and(is_of_cves));
    let mut names: Vec<String> = of_cves
        .flat_map(|one| text::typed_cves(str_of(one, "summary").unwrap_or_default()))
        .collect();
    let mut vulnerabilities = list_of(&document, "vulnerabilities").to_vec();
    names.sort_unstable();
    names.dedup();
    let stated: BTreeSet<&str> = vulnerabilities
        .iter()
        .filter_map(|one| str_of(one, "cve"))
        .collect();
    names.retain(|name| !stated.contains(name.as_str()));
    let is_nameless = |one: &Value<'_>| str_of(one, "cve").is_none();
    match (names.as_slice(), vulnerabilities.as_mut_slice()) {
        ([], _) => return None,
        ([name], [one]) if is_nameless(one) => {
            *one = with(std::mem::take(one), "cve", value::text(name.clone()));
        }
        _ => vulnerabilities.extend(
            names
                .into_iter()
                .map(|name| value::object([("cve", value::text(name))])),
        ),
    }
    document = with(document, "vulnerabilities", Value::Array(vulnerabilities));
    Some(document.to_canonical())
}

/// Returns an object with another value of a member.
fn with<'a>(object: Value<'a>, key: &'static str, value: Value<'a>) -> Value<'a> {
    match value::without(object, &[key]) {
        Value::Object(object) => {
            let members = object.into_entries().into_iter();
            value::object(members.chain([(key.into(), value)]))
        }
        other => other,
    }
}

fn overview(out: &mut Output<'_>, pointer: String, entry: Value<'_>) {
    let id = str_of(&entry, "id");
    if let Some(alert) = id.filter(|id| id.starts_with(ALERT)) {
        return out.ignore(
            pointer,
            format!("{}: an alert, not a vulnerability", quote(alert)),
        );
    }
    let mut draft = match begin(id, Vec::new()) {
        Ok(draft) => draft,
        Err(why) => return out.reject(pointer, why),
    };
    draft.summary = str_of(&entry, "title").map(str::to_owned);
    draft.details = str_of(&entry, "summary").map(str::to_owned);
    draft.published = draft.time("created", str_of(&entry, "created"));
    draft.modified = draft
        .time("modified", str_of(&entry, "modified"))
        .or_else(|| draft.published.clone());
    let mut ids = Ids::default();
    for reference in list_of(&entry, "references") {
        if str_of(reference, "source").is_some_and(is_of_cves) {
            ids.add_cves(&mut draft, str_of(reference, "summary").unwrap_or_default());
        }
        draft.link("WEB", str_of(reference, "url").unwrap_or_default());
    }
    for weakness in list_of(&entry, "cwes") {
        ids.add_cwe(str_of(weakness, "id").unwrap_or_default());
    }
    ids.give(&mut draft);
    draft.link("ADVISORY", str_of(&entry, "link").unwrap_or_default());
    let contents = list_of(&entry, "metrics")
        .iter()
        .filter_map(|metric| metric.get("content"));
    let contents: Vec<&Value<'_>> = contents.collect();
    let members = || {
        contents
            .iter()
            .filter_map(|content| content.as_object())
            .flat_map(Object::iter)
    };
    for (key, rating) in members() {
        if !RATINGS.contains(&key) && rating.get("vectorString").is_some() {
            draft.warn(format!("the ratings under \"{}\" are not understood", quote(key)));
        }
    }
    let ratings = members().filter(|(key, _)| RATINGS.contains(key));
    let ratings: Vec<_> = ratings
        .map(|(_, rating)| (rating, rating.get("baseScore").and_then(plain)))
        .collect();
    let stated = ratings.iter().map(|(rating, score)| Stated {
        vector: str_of(rating, "vectorString"),
        version: str_of(rating, "version").unwrap_or_default(),
        score: score.as_deref().unwrap_or_default(),
        word: str_of(rating, "baseSeverity"),
    });
    rate(&mut draft, &stated.collect::<Vec<_>>());
    let told = ["id", "title", "summary", "link"];
    if let Value::Object(object) = value::without(entry, &told) {
        for (key, value) in object.into_entries() {
            draft.keep(key, value);
        }
    }
    out.record(pointer, draft);
}
