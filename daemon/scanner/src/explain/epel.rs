//! Chooses between the host's advisories and EPEL's, by the rules of a scan.

use crate::knowledge::{Knowledge, KnowledgeError};
use crate::purl::osv::{OsvPackage, purl_of};
use crate::scan::{Choice, choose};

/// The advisories that a scan evaluates if the package's vendor is unknown.
pub(super) struct Chosen {
    /// The package whose advisories apply.
    pub(super) package: OsvPackage,
    /// The package of EPEL whose advisories leave it in doubt.
    pub(super) doubted: Option<OsvPackage>,
    /// True if EPEL's advisories may use another name for it.
    pub(super) is_name_unknown: bool,
    /// True if its host's release is unknown here, so that nothing follows from EPEL's silence.
    pub(super) is_host_unknown: bool,
    /// A remark if EPEL has a say.
    pub(super) remark: Option<String>,
}

impl Chosen {
    fn host(package: OsvPackage) -> Self {
        Self {
            package,
            doubted: None,
            is_name_unknown: false,
            is_host_unknown: false,
            remark: None,
        }
    }
}

/// Chooses what a scan evaluates.
pub(super) fn chosen(package: OsvPackage, knowledge: &dyn Knowledge) -> Result<Chosen, KnowledgeError> {
    let Some(epel) = package.epel.clone() else {
        return Ok(Chosen::host(package));
    };
    let mut named = knowledge;
    let choice = choose(&package, &epel, None, || false, &mut named)?;
    let (host, other, name) = (package.ecosystem.to_string(), &epel.ecosystem, &epel.name);
    Ok(match choice {
        Choice::Host => Chosen::host(package),
        Choice::HostUnlessSource => Chosen {
            is_name_unknown: true,
            remark: Some(format!(
                "advisories of {other} may name its source, which is unknown"
            )),
            ..Chosen::host(package)
        },
        Choice::HostUnlessEpel => {
            let url = purl_of(other, name)
                .map(|url| url.to_string())
                .unwrap_or_default();
            let remark = format!(
                "{other} has advisories about a package of this name, too, which apply to one that the Fedora Project built \
                 ({url})"
            );
            Chosen {
                doubted: Some(*epel),
                remark: Some(remark),
                ..Chosen::host(package)
            }
        }
        Choice::Epel | Choice::EpelUnlessHost | Choice::EpelOnUnknownHost => {
            let remark = format!("no advisory of {host} names {name}, so those of {other} apply");
            Chosen {
                is_host_unknown: choice == Choice::EpelOnUnknownHost,
                remark: Some(remark),
                ..Chosen::host(*epel)
            }
        }
    })
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
