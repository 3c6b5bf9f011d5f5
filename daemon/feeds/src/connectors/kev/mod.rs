//! Catalogues of exploited vulnerabilities: CISA's, as JSON and CSV, and ENISA's list beside it.

#[cfg(test)]
mod tests;

use starling_protocol::json::Value;

use super::Connector;
use super::draft::Draft;
use super::output::Output;
use super::shape::Shape;
use super::text::{self, quote};
use super::value::{self, str_of};
use super::{csv, shallow};

/// Reads catalogues of exploited vulnerabilities.
pub(crate) struct Kev;

impl Connector for Kev {
    fn name(&self) -> &'static str {
        "kev"
    }

    fn knows(&self, shape: &Shape<'_>) -> bool {
        let is_header = |text: &str| {
            let line = text.lines().next().unwrap_or_default();
            line.contains("cveID") && line.contains("vendorProject")
        };
        shape.is_object_with(&["catalogVersion", "vulnerabilities"])
            || (shape.has("cveID") && shape.has("vendorProject"))
            || shape.text().is_some_and(is_header)
    }

    fn read(&self, bytes: &[u8], _: &str, out: &mut Output<'_>) {
        let body = crate::osv::strip_byte_order_mark(bytes).trim_ascii_start();
        match body.first() {
            Some(b'{') if shallow::member(body, "cveID").is_some() => {
                if let Some(item) = out.json(body) {
                    entry(out, String::new(), item);
                }
            }
            Some(b'{' | b'[') => catalogue(body, out),
            _ => table(bytes, out),
        }
    }
}

fn catalogue(body: &[u8], out: &mut Output<'_>) {
    let mut count = 0_usize;
    let rest = out.json_lists(body, &["vulnerabilities"], &mut |out, pointer, item| {
        count += 1;
        entry(out, pointer, item);
    });
    if let Some(stated) = value::count_of(&rest, "count").filter(|stated| *stated != count) {
        out.note(format!(
            "the catalogue says that it has {stated} entries, and has {count}"
        ));
    }
}

fn table(bytes: &[u8], out: &mut Output<'_>) {
    let decoded = text::decode(
        crate::osv::strip_byte_order_mark(bytes),
        None,
        encoding_rs::WINDOWS_1252,
    );
    if let Some(warning) = decoded.warning {
        out.note(warning);
    }
    let mut rows = csv::rows(&decoded.text);
    let Some((_, Ok(header))) = rows.next() else {
        return out.reject("", "expected a header with the column cveID");
    };
    let header: Vec<String> = header.iter().map(|column| column.trim().to_owned()).collect();
    if !header.iter().any(|column| column == "cveID") {
        let shown = quote(&header.join(","));
        return out.reject(
            "",
            format!("expected a header with the column cveID, found \"{shown}\""),
        );
    }
    while let Some((text, (line, row))) = rows.next_with_text() {
        let pointer = format!("/line {line}");
        out.within(text.as_bytes(), |out| match row {
            Ok(row) if row.len() == header.len() => {
                let cells = header.iter().zip(row).map(|(column, cell)| {
                    let cell = match column.as_str() {
                        "cwes" => value::texts(
                            cell.split(',')
                                .map(|cwe| cwe.trim().to_owned())
                                .filter(|cwe| !cwe.is_empty()),
                        ),
                        _ => value::text(cell),
                    };
                    (column.clone(), cell)
                });
                entry(out, pointer, value::object(cells));
            }
            Ok(row) => out.reject(
                pointer,
                format!("the row has {} cells; the header has {}", row.len(), header.len()),
            ),
            Err(why) => out.reject(pointer, why.to_string()),
        });
    }
}

/// Returns true for ENISA's mark of an unknown value.
fn is_blank(value: &Value<'_>) -> bool {
    value
        .as_str()
        .is_some_and(|text| matches!(text.trim().to_ascii_lowercase().as_str(), "-" | "tbc" | "n/a"))
}

fn entry(out: &mut Output<'_>, pointer: String, item: Value<'_>) {
    let Value::Object(object) = item else {
        return out.reject(pointer, format!("expected an object, found {}", item.type_name()));
    };
    let members = object
        .into_entries()
        .into_iter()
        .filter(|(_, value)| !is_blank(value));
    let item = value::object(members);
    let stated = str_of(&item, "cveID").unwrap_or_default();
    // People fill the field: in lower case, or with other dashes.
    let cve = match text::typed_cves(stated).as_slice() {
        [one] if one.len() == stated.chars().count() => one.clone(),
        _ => stated.to_owned(),
    };
    let euvd = str_of(&item, "euvdID").map(str::to_owned);
    if !text::is_cve(&cve) && (euvd.is_none() || !cve.is_empty()) {
        return out.reject(
            pointer,
            format!("cveID is not the id of a CVE record: \"{}\"", quote(&cve)),
        );
    }
    // ENISA's entry and CISA's about one vulnerability stand beside each other.
    let mut draft = Draft::of(euvd.unwrap_or_else(|| cve.clone()));
    draft.alias(&cve);
    let added = str_of(&item, "dateAdded").or_else(|| str_of(&item, "dateReported"));
    draft.modified = draft.time("dateAdded", added);
    draft.summary = str_of(&item, "vulnerabilityName").map(str::to_owned);
    draft.details = str_of(&item, "shortDescription").map(str::to_owned);
    for word in str_of(&item, "notes")
        .unwrap_or_default()
        .split([';', ' ', '\n', '\u{A0}'])
    {
        if word.starts_with("https://") || word.starts_with("http://") {
            draft.link("WEB", word.trim_end_matches([',', '.']));
        }
    }
    if let Value::Object(object) = value::without(
        item,
        &["cveID", "vulnerabilityName", "shortDescription", "euvdID"],
    ) {
        for (key, value) in object.into_entries() {
            draft.keep(key, value);
        }
    }
    out.record(pointer, draft);
}
