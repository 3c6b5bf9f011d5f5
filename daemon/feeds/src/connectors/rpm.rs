//! Parses names of RPM packages.

/// The parts of `name-[epoch:]version-release[.arch][.rpm]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Nevra {
    pub(crate) name: String,
    /// Empty if it is missing.
    pub(crate) epoch: String,
    pub(crate) version: String,
    pub(crate) release: String,
    /// Empty if it is missing.
    pub(crate) arch: String,
}

/// The architecture suffixes of package names.
const ARCHS: [&str; 36] = [
    "noarch",
    "x86_64",
    "i386",
    "i486",
    "i586",
    "i686",
    "aarch64",
    "ppc",
    "ppc64",
    "ppc64le",
    "s390",
    "s390x",
    "src",
    "ia64",
    "armv7hl",
    "armv7l",
    "riscv64",
    "aarch64_ilp32",
    "nosrc",
    "x86_64_v2",
    "x86_64_v3",
    "alpha",
    "amd64",
    "arm64",
    "armv5tel",
    "armv6hl",
    "armv7hnl",
    "athlon",
    "ia32e",
    "loongarch64",
    "mips64el",
    "ppc64iseries",
    "ppc64p7",
    "sparc64",
    "sparcv9",
    "sw_64",
];

impl Nevra {
    /// Parses a name; also `epoch:name-version-release`. `None` if it has no version and release.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let found = Self::of_build(text)?;
        // A name may contain dashes and digits: version and release begin with a number, unless an epoch before the
        // version shows where it begins.
        let begins_with_digit = |part: &str| part.starts_with(|c: char| c.is_ascii_digit());
        let begins_like_release = |release: &str| {
            ["lp1", "bp1", "slfo."]
                .iter()
                .any(|front| release.starts_with(front))
        };
        let is_release = begins_with_digit(&found.release) || begins_like_release(&found.release);
        let is_placed = text.contains(&format!("-{}:{}-", found.epoch, found.version));
        (is_placed || (begins_with_digit(&found.version) && is_release)).then_some(found)
    }

    /// Parses the name of a build, which certainly has a version and a release: each contains a digit.
    pub(crate) fn of_build(text: &str) -> Option<Self> {
        let text = text.trim();
        let text = text.strip_suffix(".rpm").unwrap_or(text);
        let text = text.split("::").next().unwrap_or(text);
        let (text, arch) = match text.rsplit_once('.') {
            Some((rest, arch)) if ARCHS.contains(&arch) => (rest, arch),
            _ => (text, ""),
        };
        let (rest, release) = text.rsplit_once('-')?;
        let (name, version) = rest.rsplit_once('-')?;
        let (name, front) = match name.split_once(':') {
            Some((epoch, name)) if is_number(epoch) => (name, epoch),
            _ => (name, ""),
        };
        let (epoch, version) = match version.split_once(':') {
            Some((epoch, version)) if is_number(epoch) => (epoch, version),
            _ => (front, version),
        };
        let is_sound = |part: &str| {
            !part.is_empty() && !part.contains(|c: char| c.is_whitespace() || "/\\:".contains(c))
        };
        let has_digit = |part: &str| part.contains(|c: char| c.is_ascii_digit());
        let is_version = has_digit(version) && has_digit(release);
        (is_sound(name) && is_sound(version) && is_sound(release) && is_version).then(|| Self {
            name: name.to_owned(),
            epoch: epoch.to_owned(),
            version: version.to_owned(),
            release: release.to_owned(),
            arch: arch.to_owned(),
        })
    }

    /// Returns the version in the form of advisories: with its epoch, unless that is 0.
    pub(crate) fn evr(&self) -> String {
        with_epoch(&format!("{}-{}", self.version, self.release), &self.epoch)
    }
}

/// Returns a package's name without the suffix of its architecture.
pub(crate) fn without_arch(name: &str) -> &str {
    match name.rsplit_once('.') {
        Some((rest, arch)) if ARCHS.contains(&arch) => rest,
        _ => name,
    }
}

/// Adds the epoch to a version, unless it is 0 or already there.
pub(crate) fn with_epoch(version: &str, epoch: &str) -> String {
    let epoch = epoch.trim();
    let version = version.strip_prefix("0:").unwrap_or(version);
    if !is_number(epoch) || epoch.bytes().all(|byte| byte == b'0') || version.contains(':') {
        version.to_owned()
    } else {
        format!("{epoch}:{version}")
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Decodes `%2B` and similar escapes; invalid ones stay.
pub(crate) fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let hex = (*first == b'%').then(|| tail.get(..2)).flatten();
        let byte = hex.and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        bytes.push(byte.unwrap_or(*first));
        rest = tail.get(if byte.is_some() { 2 } else { 0 }..).unwrap_or_default();
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn rpm_names_are_parsed() {
        let parts = |text| {
            Nevra::parse(text).map(|n| {
                let evr = n.evr();
                (n.name, evr, n.arch)
            })
        };
        let expected =
            |name: &str, evr: &str, arch: &str| Some((name.to_owned(), evr.to_owned(), arch.to_owned()));
        for (text, found) in [
            (
                "bash-5.1.8-6.el9.x86_64.rpm",
                expected("bash", "5.1.8-6.el9", "x86_64"),
            ),
            (
                "bind-libs-32:9.16.23-1.el9.src",
                expected("bind-libs", "32:9.16.23-1.el9", "src"),
            ),
            ("32:bind-9.16.23-1.el9", expected("bind", "32:9.16.23-1.el9", "")),
            (
                "redis-0:6.2.17-1.module+el8.10.0+22680+7485.noarch::redis:6",
                expected("redis", "6.2.17-1.module+el8.10.0+22680+7485", "noarch"),
            ),
            (
                "ctdb-4.19.2+git.322.7e92-1.1",
                expected("ctdb", "4.19.2+git.322.7e92-1.1", ""),
            ),
            (
                "expat-2.7.1-slfo.1.1_1.1.x86_64",
                expected("expat", "2.7.1-slfo.1.1_1.1", "x86_64"),
            ),
            (
                "psutils-0:p17-9.el9.x86_64.rpm",
                expected("psutils", "p17-9.el9", "x86_64"),
            ),
            (
                "vim-9.0-33.oe2203sp3.loongarch64.rpm",
                expected("vim", "9.0-33.oe2203sp3", "loongarch64"),
            ),
            ("psutils-p17-9.el9", None),
            ("libdcerpc-binding0-32bit", None),
            ("java-1_8_0-openjdk", None),
            ("kernel", None),
            ("a/b-1-1", None),
        ] {
            assert_eq!(parts(text), found, "{text}");
        }
        let build = Nevra::of_build("psutils-p17-9.fc40").unwrap();
        assert_eq!(
            (build.name.as_str(), build.evr().as_str()),
            ("psutils", "p17-9.fc40")
        );
        assert_eq!(percent_decoded("a%2Bb%zz%"), "a+b%zz%");
        let build = Nevra::of_build("svn-r123-bp2.1").map(|found| (found.name.clone(), found.evr()));
        assert_eq!(build, Some(("svn".to_owned(), "r123-bp2.1".to_owned())));
        assert_eq!(Nevra::of_build("java-openjdk-devel"), None);
        assert_eq!(
            (without_arch("bind.src"), without_arch("go1.21")),
            ("bind", "go1.21")
        );
    }

    proptest! {
        #[test]
        fn any_text_is_taken_apart_or_not(text in "[a-z0-9:.%+-]{0,30}|\\PC{0,20}") {
            let _ = Nevra::parse(&text);
            let _ = percent_decoded(&text);
        }
    }
}
