//! CycloneDX JSON: vulnerabilities with an analysis. They refer to components of the same document, or of another one
//! by a BOM-Link whose fragment is the component's reference.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;
use starling_scanner::purl::PackageUrl;

use super::product::{Whole, Within, same_serial};
use super::{
    REFERENCE, Reader, Saying, UnusableReason, VERSION, VexError, VexFormat, VexStatus, invalid, is_image,
    time_of, why_of,
};
use crate::ids::spelled;

pub(super) fn read(value: &Value, reader: &mut Reader) -> Result<(), VexError> {
    let vulnerabilities = value
        .get("vulnerabilities")
        .and_then(Value::as_array)
        .ok_or_else(|| {
            invalid(
                VexFormat::CycloneDx,
                "/vulnerabilities",
                "the list of vulnerabilities is missing",
            )
        })?;
    let version = value.get("specVersion").and_then(Value::as_str).unwrap_or("1.");
    if !version.trim().starts_with("1.") {
        return Err(invalid(
            VexFormat::CycloneDx,
            "/specVersion",
            "it is not a version of CycloneDX 1",
        ));
    }
    let authors = [
        "/metadata/authors/0/name",
        "/metadata/supplier/name",
        "/metadata/manufacture/name",
    ];
    reader.author = authors
        .into_iter()
        .find_map(|place| value.pointer(place)?.as_str())
        .map(ToOwned::to_owned);
    let written = value.pointer("/metadata/timestamp");
    let own = Own::of(value);
    for (index, vulnerability) in vulnerabilities.iter().enumerate() {
        let Some(analysis) = vulnerability.get("analysis") else {
            continue;
        };
        let Some(status) = status_of(analysis, index)? else {
            continue;
        };
        let ids = ids_of(vulnerability);
        let (named, dropped) = named_by(vulnerability, status, &own);
        // An entry without a vulnerability cannot be matched with anything, for any number of components.
        if ids.is_empty() || named.is_empty() {
            let reason = if ids.is_empty() {
                UnusableReason::NoVulnerability
            } else if dropped.unversioned > 0 {
                UnusableReason::NoVersion
            } else {
                UnusableReason::NoPackage
            };
            reader.unusable.add(reason, 1);
            continue;
        }
        reader.unusable.add(UnusableReason::NoPackage, dropped.unnamed);
        reader
            .unusable
            .add(UnusableReason::NoVersion, dropped.unversioned);
        let why = ["justification", "detail"].into_iter().find_map(|key| {
            analysis
                .get(key)
                .and_then(Value::as_str)
                .filter(|text| !text.is_empty())
        });
        let why = why.map(why_of);
        let own = ["lastUpdated", "firstIssued"].map(|key| analysis.get(key));
        let own = own.into_iter().chain([vulnerability.get("updated")]);
        let time = time_of(status, own.chain([written]));
        let saying = Saying {
            ids: &ids,
            status,
            why: why.as_ref(),
            will_not_fix: will_not_fix(analysis),
            time,
            is_of_a_version: true,
        };
        reader.say(
            &saying,
            named
                .iter()
                .map(|(product, within)| (product.as_str(), Arc::clone(within))),
        )?;
    }
    // The list has no order: of equally new statements, one that excuses nothing applies.
    reader.statements.sort_by_key(|said| !said.status.is_settled());
    Ok(())
}

/// Returns the status of the analysis at an index; `None` if it does not state one.
fn status_of(analysis: &Value, index: usize) -> Result<Option<VexStatus>, VexError> {
    let state = match analysis {
        Value::Object(analysis) => analysis.get("state").unwrap_or(&Value::Null),
        other => other,
    };
    if state.is_null() {
        return Ok(None);
    }
    Ok(Some(match state.as_str().filter(|_| analysis.is_object()) {
        Some("not_affected" | "false_positive") => VexStatus::NotAffected,
        Some("resolved" | "resolved_with_pedigree") => VexStatus::Fixed,
        Some("exploitable") => VexStatus::Affected,
        Some("in_triage") => VexStatus::UnderInvestigation,
        _ => {
            let place = format!("/vulnerabilities/{index}/analysis/state");
            return Err(invalid(
                VexFormat::CycloneDx,
                place,
                "the state is none that CycloneDX has",
            ));
        }
    }))
}

/// Returns the ids of a vulnerability: its own and those that it refers to, sorted, each once.
fn ids_of(vulnerability: &Value) -> Arc<[String]> {
    let references = vulnerability
        .get("references")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    let mut ids: Vec<String> = vulnerability
        .get("id")
        .into_iter()
        .chain(references.filter_map(|reference| reference.get("id")))
        .filter_map(Value::as_str)
        .map(spelled)
        .filter(|id| !id.is_empty())
        .collect();
    ids.sort();
    ids.dedup();
    ids.into()
}

/// The numbers of entries that name nothing to which the statement applies.
#[derive(Debug, Default)]
struct Dropped {
    /// They name no component, or no version of it that the statement covers.
    unnamed: u64,
    /// They call a component fixed, and its version is not known.
    unversioned: u64,
}

