//! Packages of a distribution's name that another repository built: their versions have no place among the distribution's
//! fixes.

use super::release::is_codename;

/// Words that makers of repositories for RPM distributions add to their releases.
const RPM_MARKS: [&str; 22] = [
    "art",
    "ciqfips",
    "ciqlts",
    "cloudlinux",
    "codeit",
    "cpanel",
    "elrepo",
    "ghettoforge",
    "ius",
    "litespeed",
    "lve",
    "ngx",
    "nodesource",
    "okay",
    "pgdg",
    "plesk",
    "remi",
    "rpmfusion",
    "sernet",
    "tuxcare",
    "ulyaoth",
    "webtatic",
];
/// The beginnings of words that those for Debian and Ubuntu add. Both use names of their releases, too (`~bookworm`), which the
/// distributions themselves have not used since Debian 7.
const DEB_MARKS: [&str; 16] = [
    "astra",
    "debian",
    "deepin",
    "devuan",
    "dotdeb",
    "gbp",
    "kali",
    "linuxmint",
    "maria",
    "nodesource",
    "parrot",
    "pgdg",
    "plesk",
    "ppa",
    "pureos",
    "sury",
];

/// Returns true if the revision of a package's version is that of another repository than the distribution's.
pub(crate) fn is_of_another_repository(ty: &str, version: &str) -> bool {
    let (_, revision) = version.rsplit_once('-').unwrap_or(("", version));
    // Most are numbers, or of the distribution: their words are short. A number may stand before a word (`1PGDG`).
    let words = revision.split(|c: char| !c.is_ascii_alphanumeric());
    let bare = |word: &'_ str| word.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let words = words.map(|word| word.split_at(word.len() - bare(word)));
    let mut words = words.filter(|(_, word)| word.len() > 2);
    match ty {
        "rpm" => words.any(|(_, word)| {
            let release = word.strip_prefix("rhel").unwrap_or_default();
            let name = word.trim_end_matches(|c: char| c.is_ascii_digit());
            RPM_MARKS.iter().any(|mark| mark.eq_ignore_ascii_case(name))
                || release.starts_with(|c: char| c.is_ascii_digit())
        }),
        "deb" => words.any(|(number, word)| {
            let begins = |mark: &&str| {
                // Native packages of Debian have versions such as `1.2debian1`.
                let start = word
                    .get(..mark.len())
                    .filter(|_| number.is_empty() || **mark != *"debian");
                start.is_some_and(|start| start.eq_ignore_ascii_case(mark))
            };
            DEB_MARKS.iter().any(begins) || is_codename(word)
        }),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_repositorys_build_is_recognised_by_revision() {
        for (ty, version) in [
            ("rpm", "8.2.10-1.el9.remi"),
            ("rpm", "6.1.0-1.el8.elrepo"),
            ("rpm", "1:1.24.0-1.el9.ngx"),
            ("rpm", "15.4-1PGDG.rhel9"),
            ("rpm", "20.11.0-1nodesource"),
            ("rpm", "8.5.0-1.0.cf.rhel7"),
            ("rpm", "3.10.0-962.3.2.lve1.5.60.el7"),
            ("deb", "20.11.0-1nodesource1"),
            ("deb", "7.28.0-1bullseye"),
            ("deb", "2.0-1kali1"),
            ("deb", "1:10.11.6+maria~ubu2204"),
            ("deb", "1.24.0-1~bookworm"),
            ("deb", "3.11.5-1+jammy1"),
            ("deb", "8.2.20-1+0~20240608.64+debian12~1.gbp4c7d8f"),
            ("deb", "8.2.20-1+ubuntu22.04.1+deb.sury.org+1"),
            ("deb", "15.4-1.pgdg120+1"),
            ("deb", "1.2-0ubuntu1~ppa3"),
        ] {
            assert!(is_of_another_repository(ty, version), "{ty} {version}");
        }
        for (ty, version) in [
            ("rpm", "8.2.10-1.el9_4.1"),
            ("rpm", "remi-1.0-1.el9"),
            ("rpm", "1.0-1.el9.alma.1"),
            ("rpm", "1.0-1rhel"),
            ("deb", "2.0-3build1"),
            ("deb", "2.0.13debian1"),
            ("deb", "2.0-3ubuntu1.1~22.04.1"),
            ("deb", "1.0-5wheezy2"),
            ("deb", "1.22.1-9+deb12u1"),
            ("deb", "1.22.1-9~bpo11+1"),
            ("deb", "2.0-1ubuntu0.2"),
            ("deb", "1.0-1+squeeze2"),
            ("deb", "1.0-1+wheezy1"),
            ("deb", "1.0"),
            ("apk", "1.0-r1-ppa"),
        ] {
            assert!(!is_of_another_repository(ty, version), "{ty} {version}");
        }
    }
}
