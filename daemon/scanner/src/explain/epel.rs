//! Chooses between the host's advisories and EPEL's, by the rules of a scan.

use crate::knowledge::{Knowledge, KnowledgeError};
use crate::purl::osv::{OsvPackage, purl_of};

/// Returns the package that a scan judges if nothing names its vendor, and a remark if EPEL has a say.
pub(super) fn choose(
    package: OsvPackage,
    knowledge: &dyn Knowledge,
) -> Result<(OsvPackage, Option<String>), KnowledgeError> {
    let Some(epel) = package.epel.as_deref() else {
        return Ok((package, None));
    };
    if !is_named(epel, epel, knowledge)? {
        return Ok((package, None));
    }
    let (host, other, name) = (&package.ecosystem, &epel.ecosystem, &epel.name);
    if is_named(&package, epel, knowledge)? {
        let url = purl_of(other, name)
            .map(|url| url.to_string())
            .unwrap_or_default();
        let remark = format!(
            "{other} has advisories about a package of this name, too, which apply to one that the Fedora Project built \
             ({url})"
        );
        return Ok((package, Some(remark)));
    }
    let remark = format!("no advisory of {host} names {name}, so those of {other} apply");
    Ok((epel.clone(), Some(remark)))
}

/// Returns true if an advisory of the package's ecosystems names it or its source in EPEL.
fn is_named(
    package: &OsvPackage,
    epel: &OsvPackage,
    knowledge: &dyn Knowledge,
) -> Result<bool, KnowledgeError> {
    let source = epel.source.as_ref().map(|source| source.name.as_str());
    for ecosystem in package.ecosystems() {
        for name in std::iter::once(epel.name.as_str()).chain(source) {
            if knowledge.knows_package(ecosystem, name)? {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use crate::explain::{Conclusion, explain};
    use crate::knowledge::{JudgedAt, SingleRecord};
    use crate::osv::Record;
    use crate::purl::PackageUrl;

    fn explained(url: &str, ecosystems: &[&str]) -> (Conclusion, String) {
        let entries: Vec<String> = ecosystems
            .iter()
            .map(|ecosystem| {
                format!(
                    r#"{{"package":{{"ecosystem":"{ecosystem}","name":"rocket"}},"ranges":[{{"type":"ECOSYSTEM",
                    "events":[{{"introduced":"0"}},{{"fixed":"2-1.el9"}}]}}]}}"#
                )
            })
            .collect();
        let record = format!(r#"{{"id":"X-1","affected":[{}]}}"#, entries.join(","));
        let record = Record::from_json(record.as_bytes()).unwrap();
        let knowledge = SingleRecord::new(record, "test");
        let url = PackageUrl::parse_lenient(url).unwrap();
        let found = explain(&url, Some("X-1"), None, &knowledge, JudgedAt::default()).unwrap();
        (found.conclusion, found.reason())
    }

    #[test]
    fn explanation_says_when_epel_decides() {
        let url = "pkg:rpm/rocky/rocket-libs@1-1.el9?distro=rocky-9.4&upstream=rocket-1-1.el9.src.rpm";
        let (conclusion, reason) = explained(url, &["EPEL:9"]);
        assert_eq!(conclusion, Conclusion::Affected);
        assert_eq!(
            reason,
            "1-1.el9 of EPEL:9 rocket-libs is within ECOSYSTEM range 0, affected from 0, fixed in 2-1.el9; no advisory \
             of Rocky Linux:9 names rocket-libs, so those of EPEL:9 apply"
        );
        let (conclusion, reason) = explained(url, &["EPEL:9", "Rocky Linux:9"]);
        assert_eq!(conclusion, Conclusion::Affected);
        assert!(
            reason.starts_with("1-1.el9 of Rocky Linux:9 rocket-libs")
                && reason.ends_with("(pkg:rpm/fedora/rocket-libs?distro=epel-9)"),
            "{reason}"
        );
        assert!(!explained(url, &["Rocky Linux:9"]).1.contains("EPEL"));
    }
}
