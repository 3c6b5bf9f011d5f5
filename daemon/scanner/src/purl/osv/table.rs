//! Which URL types and namespaces are packages of which ecosystem.

/// One URL type (and namespace, for distributions) and its ecosystem, with the part of the suffix that the two tell.
pub(super) struct Row {
    pub(super) ty: &'static str,
    pub(super) namespace: &'static str,
    pub(super) ecosystem: &'static str,
    /// What stands between namespace and name in OSV's name.
    pub(super) joiner: &'static str,
}

impl Row {
    /// True if the ecosystem's advisories are about source packages, which packages that are installed were built from.
    pub(super) fn is_about_sources(&self) -> bool {
        match self.ty {
            // Docker's are about the packages that are installed.
            "deb" | "apk" => self.namespace != DOCKER,
            "rpm" => matches!(
                self.ecosystem,
                "SUSE" | "openSUSE" | "Mageia" | "Azure Linux" | "openEuler" | "Photon OS"
            ),
            _ => false,
        }
    }
}

const fn plain(ty: &'static str, ecosystem: &'static str) -> Row {
    Row {
        ty,
        namespace: "",
        ecosystem,
        joiner: "/",
    }
}

const fn distro(ty: &'static str, namespace: &'static str, ecosystem: &'static str) -> Row {
    Row {
        ty,
        namespace,
        ecosystem,
        joiner: "/",
    }
}

/// Namespace of Docker's Hardened Images, whose packages keep the format of Alpine's or Debian's.
pub(super) const DOCKER: &str = "dhi";

/// Where several rows name one ecosystem, the first is written when going back.
pub(super) const ROWS: &[Row] = &[
    plain("bitnami", "Bitnami"),
    plain("cargo", "crates.io"),
    plain("composer", "Packagist"),
    plain("conan", "ConanCenter"),
    plain("cran", "CRAN"),
    plain("freebsd", "FreeBSD:ports"),
    plain("gem", "RubyGems"),
    plain("generic", "OSS-Fuzz"),
    plain("golang", "Go"),
    plain("hackage", "Hackage"),
    plain("hex", "Hex"),
    plain("julia", "Julia"),
    Row {
        ty: "maven",
        namespace: "",
        ecosystem: "Maven",
        joiner: ":",
    },
    Row {
        ty: "gradle",
        namespace: "",
        ecosystem: "Maven",
        joiner: ":",
    },
    plain("npm", "npm"),
    plain("nuget", "NuGet"),
    plain("opam", "opam"),
    plain("pub", "Pub"),
    plain("pypi", "PyPI"),
    plain("swift", "SwiftURL"),
    plain("githubactions", "GitHub Actions"),
    // Syft's name for the same; others write it for any repository.
    plain("github", "GitHub Actions"),
    // Trivy's, for the components of a cluster.
    plain("k8s", "Kubernetes"),
    plain("vscode-extension", "VSCode"),
    plain("bioconductor", "Bioconductor"),
    plain("brew", "Homebrew"),
    distro("apk", "alpine", "Alpine"),
    distro("apk", "alpaquita", "Alpaquita"),
    distro(
        "apk",
        "bellsoft-hardened-containers",
        "BellSoft Hardened Containers",
    ),
    distro("apk", "chainguard", "Chainguard"),
    distro("apk", "cleanstart", "CleanStart"),
    distro("apk", "dhi", "Docker Hardened Images:Alpine"),
    distro("apk", "minimos", "MinimOS"),
    distro("apk", "wolfi", "Wolfi"),
    distro("deb", "debian", "Debian"),
    distro("deb", "dhi", "Docker Hardened Images:Debian"),
    distro("deb", "echo", "Echo"),
    distro("deb", "ubuntu", "Ubuntu"),
    // Beside the names of the type's specification: those of os-release, which Syft writes, and Trivy's own.
    distro("rpm", "almalinux", "AlmaLinux"),
    distro("rpm", "alma", "AlmaLinux"),
    // Not in the schema: named by the sources' connectors.
    distro("rpm", "amazon", "Amazon Linux"),
    distro("rpm", "amzn", "Amazon Linux"),
    distro("rpm", "fedora", "Fedora"),
    distro("rpm", "oracle", "Oracle Linux"),
    distro("rpm", "oraclelinux", "Oracle Linux"),
    distro("rpm", "ol", "Oracle Linux"),
    distro("rpm", "azure-linux", "Azure Linux"),
    distro("rpm", "azurelinux", "Azure Linux"),
    distro("rpm", "mariner", "Azure Linux"),
    distro("rpm", "cbl-mariner", "Azure Linux"),
    distro("rpm", "mageia", "Mageia"),
    distro("rpm", "openeuler", "openEuler"),
    distro("rpm", "opensuse", "openSUSE"),
    distro("rpm", "opensuse-leap", "openSUSE"),
    distro("rpm", "opensuse.leap", "openSUSE"),
    distro("rpm", "opensuse-tumbleweed", "openSUSE"),
    distro("rpm", "opensuse.tumbleweed", "openSUSE"),
    distro("rpm", "opensuse-leap-micro", "openSUSE"),
    distro("rpm", "leap-micro", "openSUSE"),
    distro("rpm", "photon", "Photon OS"),
    distro("rpm", "redhat", "Red Hat"),
    distro("rpm", "rhel", "Red Hat"),
    // Rebuilds of Red Hat's packages under their versions, without advisories of its own.
    distro("rpm", "centos", "Red Hat"),
    distro("rpm", "rocky-linux", "Rocky Linux"),
    distro("rpm", "rocky", "Rocky Linux"),
    distro("rpm", "suse", "SUSE"),
    distro("rpm", "sles", "SUSE"),
    distro("rpm", "sled", "SUSE"),
    distro("rpm", "sles_sap", "SUSE"),
    distro("rpm", "sle_hpc", "SUSE"),
    distro("rpm", "sle-micro", "SUSE"),
    distro("rpm", "sl-micro", "SUSE"),
    distro("rpm", "slem", "SUSE"),
    distro("rpm", "suse-microos", "SUSE"),
];
