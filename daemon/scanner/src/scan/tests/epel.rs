//! Packages of EPEL on hosts of Enterprise Linux.

use super::*;
use crate::index::{IndexWriter, MatchIndex};

/// As Bodhi writes it: with the source.
const OF_EPEL: &str = r#"{"id":"FEDORA-EPEL-2030-1","affected":[{"package":{"ecosystem":"EPEL:9","name":"rocket"},
    "ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"},{"fixed":"2.0-2.el9"}]}]}]}"#;

/// Returns a host's advisory about a package.
fn of_host(ecosystem: &str, name: &str) -> String {
    let range = r#"{"type":"ECOSYSTEM","events":[{"introduced":"0"},{"fixed":"1.5-1.el9"}]}"#;
    format!(
        r#"{{"id":"HOST-1","affected":[{{"package":{{"ecosystem":"{ecosystem}","name":"{name}"}},"ranges":[{range}]}}]}}"#
    )
}

/// A host by the namespace of its packages, its distribution and its ecosystem.
const HOSTS: [[&str; 3]; 6] = [
    ["rocky", "rocky-9.4", "Rocky Linux:9"],
    ["almalinux", "almalinux-9.4", "AlmaLinux:9"],
    ["redhat", "rhel-9.4", "Red Hat:enterprise_linux:9::appstream"],
    ["centos", "centos-9", "Red Hat:enterprise_linux:9::baseos"],
    ["oracle", "ol-9", "Oracle Linux:9"],
    ["ol", "ol-9.2", "Oracle Linux:9"],
];

fn libs(namespace: &str, distro: &str, version: &str) -> String {
    format!("pkg:rpm/{namespace}/rocket-libs@{version}?distro={distro}&upstream=rocket-{version}.src.rpm")
}

