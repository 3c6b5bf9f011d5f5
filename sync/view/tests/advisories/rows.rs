//! Tests of the rows themselves: laid out as in `docs/formats/view.md`, and repaired after damage.

use starling_view::{MemoryRows, RowsMut, Table, ViewPolicy, for_each_advisory, wipe};

use crate::site::{LOCAL, Site, body, key, merge_hash, npm, package};

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

/// A record is found by the products that it names by CPE, whatever its packages are.
#[test]
fn records_are_found_by_the_products_they_name() {
    let mut site = Site::new(&ViewPolicy::default());
    let of = |products: &str, more: &str| {
        body(&format!(
            r#""database_specific":{{"native":{{"products":[{products}]}}}}{more}"#
        ))
    };
    let found = |site: &Site, product: &str| {
        let found = starling_view::advisories_by_product(&site.rows, product).unwrap();
        let named = found.iter().map(|one| {
            let withdrawn = if one.is_withdrawn { " withdrawn" } else { "" };
            format!("{} {}{withdrawn}", one.advisory.vulnerability, one.record)
        });
        named.collect::<Vec<_>>()
    };
    let (nvd, ghsa) = (key("nvd", "CVE-2021-1"), key("cnnvd", "CNNVD-1"));
    let changes = site.set(1, &nvd, &of(r#""a:acme:rocket","o:acme:os""#, ""));
    assert_eq!(changes.products.len(), 2);
    site.set(
        1,
        &ghsa,
        &of(r#""a:acme:rocket""#, r#","aliases":["CVE-2021-1"]"#),
    );
    assert_eq!(
        found(&site, "a:acme:rocket"),
        ["CVE-2021-1 cnnvd/CNNVD-1", "CVE-2021-1 nvd/CVE-2021-1"]
    );
    assert_eq!(found(&site, "a:acme:rock"), [""; 0]);
    let sources = starling_view::sources_of_products(&site.rows).unwrap();
    assert_eq!(
        sources.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["cnnvd", "nvd"]
    );
    // The record's former products are among those that changed.
    let changes = site.set(1, &nvd, &of(r#""a:acme:rocket""#, ""));
    let changed = starling_view::packages_changed(&site.rows, &[nvd.clone()].into(), &changes)
        .unwrap()
        .unwrap();
    let is_named = |name: &str| changed.contains(&package("CPE", name));
    assert!(is_named("o:acme:os") && is_named("a:acme:rocket"));
    assert_eq!(found(&site, "o:acme:os"), [""; 0]);
    // A withdrawn record is marked: its withdrawal may lie in the future.
    site.set(
        1,
        &nvd,
        &of(r#""a:acme:rocket""#, r#","withdrawn":"2024-01-01T00:00:00Z""#),
    );
    assert_eq!(
        found(&site, "a:acme:rocket"),
        ["CVE-2021-1 cnnvd/CNNVD-1", "CVE-2021-1 nvd/CVE-2021-1 withdrawn"]
    );
    site.drop_record(1, &ghsa);
    assert!(starling_view::knows_products(&site.rows).unwrap());
    site.drop_record(1, &nvd);
    assert!(!starling_view::knows_products(&site.rows).unwrap());
    let mut products = Vec::new();
    starling_view::for_each_product(&site.rows, |product| {
        products.push(product.to_owned());
        std::ops::ControlFlow::Continue(())
    })
    .unwrap();
    assert!(products.is_empty());
}
