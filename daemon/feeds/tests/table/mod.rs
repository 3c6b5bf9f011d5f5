//! Expected results of the samples, from each source's own rules, not from other projects' interpretation.

/// Archives, with the numbers of accepted records and rejected entries of their samples.
pub(crate) const COUNTS: &[(&str, usize, usize)] = &[
    ("kev", 100, 0),
    ("epss", 42, 1),
    ("nvd-api", 35, 0),
    ("nvd-feeds", 21, 1),
    ("cvelistv5", 37, 0),
    ("cvelistv5-delta", 0, 0),
    ("vulnrichment-edge", 60, 0),
    ("openssl", 8, 0),
    ("cert-bund", 1, 0),
    ("ncsc-csaf", 1, 0),
    ("siemens-csaf", 1, 0),
    ("cisa-csaf", 2, 0),
    ("redhat-vex", 16, 0),
    ("redhat-csaf", 19, 3),
    ("hummingbird-csaf", 1, 0),
    ("openeuler", 4, 0),
    ("suse-csaf", 1, 0),
    ("suse-csaf-vex", 1, 0),
    ("debian-tracker", 21, 9),
    ("debian-lists", 20, 1),
    ("alpine-secdb", 36, 6),
    ("wolfi", 86, 0),
    ("chainguard", 192, 0),
    ("minimos", 24, 0),
    ("ubuntu-usn", 4, 0),
    ("ubuntu-osv", 12, 0),
    ("almalinux", 18, 2),
    ("rocky", 18, 1),
    ("amazon", 14, 1),
    ("fedora", 20, 0),
    ("oracle-oval", 4, 0),
    ("rustsec", 1, 0),
    ("govulndb", 17, 6),
    ("pypa", 3, 0),
    ("ghsa-osv", 25, 0),
    ("ghsa-rest", 1, 0),
    ("euvd", 8, 0),
    ("jvn", 44, 10),
    ("cnnvd", 3, 0),
    ("cnvd", 1, 0),
    ("bdu-fstec", 1, 0),
];

