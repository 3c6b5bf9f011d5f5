//! Builds of a branch of a release, which has fixes and advisories of its own.

use super::*;
use crate::explain::{Conclusion, explain};
use crate::knowledge::Statement;
use crate::purl::PackageUrl;

mod excuses;

/// The statement of a source: its name, the record with its other names, and what it says about which ecosystem and package.
#[derive(Clone, Copy)]
struct Said {
    source: &'static str,
    record: &'static str,
    /// `=` for an alias, `<` for an upstream vulnerability, `~` for a related one, each before the id.
    names: &'static str,
    ecosystem: &'static str,
    package: &'static str,
    /// The fixed version; nothing for none, `=` before a version that is listed as affected, `?` for what cannot be evaluated.
    fixed: &'static str,
    /// The module stream, if the entry has one.
    module: Option<&'static str>,
}

/// Returns what a source says about `x` as CVE-2030-1.
const fn said(source: &'static str, ecosystem: &'static str, fixed: &'static str) -> Said {
    Said {
        source,
        record: "CVE-2030-1",
        names: "",
        ecosystem,
        package: "x",
        fixed,
        module: None,
    }
}

/// Returns the same as another record with other names.
const fn named(said: Said, record: &'static str, names: &'static str) -> Said {
    Said {
        record,
        names,
        ..said
    }
}

