//! Records with many packages cost the fold of each package no more than those with few.

use std::cell::Cell;
use std::convert::Infallible;

use starling_view::{
    FoldMemo, MemoryRows, Rows, Table, ViewPolicy, Visitor, advisories_by_package,
    canonical_advisory_remembering,
};

use crate::site::{LOCAL, Site, body, key, package, vulnerability};

/// Rows that count the bytes of records read from them.
struct Counting<'a>(&'a MemoryRows, Cell<usize>);

impl Rows for Counting<'_> {
    type Error = Infallible;

    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, Infallible> {
        let value = self.0.get(table, key)?;
        if table == Table::Records {
            self.1.set(self.1.get() + value.as_ref().map_or(0, Vec::len));
        }
        Ok(value)
    }

    fn scan(&self, table: Table, prefix: &[u8], visit: &mut Visitor<'_>) -> Result<(), Infallible> {
        self.0.scan(table, prefix, &mut |key, value| {
            if table == Table::Records {
                self.1.set(self.1.get() + value.len());
            }
            visit(key, value)
        })
    }
}

/// Returns the bytes of rows that folding all of a record's packages reads.
fn bytes_read(packages: usize, aliases: &str) -> usize {
    let mut site = Site::new(&ViewPolicy::default());
    let entries: Vec<String> = (0..packages)
        .map(|n| format!(r#"{{"package":{{"ecosystem":"npm","name":"p{n}"}}}}"#))
        .collect();
    let members = format!(r#""affected":[{}]{aliases}"#, entries.join(","));
    site.set(LOCAL, &key("cve", "CVE-2030-1"), &body(&members));
    let rows = Counting(&site.rows, Cell::new(0));
    let memo = FoldMemo::default();
    for n in 0..packages {
        let name = format!("p{n}");
        assert_eq!(advisories_by_package(&rows, "npm", &name).unwrap().len(), 1);
        let folded = canonical_advisory_remembering(
            &rows,
            &site.world,
            &site.world,
            &site.settings,
            &vulnerability("CVE-2030-1"),
            &package("npm", &name),
            &memo,
        );
        assert!(folded.unwrap().is_some());
    }
    rows.1.get()
}

#[test]
fn record_of_many_packages_is_read_once_for_all() {
    for aliases in ["", r#","aliases":["GHSA-1111-2222-3333"]"#] {
        let (few, many) = (bytes_read(100, aliases), bytes_read(400, aliases));
        assert!(many < few * 6, "{few} bytes, then {many}{aliases}");
    }
}