/// Facts about records: the archive, the id, and the record's lines. A line after `not` must not occur.
pub(crate) const FACTS: &[(&str, &str, &[&str])] = &[
    ("kev", "CVE-2025-48384", &["nothing affected", "not severity"]),
    (
        "epss",
        "CVE-2020-5902",
        &["severity 0.65117", "severity 0.96817", "severity 0.97567"],
    ),
    (
        "nvd-api",
        "CVE-2024-47177",
        &[
            "severity CVSS:3.1/AV:N/AC:H/PR:N/UI:N/S:C/C:H/I:H/A:H",
            "nothing affected",
            "not withdrawn",
        ],
    ),
    (
        "nvd-api",
        "CVE-2022-26582",
        &["severity CVSS:3.1/AV:L/AC:L/PR:L/UI:N/S:U/C:H/I:H/A:H"],
    ),
    (
        "cvelistv5",
        "CVE-2023-39325",
        &[
            "Go stdlib introduced=0 fixed=1.20.10",
            "Go stdlib introduced=1.21.0-0 fixed=1.21.3",
            "Go golang.org/x/net introduced=0 fixed=0.17.0",
        ],
    ),
    (
        "cvelistv5",
        "CVE-2025-21772",
        &[
            "- - introduced=1da177e4c3f41524e886b7f1b8a0c1fc7321cac2 fixed=a3e77da9f843e4ab93917d30c314f0283e28c124",
        ],
    ),
    (
        "cvelistv5",
        "CVE-2024-4901",
        &[
            "severity CVSS:3.1/AV:N/AC:L/PR:L/UI:R/S:C/C:H/I:H/A:N",
            "nothing affected",
        ],
    ),
    (
        "cert-bund",
        "WID-SEC-W-2025-0001",
        &["word high", "upstream CVE-2021-32740", "nothing affected"],
    ),
    (
        "siemens-csaf",
        "SSA-426509",
        &[
            "upstream CVE-2024-47194",
            "upstream CVE-2024-47195",
            "upstream CVE-2024-47196",
            "severity CVSS:3.1/AV:L/AC:H/PR:L/UI:R/S:U/C:H/I:H/A:H",
        ],
    ),
    (
        "ncsc-csaf",
        "NCSC-2025-0210",
        &[
            "upstream CVE-2025-20309",
            "severity CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H",
        ],
    ),
    (
        "redhat-vex",
        "CVE-2024-6923",
        &[
            "Red Hat:enterprise_linux:10.0 python3.12 introduced=0",
            "Red Hat:enterprise_linux:8::appstream python3.11 introduced=0 fixed=3.11.9-7.el8_10",
            "Red Hat:enterprise_linux:9::crb python3.12 introduced=0 fixed=3.12.1-4.el9_4.3",
            "state Red Hat:enterprise_linux:8 python2 will_not_fix",
            "word Moderate",
        ],
    ),
    (
        "redhat-vex",
        "CVE-2022-24834",
        &[
            "Red Hat:enterprise_linux:8::appstream redis introduced=0 fixed=6.2.17-1.module+el8.10.0+22680+748527fd",
            "Red Hat:enterprise_linux:9::appstream redis introduced=0 fixed=6.2.17-1.el9_5",
            "severity CVSS:3.1/AV:L/AC:H/PR:L/UI:N/S:U/C:H/I:H/A:H",
        ],
    ),
    (
        "redhat-vex",
        "CVE-2024-34502",
        &["state Red Hat:openshift:3.11 mediawiki end_of_life"],
    ),
    ("redhat-vex", "CVE-2024-0001", &["nothing affected"]),
    (
        "redhat-vex",
        "CVE-2026-88888",
        &["Red Hat:enterprise_linux:10::appstream firefox-flatpak introduced=0"],
    ),
    (
        "redhat-csaf",
        "RHSA-2025:23414",
        &[
            "Red Hat:rhel_els:6 bind introduced=0 fixed=32:9.8.2-0.68.rc1.el6_10.17",
            "upstream CVE-2021-25220",
            "upstream CVE-2025-40778",
        ],
    ),
    (
        "redhat-csaf",
        "RHSA-2024:2054",
        &["Red Hat:openshift:4.14::el8 skopeo introduced=0 fixed=2:1.11.3-0.1.rhaos4.14.el8"],
    ),
    (
        "openeuler",
        "openEuler-SA-2025-1351",
        &[
            "openEuler:22.03-LTS-SP3 vim introduced=0 fixed=9.0-33.oe2203sp3",
            "openEuler:24.03-LTS vim-common introduced=0 fixed=9.0.2092-18.oe2403",
            "upstream CVE-2025-29768",
            "word Medium",
        ],
    ),
    (
        "suse-csaf",
        "SUSE-SU-2015:0011-2",
        &[
            "SUSE:Linux Enterprise Server 11 SP2 bind introduced=0 fixed=9.9.4P2-0.6.1",
            "upstream CVE-2014-8500",
            "word important",
        ],
    ),
    (
        "suse-csaf-vex",
        "CVE-2023-5568",
        &[
            "openSUSE:Tumbleweed ctdb introduced=0 fixed=4.19.2+git.322.7e9201cef5-1.1",
            "severity CVSS:3.1/AV:N/AC:H/PR:L/UI:N/S:U/C:N/I:L/A:H",
            "not SUSE:CaaS",
        ],
    ),
    (
        "debian-tracker",
        "DEBIAN-CVE-2014-1424",
        &["upstream CVE-2014-1424", "nothing affected"],
    ),
    (
        "debian-tracker",
        "DEBIAN-CVE-2016-1585",
        &[
            "Debian:12 apparmor introduced=0",
            "Debian:13 apparmor introduced=0 fixed=3.0.12-1",
        ],
    ),
    (
        "debian-tracker",
        "DEBIAN-CVE-2016-5416",
        &["state Debian:11 389-ds-base will_not_fix"],
    ),
    (
        "debian-tracker",
        "DEBIAN-CVE-2022-0456",
        &[
            "Debian:11 chromium introduced=0 fixed=98.0.4758.80-1~deb11u1",
            "state Debian:10 chromium end_of_life",
        ],
    ),
    (
        "debian-tracker",
        "DSA-5970-1",
        &[
            "Debian:12 sope introduced=0 fixed=5.8.0-1+deb12u1",
            "upstream CVE-2025-53603",
        ],
    ),
    (
        "debian-lists",
        "DEBIAN-CVE-2021-36367",
        &[
            "Debian:12 putty introduced=0 fixed=0.75-3",
            "state Debian:11 putty deferred",
        ],
    ),
    ("debian-lists", "TEMP-0000000-3574A3", &["not upstream"]),
    (
        "debian-lists",
        "DSA-4480-1",
        &[
            "Debian:buster redis introduced=0 fixed=5:5.0.3-4+deb10u1",
            "upstream CVE-2019-10192",
        ],
    ),
    (
        "alpine-secdb",
        "ALPINE-CVE-2021-36159",
        &[
            "Alpine:edge apk-tools introduced=0 fixed=2.12.6-r0",
            "upstream CVE-2021-36159",
        ],
    ),
    ("wolfi", "WOLFI-CVE-2023-45283", &["nothing affected"]),
    (
        "wolfi",
        "WOLFI-CVE-2024-29902",
        &["Wolfi aactl introduced=0 fixed=0.4.12-r10"],
    ),
    (
        "chainguard",
        "CHAINGUARD-CVE-2022-38126",
        &["Chainguard binutils introduced=0 fixed=2.39-r1"],
    ),
    (
        "almalinux",
        "ALSA-2020:0279",
        &[
            "AlmaLinux:8 libiscsi introduced=0 fixed=1.18.0-8.module_el8.3.0+2048+e7a0a3ea",
            "upstream CVE-2019-11135",
            "word Moderate",
        ],
    ),
    (
        "almalinux",
        "ALSA-2023:7549",
        &[
            "AlmaLinux:9 nodejs introduced=0 fixed=1:18.18.2-1.el9",
            "upstream CVE-2023-44487",
        ],
    ),
    (
        "almalinux",
        "ALBA-2021:3240",
        &[
            "AlmaLinux:8 dotnet-sdk-2.1 introduced=0 fixed=2.1.526-1.el8_4",
            "not word",
        ],
    ),
    (
        "rocky",
        "RLSA-2023:3319",
        &[
            "Rocky Linux:8 golang introduced=0 fixed=1.19.9-1.module+el8.8.0+1298+7af20600",
            "upstream CVE-2023-24540",
        ],
    ),
    (
        "rocky",
        "RLSA-2022:1234",
        &[
            "Rocky Linux:8 openssl introduced=0 fixed=1:1.1.1k-6.el8_5",
            "word Important",
        ],
    ),
    (
        "amazon",
        "ALAS2KERNEL-5.15-2022-001",
        &[
            "Amazon Linux:2 kernel introduced=5.15 fixed=5.15.43-20.123.amzn2",
            "upstream CVE-2022-0500",
        ],
    ),
    (
        "amazon",
        "ALAS2023-2023-001",
        &[
            "Amazon Linux:2023 rsyslog introduced=0 fixed=8.2204.0-3.amzn2023.0.2",
            "word Important",
        ],
    ),
    (
        "amazon",
        "ALAS2022-2021-001",
        &["Amazon Linux:2022 vim-common introduced=0 fixed=2:8.2.3512-1.amzn2022"],
    ),
    (
        "amazon",
        "ALAS-2011-1",
        &["Amazon Linux:1 httpd-devel introduced=0 fixed=2.2.21-1.18.amzn1"],
    ),
    (
        "fedora",
        "FEDORA-2024-900475e0f7",
        &[
            "Fedora:40 netatalk introduced=0 fixed=5:3.2.1-1.fc40",
            "upstream CVE-2024-38439",
            "upstream CVE-2024-38440",
            "upstream CVE-2024-38441",
        ],
    ),
    (
        "fedora",
        "FEDORA-CONTAINER-2019-8b04b1c212",
        &["nothing affected"],
    ),
    (
        "oracle-oval",
        "ELSA-2007-0057",
        &[
            "Oracle Linux:5 bind introduced=0 fixed=30:9.3.3-8.el5",
            "upstream CVE-2007-0493",
            "word MODERATE",
        ],
    ),
    (
        "oracle-oval",
        "ELSA-2021-9151",
        &[
            "Oracle Linux:8 openssl introduced=2:0 fixed=2:1.1.1g-15.ksplice1.el8_3",
            "upstream CVE-2021-3449",
        ],
    ),
    (
        "rustsec",
        "RUSTSEC-2021-0032",
        &[
            "crates.io byte_struct introduced=0.0.0-0 fixed=0.6.1",
            "alias CVE-2021-28033",
        ],
    ),
    (
        "ghsa-rest",
        "GHSA-xxxx-yyyy-zzz2",
        &[
            "PyPI Example_Pkg introduced=1.0 fixed=1.2.3",
            "npm @scope/example ==2.0.0",
            "withdrawn",
        ],
    ),
    (
        "euvd",
        "EUVD-2025-0001",
        &[
            "alias CVE-2024-56374",
            "alias PYSEC-2025-1",
            "severity CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:C/C:N/I:N/A:L",
        ],
    ),
    ("euvd", "EUVD-1999-0530", &["severity AV:N/AC:L/Au:N/C:N/I:N/A:N"]),
    (
        "jvn",
        "JVNDB-2025-000002",
        &["upstream CVE-2025-0354", "not alias"],
    ),
    (
        "jvn",
        "JVNDB-2017-009608",
        &["alias CVE-2017-14937", "severity AV:L/AC:M/Au:N/C:P/I:N/A:N"],
    ),
    (
        "cnnvd",
        "CNNVD-201701-225",
        &["alias CVE-2016-7056", "word MEDIUM"],
    ),
    ("cnnvd", "CNNVD-198801-001", &["word CRITICAL"]),
    ("cnvd", "CNVD-2099-00001", &["alias CVE-2099-0001", "word HIGH"]),
    (
        "bdu-fstec",
        "BDU:2099-00001",
        &[
            "upstream CVE-2099-0001",
            "upstream CVE-2099-0002",
            "word CRITICAL",
            "severity CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H",
        ],
    ),
];
