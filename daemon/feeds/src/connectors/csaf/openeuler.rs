//! Products of openEuler: RPM packages of a release, without package URLs.
//!
//! A platform has the CPE name of a release (`cpe:/a:openEuler:openEuler:22.03-LTS-SP3`), a component the name of an RPM
//! file (`vim-9.0-33.oe2203sp3.src.rpm`).

use std::collections::BTreeSet;

use super::super::draft::{Affected, Draft, Range};
use super::super::rpm::{self, Nevra};
use super::super::text::quote;
use super::super::value;
use super::status::Statements;
use super::tree::Tree;

/// Ecosystem, package, fixed version (`None` without a fix), and the plan for a fix.
type Key = (String, String, Option<String>, Option<&'static str>);

/// Creates entries for the products that are packages of openEuler.
pub(super) fn affected<'v>(
    draft: &mut Draft<'v>,
    tree: &Tree<'v>,
    statements: &Statements<'v>,
) -> Vec<Affected<'v>> {
    let mut entries: BTreeSet<Key> = BTreeSet::new();
    let mut without: BTreeSet<(String, String)> = BTreeSet::new();
    for id in &statements.fixed {
        let Some((ecosystem, component)) = parts(tree, id) else {
            continue;
        };
        match Nevra::of_build(component) {
            Some(nevra) => {
                let evr = nevra.evr();
                entries.insert((ecosystem, nevra.name, Some(evr), None));
            }
            None => {
                draft.warn(format!("the fixed product \"{}\" has no version", quote(id)));
                without.insert((ecosystem, name_of(component)));
            }
        }
    }
    for id in statements.each.iter().flat_map(|stated| &stated.unclear) {
        without.extend(parts(tree, id).map(|(ecosystem, component)| (ecosystem, name_of(component))));
    }
    for id in statements.affected.iter().chain(&statements.investigated) {
        let Some((ecosystem, component)) = parts(tree, id) else {
            continue;
        };
        let is_investigated = !statements.affected.contains(id);
        let plan = statements
            .plan(id)
            .or(is_investigated.then_some("under_investigation"));
        entries.insert((ecosystem, name_of(component), None, plan.or(Some("none"))));
    }
    let entries = entries.into_iter().map(|(ecosystem, name, fixed, plan)| {
        let mut entry = Affected::of(ecosystem, name);
        entry.ranges.push(match fixed {
            Some(fixed) => Range::before(fixed),
            None => Range::from("0"),
        });
        if let Some(plan) = plan {
            entry.specific.push(("fix_state", value::text(plan)));
        }
        entry
    });
    let without = without.into_iter().map(|(ecosystem, name)| {
        let mut entry = Affected::of(ecosystem, name);
        entry.ranges.push(Range::undecided());
        entry
    });
    entries.chain(without).collect()
}

/// Returns the ecosystem of a product's platform, and its component; `None` if it is not of openEuler.
pub(super) fn parts<'v>(tree: &Tree<'v>, id: &str) -> Option<(String, &'v str)> {
    let (component, platform) = tree.parts(id)?;
    let cpe = tree.get(platform)?.cpe?.trim();
    let (start, release) = cpe.rsplit_once(':')?;
    let is_own = ["cpe:/a:openeuler:openeuler", "cpe:/o:openeuler:openeuler"]
        .iter()
        .any(|own| start.eq_ignore_ascii_case(own));
    let begins = release.starts_with(|c: char| c.is_ascii_digit());
    (is_own && begins).then(|| (format!("openEuler:{}", release.to_ascii_uppercase()), component))
}

