//! The ecosystems whose packages a preset's records are about.

use super::Preset;

/// The ecosystems of GitHub's database.
const GHSA: &[&str] = &[
    "npm",
    "PyPI",
    "Maven",
    "Go",
    "NuGet",
    "RubyGems",
    "Packagist",
    "crates.io",
    "Hex",
    "Pub",
    "SwiftURL",
    "GitHub Actions",
];

impl Preset {
    /// Returns the OSV ecosystems that its records are about; `CPE names` for products by their CPE names. Empty for
    /// sources that only say more about vulnerabilities, such as scores.
    #[must_use]
    pub fn ecosystems(&self) -> &'static [&'static str] {
        match self.name {
            "almalinux" => &["AlmaLinux"],
            "alpine" => &["Alpine"],
            "amazon" => &["Amazon Linux"],
            "chainguard" => &["Chainguard"],
            "cnnvd" | "nvd" | "nvd-feeds" => &["CPE names"],
            "csaf" => &["those of the provider"],
            "cve" => &["CPE names", "registries that a record names"],
            "debian" => &["Debian"],
            "fedora" => &["Fedora", "EPEL"],
            "ghsa" | "ghsa-api" => GHSA,
            "govulndb" => &["Go"],
            "malicious-packages" => &["npm", "PyPI", "and other registries: malicious packages only"],
            "minimos" => &["MinimOS"],
            "oracle" => &["Oracle Linux"],
            "osv" => &["every OSV ecosystem"],
            "pypa" => &["PyPI"],
            "redhat" => &["Red Hat"],
            "rocky" => &["Rocky Linux"],
            "rustsec" => &["crates.io"],
            "suse" => &["SUSE", "openSUSE"],
            "ubuntu" => &["Ubuntu"],
            "wolfi" => &["Wolfi"],
            _ => &[],
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn presets_without_ecosystems_are_those_of_scores_and_texts() {
        let without = super::super::presets()
            .iter()
            .filter(|preset| preset.ecosystems().is_empty());
        let names: Vec<&str> = without.map(|preset| preset.name).collect();
        assert_eq!(names, ["bdu", "cnvd", "epss", "euvd", "jvn", "kev"]);
    }
}
