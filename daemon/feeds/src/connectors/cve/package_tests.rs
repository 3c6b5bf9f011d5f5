//! Packages of registries: by URLs, collections and pages.

use super::super::tests::{json_records, ranges, warnings};
use super::affected::package_of_url;
use super::tests::about;

#[test]
fn package_urls_name_packages_of_registries_only() {
    for (url, expected) in [
        ("pkg:npm/%40acme/rocket@1.0", Some(("npm", "@acme/rocket"))),
        ("pkg:npm/@acme/rocket", Some(("npm", "@acme/rocket"))),
        (
            "pkg:maven/org.acme/sled@1?type=jar",
            Some(("Maven", "org.acme:sled")),
        ),
        ("pkg:golang/example.org/a/b", Some(("Go", "example.org/a/b"))),
        ("pkg:NPM/x", Some(("npm", "x"))),
        ("PKG:npm/x", Some(("npm", "x"))),
        (
            "pkg:github/acme/deploy@v1",
            Some(("GitHub Actions", "acme/deploy")),
        ),
        (
            "pkg:swift/github.com/acme/rocket@1.0",
            Some(("SwiftURL", "github.com/acme/rocket")),
        ),
        ("pkg:conan/zlib@1.2?channel=x", Some(("ConanCenter", "zlib"))),
        ("pkg:maven/sled@1", None),
        ("pkg:pypi/rocket/?x=y", Some(("PyPI", "rocket"))),
        ("pkg:generic/x", None),
        ("pkg:npm/%zz", None),
        ("npm/x", None),
    ] {
        let found = package_of_url(url);
        assert_eq!(found.as_ref().map(|(e, n)| (*e, n.as_str())), expected, "{url}");
    }
}