impl Said {
    fn entry(&self) -> Affected {
        let rules = match (self.fixed, self.fixed.strip_prefix('=')) {
            (_, Some(version)) => format!(r#""versions":["{version}"]"#),
            ("?", _) => r#""ranges":[{"type":"ECOSYSTEM","events":[]}]"#.to_owned(),
            ("", _) => r#""ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"}]}]"#.to_owned(),
            (fixed, _) => format!(
                r#""ranges":[{{"type":"ECOSYSTEM","events":[{{"introduced":"0"}},{{"fixed":"{fixed}"}}]}}]"#
            ),
        };
        let module = self
            .module
            .map(|module| format!(r#","ecosystem_specific":{{"rpmmod":"{module}"}}"#));
        serde_json::from_str(&format!("{{{rules}{}}}", module.unwrap_or_default())).unwrap()
    }

    fn ids(&self, mark: char) -> Vec<String> {
        let ids = self.names.split(' ').filter_map(|name| name.strip_prefix(mark));
        ids.map(str::to_owned).collect()
    }
}

/// Folds statements as a site does: one advisory for a vulnerability in a package, with each record's statement.
fn memory(list: &[Said]) -> Memory {
    let mut memory = Memory::default();
    for said in list {
        let aliases = said.ids('=');
        let all = std::iter::once(said.record.to_owned()).chain(aliases.iter().cloned());
        let identity = all.clone().find(|id| id.starts_with("CVE-"));
        let identity = identity.unwrap_or_else(|| said.record.to_owned());
        let key = (said.ecosystem.to_owned(), said.package.to_owned());
        let row = memory.rows.entry(key).or_default();
        let at = row.iter().position(|own| own.vulnerability == identity);
        let at = at.unwrap_or_else(|| {
            row.push(Advisory {
                merge_hash: format!("{identity} {} {}", said.ecosystem, said.package),
                vulnerability: identity,
                ..Advisory::default()
            });
            row.len() - 1
        });
        let by = StatingRecord {
            record: said.record.into(),
            source: said.source.into(),
        };
        let advisory = &mut row[at];
        let upstream = said.ids('<');
        let is_one = upstream.len() == 1;
        advisory
            .ids
            .extend(all.chain(upstream.iter().filter(|_| is_one).cloned()));
        advisory.related.extend(upstream.into_iter().filter(|_| !is_one));
        advisory.related.extend(said.ids('~'));
        advisory.affected.push(said.entry());
        advisory.provenance.push(Provenance {
            source: by.source.clone(),
            record: by.record.clone(),
            sites: Vec::new(),
        });
        advisory.statements.push(Statement {
            by: vec![by],
            entries: 1,
            ..Statement::default()
        });
    }
    memory
}

/// The vulnerabilities of a package, and its standing.
#[derive(Debug, PartialEq, Eq)]
struct Judged(Vec<String>, Standing);

/// Judges a URL by a scan and by explanations, which must agree.
fn judge(list: &[Said], url: &str) -> Judged {
    let memory = memory(list);
    let result = run(&purls(&[url]), &memory);
    let mut found: Vec<String> = result
        .findings
        .iter()
        .map(|one| one.vulnerability.clone())
        .collect();
    found.dedup();
    let purl = PackageUrl::parse_lenient(url).unwrap();
    let about: BTreeSet<&str> = memory
        .rows
        .values()
        .flatten()
        .map(|advisory| advisory.vulnerability.as_str())
        .collect();
    for id in about {
        // An id that names another advisory's vulnerability finds that one, too.
        let mut leads = memory.rows.values().flatten();
        if leads.any(|one| one.vulnerability != id && one.ids.iter().chain(&one.related).any(|own| own == id))
        {
            continue;
        }
        let explained = explain(&purl, Some(id), None, &memory, JudgedAt::default()).unwrap();
        let is_affected = explained.conclusion == Conclusion::Affected;
        assert_eq!(
            is_affected,
            found.iter().any(|one| one == id),
            "{url} {id}: {}",
            explained.reason()
        );
    }
    Judged(
        found,
        result.gaps.first().map_or(Standing::Matched, |gap| gap.standing),
    )
}

fn affected() -> Judged {
    Judged(vec!["CVE-2030-1".into()], Standing::Matched)
}

fn clean() -> Judged {
    Judged(Vec::new(), Standing::Matched)
}

/// Returns the URL of a build of `x` on a host.
fn on(distro: &str, version: &str) -> String {
    package_on("x", distro, version)
}

fn package_on(name: &str, distro: &str, version: &str) -> String {
    let version = version.replace('+', "%2B");
    format!("pkg:rpm/redhat/{name}@{version}?distro={distro}&upstream=x-{version}.src.rpm")
}

const MAIN: &str = "Red Hat:enterprise_linux:9::appstream";
const EUS: &str = "Red Hat:rhel_eus:9.4::appstream";
/// What makes the release known without speaking of `x`.
const OTHER: Said = Said {
    package: "other",
    ..said("redhat", MAIN, "9-9.el9")
};
const HOSTS: [&str; 4] = ["rhel-9.4", "redhat-9.4", "rhel-9", "rhel-9.6"];

#[test]
fn advisory_of_the_branch_alone_is_a_finding() {
    for ecosystem in [
        "Red Hat:rhel_eus:9.4::appstream",
        "Red Hat:rhel_aus:9.4::baseos",
        "Red Hat:rhel_tus:9.4::crb",
        "Red Hat:rhel_e4s:9.4::sap_hana",
        "Red Hat:rhel_eus_long_life:9.4",
        "Red Hat:rhel_e4s:9.4",
    ] {
        let list = || [OTHER, said("redhat", ecosystem, "1.0-5.el9_4.2")];
        for host in HOSTS {
            for (version, expected) in [
                ("1.0-5.el9_4.1", affected()),
                ("1.0-5.el9_4.2", clean()),
                ("1.0-4.el9_5", clean()),
            ] {
                assert_eq!(
                    judge(&list(), &on(host, version)),
                    expected,
                    "{ecosystem} {host} {version}"
                );
            }
            // A build that names no branch is of its host's.
            let expected = if host.ends_with("9.4") {
                affected()
            } else {
                clean()
            };
            assert_eq!(
                judge(&list(), &on(host, "1.0-4.el9")),
                expected,
                "{ecosystem} {host}"
            );
        }
    }
}

#[test]
fn branch_is_affected_whatever_the_release_says() {
    for fix in ["1.0-3.el9", "1.0-5.el9_4", "0.9-1.el9"] {
        let list = || [said("redhat", MAIN, fix), said("redhat", EUS, "1.0-5.el9_4.2")];
        assert_eq!(
            judge(&list(), &on("rhel-9.4", "1.0-5.el9_4.1")),
            affected(),
            "{fix}"
        );
        assert_eq!(judge(&list(), &on("rhel-9.4", "1.0-5.el9_4.3")), clean(), "{fix}");
        assert_eq!(judge(&list(), &on("rhel-9.4", "1.0-6.el9_6")), clean(), "{fix}");
    }
    // Nothing fixes it there.
    let open = || [said("redhat", MAIN, "1.0-3.el9"), said("redhat", EUS, "")];
    assert_eq!(judge(&open(), &on("rhel-9.4", "1.0-5.el9_4.1")), affected());
    // It cannot be evaluated there.
    let unclear = || [said("redhat", MAIN, "1.0-3.el9"), said("redhat", EUS, "?")];
    assert_eq!(
        judge(&unclear(), &on("rhel-9.4", "1.0-5.el9_4.1")),
        Judged(Vec::new(), Standing::Undecided)
    );
    // The branch is clear about what the release is not.
    let clear = || [said("redhat", MAIN, "?"), said("redhat", EUS, "1.0-5.el9_4.2")];
    assert_eq!(judge(&clear(), &on("rhel-9.4", "1.0-5.el9_4.2")), clean());
    assert_eq!(
        judge(&clear(), &on("rhel-9.4", "1.0-5.el9_6")),
        Judged(Vec::new(), Standing::Undecided)
    );
    let unclear = || [said("redhat", MAIN, "1.0-9.el9_6"), said("redhat", EUS, "?")];
    assert_eq!(
        judge(&unclear(), &on("rhel-9.4", "1.0-5.el9_4.1")).0,
        ["CVE-2030-1"]
    );
}

#[test]
fn fix_shown_for_a_build_is_that_of_its_branch() {
    let memory = memory(&[
        said("redhat", MAIN, "1.0-9.el9_6"),
        said("redhat", EUS, "1.0-5.el9_4.2"),
    ]);
    let result = run(&purls(&[&on("rhel-9.4", "1.0-5.el9_4.1")]), &memory);
    assert_eq!(result.findings.len(), 1);
    assert_eq!(result.findings[0].fixed, ["1.0-5.el9_4.2"]);
}

#[test]
fn explanation_names_the_branch_that_decides() {
    let memory = memory(&[
        said("redhat", MAIN, "1.0-9.el9_6"),
        said("redhat", EUS, "1.0-5.el9_4.2"),
    ]);
    let of = |version: &str| {
        let purl = PackageUrl::parse_lenient(&on("rhel-9.4", version)).unwrap();
        explain(&purl, Some("CVE-2030-1"), None, &memory, JudgedAt::default()).unwrap()
    };
    let affected = of("1.0-5.el9_4.1");
    assert_eq!(affected.advisories[0].branch.as_deref(), Some(EUS));
    assert!(affected.reason().contains(EUS), "{}", affected.reason());
    let fixed = of("1.0-5.el9_4.2");
    let of_release = &fixed.advisories[1];
    assert_eq!(of_release.branch, None);
    let (_, why) = &of_release.statements[0].entries[0].unmatched[0];
    assert_eq!(*why, crate::matching::WhyNot::OtherBranch);
}

#[test]
fn branch_of_the_build_has_priority_over_the_hosts() {
    let list = || {
        [
            said("redhat", MAIN, "1.0-9.el9_6"),
            said("redhat", "Red Hat:rhel_eus:9.2::appstream", "1.0-5.el9_2.3"),
            said("redhat", EUS, "1.0-7.el9_4.1"),
        ]
    };
    for (version, expected) in [
        ("1.0-5.el9_2.3", clean()),
        ("1.0-5.el9_2.2", affected()),
        ("1.0-7.el9_4.1", clean()),
        ("1.0-7.el9_4", affected()),
        ("1.0-6.el9", affected()),
        // A later build of the release, below its fix.
        ("1.0-8.el9", affected()),
        ("1.0-8.el9_5", affected()),
    ] {
        assert_eq!(judge(&list(), &on("rhel-9.4", version)), expected, "{version}");
    }
    // A branch may have builds that name none, or an earlier one.
    let shared = || {
        [
            said("redhat", MAIN, "1.0-9.el9"),
            said("redhat", EUS, "1.0-5.el9"),
        ]
    };
    assert_eq!(judge(&shared(), &on("rhel-9.4", "1.0-6.el9_4")), clean());
    assert_eq!(judge(&shared(), &on("rhel-9.4", "1.0-5.el9")), clean());
    assert_eq!(judge(&shared(), &on("rhel-9", "1.0-5.el9")), affected());
    let earlier = || {
        [
            said("redhat", MAIN, "1.0-9.el9"),
            said("redhat", EUS, "1.0-5.el9_2"),
        ]
    };
    assert_eq!(judge(&earlier(), &on("rhel-9.4", "1.0-5.el9_2")), clean());
    assert_eq!(judge(&earlier(), &on("rhel-9.4", "1.0-6.el9")), affected());
    // A fix that only a later branch has is none of this one.
    let later = || {
        [
            said("redhat", MAIN, "1.0-9.el9"),
            said("redhat", EUS, "1.0-5.el9_6"),
        ]
    };
    assert_eq!(judge(&later(), &on("rhel-9.4", "1.0-6.el9_4")), affected());
}

#[test]
fn source_that_knows_only_the_branchs_fix_excuses_no_other() {
    let build = on("rhel-9.4", "1.0-5.el9_4.2");
    let main = || said("redhat", MAIN, "1.0-9.el9_6");
    let fix = |source| said(source, EUS, "1.0-5.el9_4.2");
    assert_eq!(judge(&[main(), fix("acme")], &build), affected());
    assert_eq!(judge(&[main(), fix("redhat")], &build), clean());
    // The distribution decides about its branches, and so do its advisories in another source.
    let other = || said("acme", MAIN, "1.0-9.el9_6");
    assert_eq!(judge(&[other(), fix("redhat")], &build), clean());
    assert_eq!(judge(&[other(), fix("acme")], &build), clean());
    assert_eq!(judge(&[other(), fix("third")], &build), affected());
    assert_eq!(judge(&[main(), other(), fix("acme")], &build), affected());
    let carried = named(fix("osv"), "RHSA-2030:1", "<CVE-2030-1");
    assert_eq!(judge(&[main(), carried], &build), clean());
    let unnamed = named(fix("acme"), "ACME-1", "=CVE-2030-1");
    assert_eq!(judge(&[main(), unnamed], &build), affected());
}

#[test]
fn statement_about_the_build_itself_is_not_excused() {
    let build = on("rhel-9.4", "1.0-5.el9_4.2");
    let fix = || said("redhat", EUS, "1.0-5.el9_4.2");
    assert_eq!(
        judge(&[said("redhat", MAIN, "=1.0-5.el9_4.2"), fix()], &build),
        affected()
    );
    assert_eq!(
        judge(&[said("redhat", MAIN, "=1.0-5.el9_4.1"), fix()], &build),
        clean()
    );
    assert_eq!(
        judge(&[said("redhat", MAIN, "1.0-5.el9_4.4"), fix()], &build),
        affected()
    );
    assert_eq!(
        judge(&[said("redhat", MAIN, "1.0-6.el9_5"), fix()], &build),
        clean()
    );
    assert_eq!(judge(&[said("redhat", MAIN, ""), fix()], &build), clean());
}

#[test]
fn fix_of_the_branch_in_another_record_names_its_vulnerability() {
    let fixed = on("rhel-9.4", "1.0-5.el9_4.2");
    let before = on("rhel-9.4", "1.0-5.el9_4.1");
    let main = || said("redhat", MAIN, "1.0-9.el9_6");
    let errata = || named(main(), "RHSA-2030:9", "<CVE-2030-1");
    let eus = || said("redhat", EUS, "1.0-5.el9_4.2");
    for (names, is_excused) in [
        ("<CVE-2030-1", true),
        ("=CVE-2030-1", true),
        ("~CVE-2030-1", false),
        ("<CVE-2030-1 <CVE-2030-2", false),
        ("<CVE-2030-2 ~CVE-2030-1", false),
        ("", false),
    ] {
        let own = || named(eus(), "RHSA-2030:1", names);
        let found = judge(&[main(), own()], &fixed);
        assert_eq!(found.0.is_empty(), is_excused, "{names}");
        assert!(!judge(&[main(), own()], &before).0.is_empty(), "{names}");
        let found = judge(&[errata(), own()], &fixed);
        assert_eq!(found.0.is_empty(), is_excused, "{names} by another advisory");
    }
    // The release's advisory of several vulnerabilities is named by none of them.
    let several = || named(main(), "RHSA-2030:9", "<CVE-2030-1 <CVE-2030-2");
    assert_eq!(judge(&[several(), eus()], &fixed).0, ["RHSA-2030:9"]);
    assert_eq!(judge(&[errata(), eus()], &fixed), clean());
    // An advisory of the branch alone is a finding by its own name.
    let alone = [OTHER, named(eus(), "RHSA-2030:1", "<CVE-2030-1")];
    assert_eq!(judge(&alone, &before).0, ["RHSA-2030:1"]);
}

#[test]
fn branches_of_release_10_have_the_releases_name() {
    let main = || {
        said(
            "redhat",
            "Red Hat:enterprise_linux:10.1::appstream",
            "1.0-9.el10_1",
        )
    };
    for ecosystem in [
        "Red Hat:enterprise_linux_eus:10.0",
        "Red Hat:enterprise_linux_eus:10.0::appstream",
        "Red Hat:enterprise_linux_e4s:10.0::baseos",
        "Red Hat:enterprise_linux_aus:10.0::baseos",
        "Red Hat:rhel_eus:10.0::crb",
    ] {
        let known = || Said {
            package: "other",
            ecosystem: "Red Hat:enterprise_linux:10.0::baseos",
            ..main()
        };
        let list = || [known(), main(), said("redhat", ecosystem, "1.0-5.el10_0.2")];
        for host in ["rhel-10.0", "rhel-10", "redhat-10.0"] {
            for (version, expected) in [
                ("1.0-5.el10_0.2", clean()),
                ("1.0-5.el10_0.1", affected()),
                ("1.0-6.el10_1", affected()),
                ("1.0-9.el10_1", clean()),
            ] {
                assert_eq!(
                    judge(&list(), &on(host, version)),
                    expected,
                    "{ecosystem} {host} {version}"
                );
            }
        }
        let alone = [known(), said("redhat", ecosystem, "1.0-5.el10_0.2")];
        assert_eq!(
            judge(&alone, &on("rhel-10.0", "1.0-5.el10_0.1")),
            affected(),
            "{ecosystem}"
        );
    }
}

#[test]
fn branches_of_older_releases_are_known() {
    for (main, branch, distro, build, other) in [
        (
            "enterprise_linux:8::baseos",
            "rhel_aus:8.4::baseos",
            "rhel-8.4",
            "el8_4",
            "el8_10",
        ),
        (
            "enterprise_linux:8::appstream",
            "rhel_tus:8.6::appstream",
            "rhel-8",
            "el8_6",
            "el8_10",
        ),
        (
            "enterprise_linux:7::server",
            "rhel_aus:7.4::server",
            "rhel-7.4",
            "el7_4",
            "el7_9",
        ),
        (
            "enterprise_linux:6::computenode",
            "rhel_eus:6.5::computenode",
            "rhel-6.5",
            "el6_5",
            "el6_10",
        ),
    ] {
        let of = |text: String| -> &'static str { text.leak() };
        let main = said(
            "redhat",
            of(format!("Red Hat:{main}")),
            of(format!("1.0-9.{other}")),
        );
        let own = said(
            "redhat",
            of(format!("Red Hat:{branch}")),
            of(format!("1.0-5.{build}.2")),
        );
        let list = [main, own];
        assert_eq!(
            judge(&list, &on(distro, &format!("1.0-5.{build}.2"))),
            clean(),
            "{branch}"
        );
        assert_eq!(
            judge(&list, &on(distro, &format!("1.0-5.{build}.1"))),
            affected(),
            "{branch}"
        );
        assert_eq!(
            judge(&list, &on(distro, &format!("1.0-9.{other}"))),
            clean(),
            "{branch}"
        );
    }
}

#[test]
fn build_of_a_module_is_of_the_branch_that_it_names() {
    let main = "Red Hat:enterprise_linux:8::appstream";
    let aus = "Red Hat:rhel_aus:8.4::appstream";
    let stream = |one: Said, module| Said {
        module: Some(module),
        ..one
    };
    let list = |module| {
        [
            stream(said("redhat", main, "6.2-9.module+el8.10.0+90+a"), "x:6"),
            stream(said("redhat", aus, "6.2-5.module+el8.4.0+50+b"), module),
        ]
    };
    let of = |version: &str| format!("{}&rpmmod=x:6:8040:c", on("rhel-8.4", version));
    assert_eq!(judge(&list("x:6"), &of("6.2-5.module+el8.4.0+50+b")), clean());
    assert_eq!(judge(&list("x:6"), &of("6.2-5.module+el8.4.0+49+b")), affected());
    assert_eq!(judge(&list("x:6"), &of("6.2-8.module+el8.8.0+80+b")), affected());
    // A fix in another stream is none of this one.
    assert_eq!(judge(&list("x:5"), &of("6.2-5.module+el8.4.0+50+b")), affected());
    let alone = [
        stream(said("redhat", main, "6.2-1.module+el8.1.0+1+a"), "x:6"),
        stream(said("redhat", aus, "6.2-5.module+el8.4.0+50+b"), "x:6"),
    ];
    assert_eq!(judge(&alone, &of("6.2-5.module+el8.4.0+49+b")), affected());
}

#[test]
fn source_and_package_are_both_names_of_a_branchs_build() {
    let of = |version: &str| package_on("x-libs", "rhel-9.4", version);
    let libs = |one: Said| Said {
        package: "x-libs",
        ..one
    };
    let main = || said("redhat", MAIN, "");
    let fix = || said("redhat", EUS, "1.0-5.el9_4.2");
    assert_eq!(judge(&[main(), libs(fix())], &of("1.0-5.el9_4.2")), clean());
    assert_eq!(judge(&[main(), fix()], &of("1.0-5.el9_4.2")), clean());
    assert_eq!(judge(&[libs(main()), fix()], &of("1.0-5.el9_4.2")), clean());
    assert_eq!(judge(&[OTHER, fix()], &of("1.0-5.el9_4.1")), affected());
    assert_eq!(judge(&[OTHER, libs(fix())], &of("1.0-5.el9_4.1")), affected());
}

#[test]
fn builds_of_other_products_are_of_no_branch() {
    for version in ["1.0-5.el9_4ost", "1.0-5.el9ost", "1.0-5.el9sat"] {
        let list = [
            said("redhat", MAIN, "1.0-9.el9"),
            said("redhat", EUS, "1.0-4.el9_4"),
        ];
        assert_eq!(
            judge(&list, &on("rhel-9.4", version)).0,
            ["CVE-2030-1"],
            "{version}"
        );
        let list = [OTHER, said("redhat", EUS, "1.0-9.el9_4")];
        assert_eq!(judge(&list, &on("rhel-9.4", version)).0.len(), 0, "{version}");
    }
}

#[test]
fn openshift_has_fixes_of_its_own() {
    let main = || said("redhat", MAIN, "4.6-5.el9");
    let own = |ecosystem, fix| said("redhat", ecosystem, fix);
    let el9 = "Red Hat:openshift:4.14::el9";
    for host in ["rhel-9.2", "rhel-9", "rhcos-4.14", "rhcos-414.92.202310170514"] {
        let list = || [main(), own(el9, "4.4-11.rhaos4.14.el9")];
        assert_eq!(
            judge(&list(), &on(host, "4.4-11.rhaos4.14.el9")),
            clean(),
            "{host}"
        );
        assert_eq!(
            judge(&list(), &on(host, "4.4-10.rhaos4.14.el9")),
            affected(),
            "{host}"
        );
        // The fix of another version of OpenShift is none of this one.
        assert_eq!(
            judge(&list(), &on(host, "4.4-12.rhaos4.13.el9")).0.len(),
            1,
            "{host}"
        );
        assert_eq!(judge(&list(), &on(host, "4.4-12.el9_2")), affected(), "{host}");
        // Builds for another release are installed, too.
        let el8 = || [main(), own("Red Hat:openshift:4.14::el8", "4.4-11.rhaos4.14.el8")];
        assert_eq!(
            judge(&el8(), &on(host, "4.4-11.rhaos4.14.el8")),
            clean(),
            "{host}"
        );
        assert_eq!(
            judge(&el8(), &on(host, "4.4-10.rhaos4.14.el8")),
            affected(),
            "{host}"
        );
        let whole = || [main(), own("Red Hat:openshift:4.14", "4.4-11.rhaos4.14.el9")];
        assert_eq!(
            judge(&whole(), &on(host, "4.4-11.rhaos4.14.el9")),
            clean(),
            "{host}"
        );
    }
    let assembly = "4.14.0-202403251040.p0.g607e2dd.assembly.stream.el9";
    let list = || [OTHER, own(el9, "4.14.0-202404010000.p0.g1.assembly.stream.el9")];
    assert_eq!(judge(&list(), &on("rhel-9.2", assembly)), affected());
}

#[test]
fn host_of_openshift_is_of_the_minor_release_that_it_is_made_from() {
    let kernel = |ecosystem| said("redhat", ecosystem, "5.14-284.52.el9_2");
    let list = |ecosystem| [said("redhat", MAIN, "5.14-362.el9_3"), kernel(ecosystem)];
    for ecosystem in ["Red Hat:openshift:4.14::el9", "Red Hat:rhel_eus:9.2::baseos"] {
        let host = "rhcos-4.14";
        assert_eq!(
            judge(&list(ecosystem), &on(host, "5.14-284.52.el9_2")),
            clean(),
            "{ecosystem}"
        );
        assert_eq!(
            judge(&list(ecosystem), &on(host, "5.14-284.51.el9_2")),
            affected(),
            "{ecosystem}"
        );
        let alone = [OTHER, kernel(ecosystem)];
        assert_eq!(
            judge(&alone, &on(host, "5.14-284.51.el9_2")),
            affected(),
            "{ecosystem}"
        );
        assert_eq!(
            judge(&alone, &on(host, "5.14-284.el9")),
            affected(),
            "{ecosystem}"
        );
    }
    // OpenShift's statements are not about other hosts, and those of a version not about another.
    let ecosystem = "Red Hat:openshift:4.14::el9";
    for host in ["rhel-9.2", "rhcos-4.15"] {
        assert_eq!(
            judge(&list(ecosystem), &on(host, "5.14-284.52.el9_2")),
            affected(),
            "{host}"
        );
        let alone = [OTHER, kernel(ecosystem)];
        assert_eq!(judge(&alone, &on(host, "5.14-284.51.el9_2")), clean(), "{host}");
    }
    // Its release is not that of OpenShift.
    for (distro, expected) in [
        ("rhcos-4.12", "Red Hat:enterprise_linux:8"),
        ("rhcos-4.18", "Red Hat:enterprise_linux:9"),
        ("rhcos-9.6.20250523", "Red Hat:enterprise_linux:9"),
        ("rhcos-4.99", "Red Hat"),
        ("rhcos", "Red Hat"),
    ] {
        for namespace in ["redhat", "rhcos"] {
            let url = format!("pkg:rpm/{namespace}/x@1-1.el9?distro={distro}");
            let package = crate::purl::osv::package_of(&PackageUrl::parse_lenient(&url).unwrap()).unwrap();
            assert_eq!(package.ecosystem, expected, "{url}");
        }
    }
}

#[test]
fn hosts_of_two_branches_in_one_document_are_judged_apart() {
    let list = [OTHER, said("redhat", EUS, "1.0-5.el9_4.2")];
    let here = on("rhel-9.4", "1.0-4.el9");
    let there = on("rhel-9.2", "1.0-4.el9");
    let all: Vec<&str> = [here.as_str(), there.as_str()]
        .into_iter()
        .cycle()
        .take(12)
        .collect();
    let result = run(&purls(&all), &memory(&list));
    assert_eq!(result.findings.len(), 1);
    assert_eq!(result.findings[0].places.len(), 6);
}

#[test]
fn documents_distribution_is_the_branch_of_its_packages() {
    let list = [OTHER, said("redhat", EUS, "1.0-5.el9_4.2")];
    for (release, expected) in [("9.4", 1), ("9.2", 0), ("9", 0)] {
        let system = format!(r#"{{"type":"operating-system","name":"rhel","version":"{release}"}}"#);
        let package = r#"{"type":"library","name":"x","purl":"pkg:rpm/redhat/x@1.0-4.el9?upstream=x-1.0-4.el9.src.rpm"}"#;
        let result = run(&inventory(&[system.as_str(), package].join(",")), &memory(&list));
        assert_eq!(result.findings.len(), expected, "{release}");
    }
}
