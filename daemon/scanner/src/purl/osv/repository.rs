//! Packages of a distribution's name that another repository built: their versions have no place among the distribution's
//! fixes.

use super::release::is_codename;

/// Words that makers of repositories for RPM distributions add to their releases.
const RPM_MARKS: [&str; 8] = [
    "art",
    "elrepo",
    "ius",
    "ngx",
    "remi",
    "rpmfusion",
    "sernet",
    "webtatic",
];
/// The beginnings of words that those for Debian and Ubuntu add. Both use names of their releases, too (`~bookworm`), which the
/// distributions themselves have not used since Debian 7.
const DEB_MARKS: [&str; 6] = ["debian", "dotdeb", "gbp", "pgdg", "ppa", "sury"];

/// Returns true if the revision of a package's version is that of another repository than the distribution's.
pub(crate) fn is_of_another_repository(ty: &str, version: &str) -> bool {
    let (_, revision) = version.rsplit_once('-').unwrap_or(("", version));
    // Most are numbers, or of the distribution: they begin with a digit, or are short.
    let words = revision.split(|c: char| !c.is_ascii_alphanumeric());
    let mut words =
        words.filter(|word| word.len() > 2 && word.starts_with(|c: char| c.is_ascii_alphabetic()));
    match ty {
        "rpm" => words.any(|word| RPM_MARKS.iter().any(|mark| mark.eq_ignore_ascii_case(word))),
        "deb" => words.any(|word| {
            let begins = |mark: &&str| {
                let start = word.get(..mark.len());
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
