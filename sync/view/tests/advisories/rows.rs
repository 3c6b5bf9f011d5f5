//! Tests of the rows themselves: laid out as in `docs/formats/view.md`, and repaired after damage.

use starling_view::{MemoryRows, RowsMut, Table, ViewPolicy, for_each_advisory, wipe};

use crate::site::{LOCAL, Site, key, merge_hash, npm};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn rows_are_laid_out_as_documented() {
    let mut site = Site::new(&ViewPolicy::default());
    let body = npm(&["CVE-2021-44228"], "a");
    site.set(LOCAL, &key("ghsa", "GHSA-2222-2222-2223"), &body);
    let content = hex(starling_protocol::ContentHash::of(&body).as_bytes());
    let (cve, ghsa) = ("0279c4d902", "0100000000000001");
    let name = |id: &str, code: &str| format!("{}{code}", &hex(merge_hash(id, "npm", "a").as_bytes())[..16]);
    let rows = |table| -> Vec<(String, String)> {
        site.rows
            .iter(table)
            .map(|(key, value)| (hex(key), hex(value)))
            .collect()
    };
    assert_eq!(
        rows(Table::Records),
        [(format!("{ghsa}02"), format!("80{content}01{cve}01000401610000"))]
    );
    assert_eq!(rows(Table::Aliases), [(format!("{cve}{ghsa}02"), String::new())]);
    assert_eq!(
        rows(Table::Edges),
        [(format!("01610000{cve}02{ghsa}"), String::new())]
    );
    let mut names = [name("CVE-2021-44228", cve), name("GHSA-2222-2222-2223", ghsa)];
    names.sort();
    assert_eq!(rows(Table::Hashes), names.map(|name| (name, String::new())));
    assert!(rows(Table::Held).is_empty());
}

#[test]
fn wiped_view_is_empty() {
    let mut site = Site::new(&ViewPolicy::default());
    for n in 0..1_500 {
        site.set(
            LOCAL,
            &key("acme", &format!("ACME-{n}")),
            &npm(&["CVE-2021-1111"], "a"),
        );
    }
    wipe(&mut site.rows).unwrap();
    assert_eq!(site.rows, MemoryRows::new());
}

#[test]
fn damaged_row_is_named_and_not_misread() {
    let mut site = Site::new(&ViewPolicy::default());
    site.set(LOCAL, &key("acme", "ACME-1"), &npm(&[], "a"));
    site.rows.put(Table::Edges, &[0xfc, 1, 2], &[]).unwrap();
    let error = for_each_advisory(&site.rows, |_| std::ops::ControlFlow::Continue(())).unwrap_err();
    assert!(
        error.to_string().contains("edges") && error.to_string().contains("fc0102"),
        "{error}"
    );
}