/// Returns the products that a vulnerability is stated about, and for each the products of which it is a part; and the number
/// of entries that name none to which the statement applies. The fix of a package is in a version of it.
fn named_by(vulnerability: &Value, status: VexStatus, own: &Own<'_>) -> (Vec<(String, Within)>, Dropped) {
    let affects = vulnerability
        .get("affects")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    let (mut named, mut dropped): (Vec<(String, Within)>, Dropped) = Default::default();
    for affected in affects {
        let Some(reference) = affected.get("ref").and_then(Value::as_str) else {
            dropped.unnamed += 1;
            continue;
        };
        let (product, within) = own.product_of(reference);
        let product = match own.versioned.get(reference) {
            Some(version) if affected.get("versions").is_none() => of_version(product, version),
            _ => product,
        };
        // A component of another SBOM has its version there.
        let is_linked = within.iter().any(|whole| whole.bom.is_some());
        let has_version = status != VexStatus::Fixed || is_linked || own.versioned.contains_key(reference);
        let mut products = narrowed(product, affected.get("versions"), status);
        let named_any = !products.is_empty();
        products.retain(|product| has_version || is_of_a_version(product));
        match (named_any, products.is_empty()) {
            (true, true) => dropped.unversioned += 1,
            (false, _) => dropped.unnamed += 1,
            _ => {}
        }
        named.extend(products.into_iter().map(|product| (product, Arc::clone(&within))));
    }
    (named, dropped)
}

/// Returns a package URL with the version of its component, if it has none of its own; other text as it is.
fn of_version(product: String, version: &str) -> String {
    match PackageUrl::parse_lenient(&product) {
        Ok(purl) if purl.version().is_none() && !is_image(&purl) => {
            purl.with_version(Some(version.trim())).to_string()
        }
        _ => product,
    }
}

/// Returns true unless a product is a package without a version: an image is the one that is scanned, and a component of
/// another document has its version there.
fn is_of_a_version(product: &str) -> bool {
    PackageUrl::parse_lenient(product).map_or(true, |purl| purl.version().is_some() || is_image(&purl))
}

/// The document itself, as its statements refer to it.
struct Own<'a> {
    serial: Option<&'a str>,
    components: BTreeMap<&'a str, &'a str>,
    /// The versions of its components, by reference.
    versioned: BTreeMap<&'a str, &'a str>,
    /// The reference of its subject.
    described: Option<&'a str>,
    /// Its subject.
    within: Within,
}

impl<'a> Own<'a> {
    fn of(value: &'a Value) -> Self {
        let described = value.pointer("/metadata/component");
        let text = |key: &str| {
            described
                .and_then(|component| component.get(key))
                .and_then(Value::as_str)
        };
        let mut whole = Whole::default();
        match text("purl").map(PackageUrl::parse_lenient) {
            Some(Ok(purl)) => whole.purls.push(purl),
            _ => {
                let version = text("version")
                    .map(|version| format!(" {version}"))
                    .unwrap_or_default();
                whole
                    .names
                    .extend(text("name").map(|name| format!("{name}{version}")));
            }
        }
        let serial = value.get("serialNumber").and_then(Value::as_str);
        let is_named = !whole.purls.is_empty() || !whole.names.is_empty();
        let (components, versioned) = components(value);
        Self {
            serial,
            components,
            versioned,
            described: text("bom-ref"),
            within: is_named.then(|| Arc::new(whole)).into_iter().collect(),
        }
    }

    /// Returns the product of a reference, as text, and the products of which it is a part.
    fn product_of(&self, reference: &str) -> (String, Within) {
        let link = reference
            .strip_prefix("urn:cdx:")
            .and_then(|link| link.split_once('#'));
        let (fragment, bom) = match link {
            Some((bom, fragment)) => (decode(fragment), Some(bom)),
            None => (reference.to_owned(), None),
        };
        let purl = self
            .components
            .get(fragment.as_str())
            .map(|purl| (*purl).to_owned());
        let is_purl = fragment.starts_with("pkg:");
        let known = purl.or_else(|| is_purl.then(|| fragment.clone()));
        let Some(bom) = bom else {
            // Everything except the subject is a part of the subject.
            let is_described = |named: &PackageUrl| {
                let mut purls = self.within.iter().flat_map(|whole| &whole.purls);
                purls.any(|purl| purl == named)
            };
            let is_whole = self.described == Some(fragment.as_str())
                || PackageUrl::parse_lenient(&fragment).is_ok_and(|named| is_described(&named));
            let within = if is_whole {
                Within::default()
            } else {
                Arc::clone(&self.within)
            };
            // References of another document have no meaning without its serial number.
            return (known.unwrap_or(fragment), within);
        };
        let (serial, version) = bom.split_once('/').unwrap_or((bom, ""));
        let is_own = self.serial.is_some_and(|own| same_serial(own, serial));
        let named = if is_own || self.serial.is_none() {
            known
        } else {
            known.filter(|_| is_purl)
        };
        let whole = Whole {
            bom: Some((
                serial.to_owned(),
                Some(version.to_owned()).filter(|version| !version.is_empty()),
            )),
            ..Whole::default()
        };
        let within: Within = [Arc::new(whole)].into();
        (named.unwrap_or_else(|| [REFERENCE, &fragment].concat()), within)
    }
}