/// Returns the ecosystems of the findings, and the standing.
fn judged(purl: &str, more: &str, memory: &Memory) -> (Vec<String>, Standing) {
    let text = format!(r#"{{"type":"library","name":"c","purl":"{purl}"{more}}}"#);
    judged_in(&inventory(&text), memory)
}

fn judged_in(inventory: &Inventory, memory: &Memory) -> (Vec<String>, Standing) {
    let result = run(inventory, memory);
    let standing = result.gaps.first().map_or(Standing::Matched, |gap| gap.standing);
    let findings = result.findings.iter();
    let ecosystems = findings.map(|found| found.package.ecosystem.clone()).collect();
    (ecosystems, standing)
}

const NONE: [&str; 0] = [];

#[test]
fn package_unknown_to_its_host_is_evaluated_with_epel() {
    for [namespace, distro, ecosystem] in HOSTS {
        let host = of_host(ecosystem, "kernel");
        let memory = Memory::with(&[OF_EPEL, &host]);
        let at = |version| judged(&libs(namespace, distro, version), "", &memory);
        assert_eq!(
            at("2.0-1.el9"),
            (vec!["EPEL:9".into()], Standing::Matched),
            "{distro}"
        );
        assert_eq!(at("2.0-2.el9"), (vec![], Standing::Matched), "{distro}");
        let source = format!("pkg:rpm/{namespace}/rocket@2.0-1.el9?distro={distro}");
        assert_eq!(judged(&source, "", &memory).0, ["EPEL:9"], "{distro}");
        // Other releases of EPEL are about other builds.
        let eight = OF_EPEL.replace("EPEL:9", "EPEL:8");
        let memory = Memory::with(&[&eight, &host]);
        assert_eq!(
            judged(&libs(namespace, distro, "2.0-1.el9"), "", &memory).0,
            NONE,
            "{distro}"
        );
    }
}

#[test]
fn verdict_depends_on_epel_where_it_decides() {
    let memory = Memory::with(&[OF_EPEL, &of_host("Rocky Linux:9", "kernel")]);
    let systems = |purl: &str| {
        let result = run(&purls(&[purl]), &memory);
        result.ecosystems.into_keys().collect::<Vec<_>>()
    };
    let fixed = libs("rocky", "rocky-9", "2.0-2.el9");
    assert_eq!(systems(&fixed), ["EPEL", "Rocky Linux"]);
    assert_eq!(
        systems("pkg:rpm/rocky/kernel@2-1.el9?distro=rocky-9"),
        ["Rocky Linux"]
    );
}

#[test]
fn package_known_to_its_host_is_evaluated_with_the_host() {
    for [namespace, distro, ecosystem] in HOSTS {
        for name in ["rocket-libs", "rocket"] {
            let memory = Memory::with(&[OF_EPEL, &of_host(ecosystem, name)]);
            let at = |version| judged(&libs(namespace, distro, version), "", &memory);
            assert_eq!(at("1.5-1.el9").0, NONE, "{distro} {name}");
        }
        let memory = Memory::with(&[OF_EPEL, &of_host(ecosystem, "rocket-libs")]);
        let (found, _) = judged(&libs(namespace, distro, "1.4-1.el9"), "", &memory);
        assert_eq!(found.len(), 1);
        assert_ne!(found[0], "EPEL:9");
    }
}

#[test]
fn vendor_says_whose_package_it_is() {
    let purl = libs("rocky", "rocky-9", "1.6-1.el9");
    let both = Memory::with(&[OF_EPEL, &of_host("Rocky Linux:9", "rocket")]);
    for fedora in [
        r#","publisher":"Fedora Project""#,
        r#","supplier":{"name":"Fedora Project"}"#,
        r#","properties":[{"name":"syft:metadata:vendor","value":"Fedora Project"}]"#,
    ] {
        assert_eq!(
            judged(&purl, fedora, &both),
            (vec!["EPEL:9".into()], Standing::Matched),
            "{fedora}"
        );
    }
    let rocky = r#","publisher":"Rocky Enterprise Software Foundation""#;
    assert_eq!(judged(&purl, rocky, &both), (vec![], Standing::Matched));
    let only_epel = Memory::with(&[OF_EPEL, &of_host("Rocky Linux:9", "kernel")]);
    assert_eq!(judged(&purl, rocky, &only_epel), (vec![], Standing::Matched));
    // They rebuild packages of EPEL.
    for maker in ["AlmaLinux", "Oracle America"] {
        let maker = format!(r#","publisher":"{maker}""#);
        assert_eq!(judged(&purl, &maker, &only_epel).0, ["EPEL:9"], "{maker}");
    }
    // Nothing speaks about a package of EPEL but its advisories.
    let only_host = Memory::with(&[&of_host("Rocky Linux:9", "kernel")]);
    let fedora = r#","publisher":"Fedora Project""#;
    assert_eq!(judged(&purl, fedora, &only_host), (vec![], Standing::NoKnowledge));
    let same_name = Memory::with(&[&of_host("Rocky Linux:9", "rocket")]);
    let (found, standing) = judged(&libs("rocky", "rocky-9", "1.4-1.el9"), fedora, &same_name);
    assert_eq!((found.len(), standing), (1, Standing::Undecided));
}

#[test]
fn url_of_the_fedora_project_for_enterprise_linux_is_of_epel() {
    let memory = Memory::with(&[OF_EPEL, &of_host("Fedora:9", "rocket")]);
    for url in [
        "pkg:rpm/fedora/rocket@2.0-1.el9?distro=epel-9",
        "pkg:rpm/fedora/rocket@2.0-1.el9?distro=rocky-9.4",
        "pkg:rpm/fedora/rocket@2.0-1.el9?distro=el9",
        "pkg:rpm/epel/rocket@2.0-1.el9?distro=epel-9",
        "pkg:rpm/epel/rocket@2.0-1.el9?distro=almalinux-9.1",
        "pkg:rpm/rocky/rocket@2.0-1.el9?distro=EPEL-9",
        "pkg:rpm/rocket@2.0-1.el9?distro=epel-9",
    ] {
        let url = format!("{url}&upstream=rocket-2.0-1.el9.src.rpm");
        assert_eq!(
            judged(&url, "", &memory),
            (vec!["EPEL:9".into()], Standing::Matched),
            "{url}"
        );
    }
    let unreleased = judged("pkg:rpm/epel/rocket@2.0-1.el9", "", &memory);
    assert_eq!(unreleased, (vec![], Standing::NoDistro));
}

#[test]
fn unknown_source_that_epel_may_name_is_in_doubt() {
    let memory = Memory::with(&[OF_EPEL, &of_host("AlmaLinux:9", "kernel")]);
    let bare = |name: &str| format!("pkg:rpm/almalinux/{name}@1-1.el9?distro=almalinux-9");
    assert_eq!(
        judged(&bare("rocket-libs"), "", &memory),
        (vec![], Standing::Undecided)
    );
    assert_eq!(judged(&bare("kernel"), "", &memory).1, Standing::Matched);
    let without = Memory::with(&[&of_host("AlmaLinux:9", "kernel")]);
    assert_eq!(
        judged(&bare("rocket-libs"), "", &without),
        (vec![], Standing::Matched)
    );
    let named = [bare("rocket-libs"), libs("almalinux", "almalinux-9", "2.0-2.el9")];
    let document = purls(&[&named[0], &named[1]]);
    assert_eq!(judged_in(&document, &memory), (vec![], Standing::Matched));
}

#[test]
fn host_without_knowledge_leaves_its_package_in_doubt() {
    let memory = Memory::with(&[OF_EPEL]);
    let at = |version| judged(&libs("rocky", "rocky-9", version), "", &memory);
    assert_eq!(at("2.0-1.el9"), (vec!["EPEL:9".into()], Standing::Undecided));
    assert_eq!(at("2.0-2.el9"), (vec![], Standing::NoKnowledge));
}

#[test]
fn package_of_enterprise_linux_on_amazon_linux_may_be_of_epel() {
    let seven = OF_EPEL.replace("el9", "el7").replace("EPEL:9", "EPEL:7");
    let memory = Memory::with(&[&seven, &of_host("Amazon Linux:2", "kernel")]);
    let at = |version| judged(&libs("amazon", "amzn-2", version), "", &memory);
    assert_eq!(at("2.0-1.el7"), (vec!["EPEL:7".into()], Standing::Matched));
    assert_eq!(at("2.0-1.amzn2"), (vec![], Standing::Matched));
}

/// Returns the doubt about the package.
fn doubt_about(purl: &str, memory: &Memory) -> Option<Doubt> {
    let result = run(&purls(&[purl]), memory);
    result.gaps.into_iter().next()?.doubt
}

#[test]
fn package_that_only_epel_calls_affected_is_in_doubt() {
    for [namespace, distro, ecosystem] in HOSTS {
        let memory = Memory::with(&[OF_EPEL, &of_host(ecosystem, "rocket-libs")]);
        let at = |version: &str| judged(&libs(namespace, distro, version), "", &memory);
        assert_eq!(at("1.5-1.el9"), (vec![], Standing::Undecided), "{distro}");
        assert_eq!(at("2.0-2.el9"), (vec![], Standing::Matched), "{distro}");
        // The release is one that builds of EPEL do not have.
        assert_eq!(at("1.5-1.el9_4"), (vec![], Standing::Matched), "{distro}");
        let doubt = doubt_about(&libs(namespace, distro, "1.5-1.el9"), &memory).unwrap();
        assert_eq!(
            (doubt.cause, &doubt.vulnerabilities[..], doubt.number),
            (DoubtCause::Vendor, &["FEDORA-EPEL-2030-1".to_owned()][..], 1),
            "{distro}"
        );
        // A version that both call affected is not doubtful.
        let same = of_host(ecosystem, "rocket").replace("HOST-1", "FEDORA-EPEL-2030-1");
        let memory = Memory::with(&[OF_EPEL, &same]);
        let source = format!("pkg:rpm/{namespace}/rocket@1.4-1.el9?distro={distro}");
        let (found, standing) = judged(&source, "", &memory);
        assert_eq!((found.len(), standing), (1, Standing::Matched), "{distro}");
    }
}

#[test]
fn build_of_the_hosts_vendor_is_not_evaluated_with_epel() {
    let memory = Memory::with(&[OF_EPEL, &of_host("Rocky Linux:9", "kernel")]);
    let of = |version: &str, more: &str| judged(&libs("rocky", "rocky-9", version), more, &memory);
    assert_eq!(of("1-1.el9_4", ""), (vec![], Standing::Matched));
    assert_eq!(of("1-1.el9", "").0, ["EPEL:9"]);
    let fedora = r#","publisher":"Fedora Project""#;
    assert_eq!(of("1-1.el9_4", fedora).0, ["EPEL:9"], "the document knows better");
    let memory = Memory::with(&[OF_EPEL, &of_host("AlmaLinux:9", "kernel")]);
    let bare = |version: &str| format!("pkg:rpm/almalinux/glue@{version}?distro=almalinux-9");
    assert_eq!(judged(&bare("1-1.el9"), "", &memory).1, Standing::Undecided);
    assert_eq!(judged(&bare("1-1.el9_4"), "", &memory).1, Standing::Matched);
}

/// One namespace of a distribution names sources, the other does not.
#[test]
fn order_does_not_decide_which_repeats_have_a_source() {
    let memory = Memory::with(&[OF_EPEL, &of_host("Oracle Linux:9", "kernel")]);
    let (ol, oracle) = (
        "pkg:rpm/ol/glue@1-1.el9?distro=ol-9",
        "pkg:rpm/oracle/glue@1-1.el9?distro=ol-9",
    );
    let named = "pkg:rpm/ol/kernel-core@9-1.el9?distro=ol-9&upstream=kernel-9-1.el9.src.rpm";
    let coverage = |list: &[&str]| run(&purls(list), &memory).coverage;
    let first = coverage(&[named, ol, ol, oracle, oracle]);
    assert_eq!((first.matched, first.undecided), (3, 2));
    for list in [
        [oracle, oracle, ol, ol, named],
        [ol, oracle, ol, oracle, named],
        [oracle, ol, named, oracle, ol],
    ] {
        assert_eq!(coverage(&list), first);
    }
}

/// A memo and repeated components give what a first scan gives.
#[test]
fn remembered_package_of_epel_is_the_same() {
    let memory = Memory::with(&[OF_EPEL, &of_host("Rocky Linux:9", "rocket")]);
    let mut writer = IndexWriter::new(Vec::new());
    for ((ecosystem, name), advisories) in &memory.rows {
        writer.add(ecosystem, name, advisories).unwrap();
    }
    let index = MatchIndex::open(writer.finish(&[0; 32]).unwrap())
        .unwrap()
        .remembering(64);
    let component = |version: &str, more: &str| {
        let purl = libs("rocky", "rocky-9", version);
        format!(r#"{{"type":"library","name":"c","purl":"{purl}"{more}}}"#)
    };
    let fedora = r#","publisher":"Fedora Project""#;
    let mut list = Vec::new();
    for _ in 0..3 {
        for version in ["1.6-1.el9", "3-1.el9"] {
            list.extend([component(version, ""), component(version, fedora)]);
        }
    }
    let document = inventory(&list.join(","));
    let first = run(&document, &index);
    assert_eq!(first.findings.len(), 1);
    assert_eq!(first.findings[0].places.len(), 3);
    assert_eq!(run(&document, &index), first);
}
