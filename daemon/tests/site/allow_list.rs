//! Entries of the allow-list.

use serde_json::json;
use starling_api_types::{ErrorCode, SiteSlug};

use crate::bench::{Bench, code};

#[test]
fn display_name_that_cannot_be_shown_is_refused() {
    let bench = Bench::new();
    let (site, other) = (bench.site("site-a"), bench.site("site-b"));
    site.list(&other, &["*"]);
    let slug: SiteSlug = "site-b".parse().unwrap();
    let rename = |name: &str| {
        let change = serde_json::from_value(json!({ "display_name": name })).unwrap();
        site.wait(site.service.change_site(&slug, change))
    };
    for name in ["", " ", "a\0b", "a\u{202e}b", "a\n", &"x".repeat(101)] {
        assert_eq!(code(rename(name)), ErrorCode::BadRequest, "{name:?}");
    }
    let longest = "\u{6f22}".repeat(100);
    assert_eq!(rename(&longest).unwrap().display_name, longest);
}
