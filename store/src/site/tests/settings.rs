//! Tests the settings of the fold, and readers while they change.

use super::*;

#[test]
fn readers_see_the_settings_of_their_view() {
    let site = TestSite::new("site-a", 1);
    site.say(&[("A-1", Some("one"))], 1);
    let other = || Settings {
        policy: ViewPolicy {
            source_order: vec![source()],
            ..ViewPolicy::default()
        }
        .compile(site.chain.site()),
        decisions: Default::default(),
        normalise_name: |_, name| name.to_owned(),
        products_of: |_| Default::default(),
    };
    let reader = site.store.view().unwrap();
    let before = reader.settings().mark();
    assert_ne!(before, other().mark());
    site.store.set_settings(other()).unwrap();
    assert_eq!(reader.settings().mark(), before);
    assert_eq!(site.store.view().unwrap().settings().mark(), other().mark());
}

#[test]
fn listed_key_under_another_name_is_refused_by_its_entry() {
    let (a, b) = (TestSite::new("a", 1), TestSite::new("b", 2));
    b.list(&a, &[]);
    let entry = b.store.listed_site(a.chain.slug()).unwrap();
    let again = b.store.list_site(entry.clone(), None).unwrap_err();
    assert!(matches!(again, StoreError::SiteExists { .. }), "{again}");
    let renamed = ListedSite {
        slug: "other".parse().unwrap(),
        ..entry
    };
    let problem = b.store.list_site(renamed, None).unwrap_err().to_string();
    assert!(
        problem.starts_with("adding site other: this key is on the allow-list already, as a;"),
        "{problem}"
    );
}
