//! The ecosystem of each URL type and namespace.

/// The kind of packages that a distribution's advisories name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Named {
    /// Installed packages.
    Installed,
    /// Source packages, from which installed packages are built.
    Sources,
    /// Installed packages in some advisories, source packages in others.
    Both,
    /// Installed packages, but only some of those that were built from one source.
    InPart,
}

/// One URL type (and namespace, for distributions) and its ecosystem, with the suffix part that follows from the two.
pub(super) struct Row {
    pub(super) ty: &'static str,
    pub(super) namespace: &'static str,
    pub(super) ecosystem: &'static str,
    /// The separator of namespace and name in OSV's name.
    pub(super) joiner: &'static str,
}

impl Row {
    /// Returns the kind of packages that the ecosystem's advisories name.
    pub(super) fn named(&self) -> Named {
        match (self.ty, self.ecosystem) {
            // Docker is excluded: its advisories name installed packages.
            ("deb" | "apk", _) if self.namespace != DOCKER => Named::Sources,
            ("rpm", "Mageia" | "Azure Linux" | "openEuler" | "Photon OS") => Named::Sources,
            // AlmaLinux's errata leave out libraries: one about `gcc` does not name `libgcc`.
            ("rpm", "AlmaLinux") => Named::InPart,
            // Installed packages: notices of repositories (updateinfo), and SUSE's CSAF documents. Source packages: Fedora's
            // Bodhi, and the OSV records of Rocky Linux and SUSE. Red Hat names installed packages if they are fixed, else
            // their source packages.
            ("rpm", "EPEL" | "Fedora" | "Red Hat" | "Rocky Linux" | "SUSE" | "openSUSE") => Named::Both,
            _ => Named::Installed,
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

/// Namespace of Docker's Hardened Images, whose packages have Alpine's or Debian's format.
pub(super) const DOCKER: &str = "dhi";

/// The ecosystem of the packages that the Fedora Project builds for Enterprise Linux.
pub(super) const EPEL: &str = "EPEL";
/// The namespace that some tools use for EPEL. By the rules of the type it would be that of the vendor, `fedora`.
pub(super) const EPEL_NAMESPACE: &str = "epel";

/// All rows. If several have the same ecosystem, the first one makes the URL of a package in it.
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
    // Syft's type for GitHub Actions; other tools use it for any repository.
    plain("github", "GitHub Actions"),
    // Trivy's type for the components of a cluster.
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
    // The namespaces of the purl specification, and others: the ids of os-release, which Syft writes, Trivy's own
    // names, and those of images.
    distro("rpm", "almalinux", "AlmaLinux"),
    distro("rpm", "alma", "AlmaLinux"),
    // Not in the schema: defined by the sources' connectors.
    distro("rpm", "amazon", "Amazon Linux"),
    distro("rpm", "amzn", "Amazon Linux"),
    distro("rpm", "amazonlinux", "Amazon Linux"),
    distro("rpm", "fedora", "Fedora"),
    distro("rpm", EPEL_NAMESPACE, EPEL),
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
    distro("rpm", "opensuse-microos", "openSUSE"),
    distro("rpm", "opensuse-slowroll", "openSUSE"),
    distro("rpm", "opensuse-leap-micro", "openSUSE"),
    distro("rpm", "leap-micro", "openSUSE"),
    distro("rpm", "photon", "Photon OS"),
    distro("rpm", "redhat", "Red Hat"),
    distro("rpm", "rhel", "Red Hat"),
    // Hosts of OpenShift.
    distro("rpm", "rhcos", "Red Hat"),
    // Rebuilds of Red Hat's packages with the same versions, without their own advisories.
    distro("rpm", "centos", "Red Hat"),
    distro("rpm", "rocky-linux", "Rocky Linux"),
    distro("rpm", "rocky", "Rocky Linux"),
    distro("rpm", "rockylinux", "Rocky Linux"),
    distro("rpm", "suse", "SUSE"),
    distro("rpm", "sles", "SUSE"),
    distro("rpm", "sled", "SUSE"),
    distro("rpm", "sles_sap", "SUSE"),
    distro("rpm", "sle_hpc", "SUSE"),
    distro("rpm", "sle-micro", "SUSE"),
    distro("rpm", "sle-micro-rancher", "SUSE"),
    distro("rpm", "sl-micro", "SUSE"),
    distro("rpm", "slem", "SUSE"),
    distro("rpm", "suse-microos", "SUSE"),
];