/// Returns the packages of an entry that lists versions: only those versions and, for a statement that settles
/// something, none that the list calls affected or unknown. Ranges are not evaluated, so statements about them settle
/// nothing.
fn narrowed(purl: String, versions: Option<&Value>, status: VexStatus) -> Vec<String> {
    let versions = match versions.and_then(Value::as_array) {
        Some(versions) if !versions.is_empty() => versions,
        _ => return vec![purl],
    };
    let text = |entry: &Value, key: &str| entry.get(key).and_then(Value::as_str).map(str::to_owned);
    // A statement that does not settle anything may be about more than it says, never about less.
    if !status.is_settled() && versions.iter().any(|entry| text(entry, "range").is_some()) {
        return vec![purl];
    }
    let is_excepted = |entry: &Value| {
        let stated = text(entry, "status");
        status.is_settled() && matches!(stated.as_deref(), Some("affected" | "unknown"))
    };
    let one_by_one = |with: &dyn Fn(&str) -> String| {
        let listed = versions.iter().filter(|entry| !is_excepted(entry));
        let listed = listed.filter_map(|entry| text(entry, "version").filter(|version| !version.is_empty()));
        listed.map(|version| with(&version)).collect()
    };
    let Ok(package) = PackageUrl::parse_lenient(&purl) else {
        // The version of a component of another document is known when that is scanned.
        if purl.starts_with(REFERENCE) && status.is_settled() {
            return one_by_one(&|version| format!("{purl}{VERSION}{version}"));
        }
        return vec![purl];
    };
    if let Some(own) = package.version() {
        let is_own = |entry: &&Value| text(entry, "version").as_deref() == Some(own);
        // A list of other versions that are affected does not except this one; one of versions that are not does.
        let others_are_excepted = |entry: &Value| is_excepted(entry) && text(entry, "range").is_none();
        let mut listed = versions.iter().filter(is_own).peekable();
        let applies = match listed.peek() {
            Some(_) => !listed.any(is_excepted),
            None => !status.is_settled() || versions.iter().all(others_are_excepted),
        };
        return if applies { vec![purl] } else { Vec::new() };
    }
    one_by_one(&|version| package.clone().with_version(Some(version)).to_string())
}

/// Returns true if the supplier's response is that there will be no fix.
fn will_not_fix(analysis: &Value) -> bool {
    let responses = analysis.get("response").and_then(Value::as_array);
    responses
        .into_iter()
        .flatten()
        .any(|response| matches!(response.as_str(), Some("will_not_fix" | "can_not_fix")))
}

/// Package URLs by reference, of components at any depth, and the versions of those that have one. A reference of several
/// packages names none of them.
fn components(value: &Value) -> (BTreeMap<&str, &str>, BTreeMap<&str, &str>) {
    let mut found: BTreeMap<&str, &str> = BTreeMap::new();
    let mut versioned: BTreeMap<&str, &str> = BTreeMap::new();
    let mut ambiguous: Vec<&str> = Vec::new();
    let mut open: Vec<&Value> = Vec::new();
    open.extend(value.pointer("/metadata/component"));
    open.extend(
        value
            .get("components")
            .and_then(Value::as_array)
            .into_iter()
            .flatten(),
    );
    while let Some(component) = open.pop() {
        let text = |key: &str| component.get(key).and_then(Value::as_str);
        if let (Some(reference), Some(purl)) = (text("bom-ref"), text("purl"))
            && found.insert(reference, purl).is_some_and(|other| other != purl)
        {
            ambiguous.push(reference);
        }
        if let (Some(reference), Some(version)) = (text("bom-ref"), text("version"))
            && !version.trim().is_empty()
        {
            versioned.insert(reference, version);
        }
        open.extend(
            component
                .get("components")
                .and_then(Value::as_array)
                .into_iter()
                .flatten(),
        );
    }
    for reference in ambiguous {
        found.remove(reference);
        versioned.remove(reference);
    }
    (found, versioned)
}

/// Decodes percent-encoding; leaves invalid encodings unchanged.
fn decode(text: &str) -> String {
    let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let pair = (
            digit(bytes.get(at + 1).copied()),
            digit(bytes.get(at + 2).copied()),
        );
        match (byte, pair) {
            (b'%', (Some(high), Some(low))) => {
                out.extend(u8::try_from(high * 16 + low));
                at += 3;
            }
            (byte, _) => {
                out.push(*byte);
                at += 1;
            }
        }
    }
    String::from_utf8(out).unwrap_or_else(|_| text.to_owned())
}