/// Returns the name of a component, which may be that of a build.
fn name_of(component: &str) -> String {
    let component = component.strip_suffix(".rpm").unwrap_or(component);
    match Nevra::parse(component) {
        Some(nevra) => nevra.name,
        None => rpm::without_arch(component).to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use crate::connectors::tests::{json_records, noted, ranges, warnings};

    const DOCUMENT: &str = r#"{"document":{"category":"csaf_vex","csaf_version":"2.0","title":"rocket security update","publisher":{"name":"openEuler","namespace":"https://www.openeuler.org"},
 "tracking":{"id":"openEuler-SA-2030-1","status":"final","initial_release_date":"2030-01-01T00:00:00Z","current_release_date":"2030-01-02T00:00:00Z"}},
"product_tree":{"branches":[{"category":"vendor","name":"openEuler","branches":[
  {"category":"product_version","name":"r","product":{"name":"r","product_id":"openEuler-22.03-LTS-SP3","product_identification_helper":{"cpe":"cpe:/a:openEuler:openEuler:22.03-LTS-SP3"}}},
  {"category":"product_version","name":"r","product":{"name":"r","product_id":"openEuler-24.03-LTS","product_identification_helper":{"cpe":"cpe:/a:openEuler:openEuler:24.03-LTS"}}},
  {"category":"product_version","name":"p","product":{"name":"p","product_id":"rocket-9.0-33.oe2203sp3.src.rpm","product_identification_helper":{"cpe":"cpe:/a:openEuler:openEuler:22.03-LTS-SP3"}}}]}],
 "relationships":[
  {"full_product_name":{"product_id":"1"},"product_reference":"rocket-9.0-33.oe2203sp3.src.rpm","relates_to_product_reference":"openEuler-22.03-LTS-SP3"},
  {"full_product_name":{"product_id":"2"},"product_reference":"rocket-libs-9.0-33.oe2203sp3.aarch64.rpm","relates_to_product_reference":"openEuler-22.03-LTS-SP3"},
  {"full_product_name":{"product_id":"3"},"product_reference":"rocket","relates_to_product_reference":"openEuler-24.03-LTS"},
  {"full_product_name":{"product_id":"4"},"product_reference":"sled","relates_to_product_reference":"openEuler-24.03-LTS"},
  {"full_product_name":{"product_id":"5"},"product_reference":"car","relates_to_product_reference":"openEuler-24.03-LTS"}]},
"vulnerabilities":[{"cve":"CVE-2030-0001","product_status":{"fixed":["1","2","4"],"known_affected":["3"],"odd":["5"]},
  "remediations":[{"category":"no_fix_planned","details":"x","product_ids":["3"]}]}]}"#;

    #[test]
    fn comma_after_the_last_item_is_passed_over() {
        let odd = DOCUMENT.replace(r#""product_ids":["3"]}]"#, r#""product_ids":["3"],},]"#);
        assert_ne!(odd, DOCUMENT);
        assert_eq!(
            ranges(&json_records("csaf", odd.as_bytes())[0]),
            ranges(&json_records("csaf", DOCUMENT.as_bytes())[0])
        );
        assert!(noted("csaf", odd.as_bytes())[0].contains("JSON does not allow"));
        assert!(noted("csaf", DOCUMENT.as_bytes()).is_empty());
    }

    #[test]
    fn packages_of_its_releases_have_entries() {
        let record = &json_records("csaf", DOCUMENT.as_bytes())[0];
        assert_eq!(
            ranges(record),
            [
                "openEuler:22.03-LTS-SP3 rocket introduced=0 fixed=9.0-33.oe2203sp3",
                "openEuler:22.03-LTS-SP3 rocket-libs introduced=0 fixed=9.0-33.oe2203sp3",
                "openEuler:24.03-LTS rocket introduced=0",
                "openEuler:24.03-LTS car",
                "openEuler:24.03-LTS sled",
            ]
        );
        assert_eq!(
            record["affected"][2]["database_specific"]["fix_state"],
            "will_not_fix"
        );
        let warnings = warnings("csaf", DOCUMENT.as_bytes());
        assert!(
            warnings
                .iter()
                .any(|warning| warning == "the fixed product \"4\" has no version"),
            "{warnings:?}"
        );
        let other = DOCUMENT.replace("openEuler:openEuler", "acme:box");
        assert!(json_records("csaf", other.as_bytes())[0]["affected"].is_null());
    }
}