#[test]
fn package_url_of_no_known_registry_is_reported() {
    let text = about(r#""packageURL":"pkg:docker/p","defaultStatus":"affected","versions":[]"#);
    assert_eq!(
        warnings("cve", text.as_bytes()),
        ["the package URL \"pkg:docker/p\" is of no known registry, and has no entry"]
    );
}

#[test]
fn collections_are_registries_or_reported() {
    for (collection, name, expected) in [
        (
            "https://repo.maven.apache.org/maven2",
            "org.acme/sled",
            "Maven org.acme:sled introduced=0",
        ),
        (
            "https://Central.Sonatype.com/artifact",
            "org.acme:sled",
            "Maven org.acme:sled introduced=0",
        ),
        ("https://golang.org/pkg", "a.org/b", "Go a.org/b introduced=0"),
        ("https://repo.maven.apache.org/maven2", "sled", ""),
        ("https://example.org/packages", "sled", ""),
    ] {
        let product = format!(r#""collectionURL":"{collection}","packageName":"{name}""#);
        let text = about(&format!(r#"{product},"defaultStatus":"affected""#));
        let expected_warnings = match expected {
            "" => vec![format!(
                "packages that are not of a known registry have no entry: 1, the first is \"{name}\" of {collection}"
            )],
            _ => Vec::new(),
        };
        assert_eq!(
            ranges(&json_records("cve", text.as_bytes())[0]).join(" "),
            expected
        );
        assert_eq!(warnings("cve", text.as_bytes()), expected_warnings);
        let text = about(&format!(r#"{product},"defaultStatus":"unaffected""#));
        assert_eq!(warnings("cve", text.as_bytes()), Vec::<String>::new());
    }
}

#[test]
fn packages_of_an_adp_are_affected_beside_those_of_the_cna() {
    let text = r#"{"dataType":"CVE_RECORD","cveMetadata":{"cveId":"CVE-2030-0001","state":"PUBLISHED","dateUpdated":"2030-01-01T00:00:00Z"},
      "containers":{"cna":{"affected":[{"packageURL":"pkg:npm/p","versions":[{"status":"affected","version":"1","lessThan":"2"}]}]},
       "adp":[{"affected":[{"packageURL":"pkg:npm/p","versions":[{"status":"affected","version":"1","lessThan":"2"}]},
         {"packageURL":"pkg:npm/p","versions":[{"status":"affected","version":"1","lessThan":"2.1"}]},
         {"product":"Box","versions":[{"status":"affected","version":"1da177e4c3f4","versionType":"git"}]}]}]}}"#;
    assert_eq!(
        ranges(&json_records("cve", text.as_bytes())[0]),
        ["npm p introduced=1 fixed=2", "npm p introduced=1 fixed=2.1"]
    );
    assert_eq!(warnings("cve", text.as_bytes()), Vec::<String>::new());
}

#[test]
fn package_of_go_is_its_module() {
    for (vendor, name, expected) in [
        ("Go standard library", "net/http/internal", "stdlib"),
        ("Go toolchain", "cmd/go", "toolchain"),
        ("golang.org/x/net", "golang.org/x/net/http2", "golang.org/x/net"),
        ("golang.org/x/net", "golang.org/x/network", "golang.org/x/network"),
        ("acme.example", "acme.example/a", "acme.example"),
        ("Acme", "example.org/a/b", "example.org/a/b"),
    ] {
        let text = about(&format!(
            r#""vendor":"{vendor}","collectionURL":"https://pkg.go.dev","packageName":"{name}","defaultStatus":"affected""#
        ));
        let record = &json_records("cve", text.as_bytes())[0];
        assert_eq!(ranges(record), [format!("Go {expected} introduced=0")]);
        let import = &record["affected"][0]["ecosystem_specific"]["imports"][0]["path"];
        assert_eq!(
            import.as_str().unwrap_or(expected),
            name,
            "the package's path is kept"
        );
    }
}

#[test]
fn package_may_be_named_by_its_page() {
    for (address, expected) in [
        ("https://pypi.example/project/rocket/", "PyPI rocket"),
        ("https://www.npmjs.com/package/@acme/rocket?x", "npm @acme/rocket"),
        ("https://crates.io/crates/rocket/1.0", "crates.io rocket"),
        (
            "https://packagist.org/packages/acme/rocket",
            "Packagist acme/rocket",
        ),
        (
            "https://central.sonatype.com/artifact/org.acme/rocket/1.0",
            "Maven org.acme:rocket",
        ),
        ("https://pkg.go.dev/example.org/a/b", "Go example.org/a/b"),
    ] {
        let text = about(&format!(
            r#""collectionURL":"{address}","defaultStatus":"affected""#
        ));
        assert_eq!(
            ranges(&json_records("cve", text.as_bytes())[0]),
            [format!("{expected} introduced=0")]
        );
    }
    let text =
        about(r#""product":"Rocket","collectionURL":"https://pypi.example","defaultStatus":"affected""#);
    assert_eq!(
        warnings("cve", text.as_bytes()),
        [
            "packages that are not of a known registry have no entry: 1, the first is \"Rocket\" of https://pypi.example"
        ]
    );
}

#[test]
fn package_url_of_another_kind_leaves_the_collection() {
    let text = about(
        r#""packageURL":"pkg:generic/p","collectionURL":"https://www.npmjs.com","packageName":"p","defaultStatus":"affected""#,
    );
    assert_eq!(
        ranges(&json_records("cve", text.as_bytes())[0]),
        ["npm p introduced=0"]
    );
    let text = about(r#""packageURL":["pkg:npm/p"],"defaultStatus":"affected""#);
    assert_eq!(
        warnings("cve", text.as_bytes()),
        ["the package URL is an array instead of a text, and has no entry"]
    );
}

/// A list without its brackets was read as none, and a version without its quotes as no end: packages were lost.
#[test]
fn lists_of_one_and_numbers_are_read_as_they_are_meant() {
    let product = |versions: &str| {
        format!(r#"{{"packageURL":"pkg:npm/p","defaultStatus":"unaffected","versions":{versions}}}"#)
    };
    let record = |affected: &str| {
        format!(
            r#"{{"cveMetadata":{{"cveId":"CVE-2030-0001","state":"PUBLISHED","dateUpdated":"2030-01-01T00:00:00Z"}},"containers":{{"cna":{{"affected":{affected}}}}}}}"#
        )
    };
    for (versions, expected) in [
        (
            r#"{"status":"affected","version":"1.0","lessThan":"2.0"}"#,
            "npm p introduced=1.0 fixed=2.0",
        ),
        (
            r#"[{"status":"affected","version":1.0,"lessThan":2.10}]"#,
            "npm p introduced=1.0 fixed=2.10",
        ),
        (
            r#"[{"status":"affected","version":"0","lessThan":"3.0","changes":{"at":1.5,"status":"unaffected"}}]"#,
            "npm p introduced=0 fixed=1.5 fixed=3.0",
        ),
        // Statements that are not understood are left undecided.
        (r#""1.0""#, "npm p"),
        (r#"["1.0"]"#, "npm p"),
    ] {
        for affected in [product(versions), format!("[{}]", product(versions))] {
            let text = record(&affected);
            assert_eq!(
                ranges(&json_records("cve", text.as_bytes())[0]),
                [expected],
                "{text}"
            );
        }
    }
}

#[test]
fn two_ends_of_an_item_are_the_later_one() {
    for (item, expected) in [
        (
            r#""version":"1.0","lessThan":"2.0","lessThanOrEqual":"2.0""#,
            "npm p introduced=1.0 last_affected=2.0",
        ),
        (
            r#""version":"1.0","lessThan":"2.0","lessThanOrEqual":"1.9""#,
            "npm p introduced=1.0 fixed=2.0",
        ),
        (
            r#""version":"1.0","lessThan":"2.0","lessThanOrEqual":"*""#,
            "npm p introduced=1.0",
        ),
        (
            r#""version":"1.0","lessThan":"2.0-a","lessThanOrEqual":"2.0-b""#,
            "npm p",
        ),
        // An end that is not after its beginning.
        (r#""version":"1.0","lessThan":"1.0""#, "npm p"),
        (r#""version":"2.0","lessThan":"1.0""#, "npm p"),
        (r#""version":"2.0","lessThanOrEqual":"1.0""#, "npm p"),
        (
            r#""version":"1.0","lessThanOrEqual":"1.0""#,
            "npm p introduced=1.0 last_affected=1.0",
        ),
        // Several ranges in the place of one version.
        (
            r#""version":">= 1.0, < 1.2, >= 2.0, < 2.3""#,
            "npm p introduced=1.0 fixed=1.2 introduced=2.0 fixed=2.3",
        ),
        (r#""version":"< 1.2, < 2.3""#, "npm p"),
    ] {
        let text = about(&format!(
            r#""packageURL":"pkg:npm/p","defaultStatus":"unaffected","versions":[{{"status":"affected",{item}}}]"#
        ));
        assert_eq!(
            ranges(&json_records("cve", text.as_bytes())[0]),
            [expected],
            "{item}"
        );
    }
}
