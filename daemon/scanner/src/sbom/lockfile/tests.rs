//! One small lockfile per tool: its format is detected and its package URLs are read.

mod foreign;

use super::super::{ComponentKind, Format, Lockfile, Place, SbomError, read};

/// Reads a document, checks its format and returns its package URLs.
fn purls(kind: Lockfile, text: &str) -> Vec<String> {
    let inventory = read(text.as_bytes()).unwrap_or_else(|e| panic!("{kind:?}: {e}"));
    assert_eq!(inventory.format, Format::Lockfile(kind));
    inventory
        .components
        .iter()
        .filter_map(|c| c.purl.as_ref().map(ToString::to_string))
        .collect()
}

#[test]
fn cargo_workspace_members_have_no_package_url() {
    let text = "# generated\nversion = 4\n\n[[package]]\nname = \"mine\"\nversion = \"0.1.0\"\n\n\
        [[package]]\nname = \"serde\"\nversion = \"1.0.200\"\nsource = \"registry+https://github.com/rust-lang/crates.io-index\"\n";
    assert_eq!(purls(Lockfile::Cargo, text), ["pkg:cargo/serde@1.0.200"]);
    let inventory = read(text.as_bytes()).unwrap();
    assert_eq!(
        (inventory.spec_version.as_str(), inventory.components.len()),
        ("4", 2)
    );
    assert_eq!(inventory.components[1].place, Place::Pointer("/package/1".into()));
}

#[test]
fn broken_toml_lockfile_error_has_its_line() {
    match read(b"version = 4\n[[package]]\nname = \"a\"\nversion = 1\n") {
        Err(SbomError::Invalid {
            place: Place::Line { line, .. },
            ..
        }) => assert_eq!(line, 4),
        other => panic!("{other:?}"),
    }
}

#[test]
fn poetry_and_uv_are_python() {
    let poetry = "[[package]]\nname = \"Django\"\nversion = \"4.2\"\n\n[metadata]\nlock-version = \"2.0\"\npython-versions = \"^3.9\"\ncontent-hash = \"x\"\n";
    assert_eq!(purls(Lockfile::PythonToml, poetry), ["pkg:pypi/django@4.2"]);
    let uv = "version = 1\nrequires-python = \">=3.12\"\n\n[[package]]\nname = \"mine\"\nversion = \"0\"\nsource = { editable = \".\" }\n\n\
        [[package]]\nname = \"idna\"\nversion = \"3.7\"\nsource = { registry = \"https://packages.example/simple\" }\n";
    assert_eq!(purls(Lockfile::PythonToml, uv), ["pkg:pypi/idna@3.7"]);
}

#[test]
fn npm_reads_both_shapes_and_aliases() {
    let v3 = r#"{"lockfileVersion":3,"packages":{"":{"name":"app"},"lib":{"version":"1.0.0"},
        "node_modules/lib":{"link":true},
        "node_modules/@babel/core":{"version":"7.0.0"},
        "node_modules/a/node_modules/b":{"version":"2.0.0"},
        "node_modules/alias":{"name":"real","version":"3.0.0"}}}"#;
    assert_eq!(
        purls(Lockfile::Npm, v3),
        [
            "pkg:npm/%40babel/core@7.0.0",
            "pkg:npm/b@2.0.0",
            "pkg:npm/real@3.0.0"
        ]
    );
    let v1 = r#"{"lockfileVersion":1,"dependencies":{"a":{"version":"1.0.0","dependencies":{"b":{"version":"2.0.0"}}},
        "c":{"version":"npm:@x/real@3.0.0"},"d":{"version":"git+ssh://git@example.org/d.git#abc"}}}"#;
    assert_eq!(
        purls(Lockfile::Npm, v1),
        ["pkg:npm/a@1.0.0", "pkg:npm/b@2.0.0", "pkg:npm/%40x/real@3.0.0"]
    );
}

#[test]
fn yarn_reads_classic_and_berry() {
    let classic = "# yarn lockfile v1\n\n\n\"@babel/core@^7.0.0\", \"@babel/core@^7.1.0\":\n  version \"7.2.3\"\n  dependencies:\n    version \"^1\"\n\n\
        alias@npm:real@^1.0.0:\n  version \"1.5.0\"\n";
    assert_eq!(
        purls(Lockfile::Yarn, classic),
        ["pkg:npm/%40babel/core@7.2.3", "pkg:npm/real@1.5.0"]
    );
    let berry = "__metadata:\n  version: 8\n\n\"lodash@npm:^4.0.0\":\n  version: 4.17.21\n  resolution: \"lodash@npm:4.17.21\"\n\n\
        \"mine@workspace:.\":\n  version: 0.0.0-use.local\n";
    assert_eq!(purls(Lockfile::Yarn, berry), ["pkg:npm/lodash@4.17.21"]);
}

#[test]
fn pnpm_reads_the_keys_of_versions_five_to_nine() {
    let v9 = "lockfileVersion: '9.0'\n\npackages:\n\n  '@babel/core@7.2.3':\n    resolution: {}\n\n  debug@4.3.4(supports-color@8.1.1):\n    x: 1\n\nsnapshots:\n\n  other@1.0.0: {}\n";
    assert_eq!(
        purls(Lockfile::Pnpm, v9),
        ["pkg:npm/%40babel/core@7.2.3", "pkg:npm/debug@4.3.4"]
    );
    let v6 = "lockfileVersion: '6.0'\npackages:\n  /@babel/core@7.2.3:\n    x: 1\n";
    assert_eq!(purls(Lockfile::Pnpm, v6), ["pkg:npm/%40babel/core@7.2.3"]);
    let long =
        "lockfileVersion: '6.0'\npackages:\n  ? /debug@4.3.4(supports-color@8.1.1)(a@1.0.0)\n  : x: 1\n";
    assert_eq!(purls(Lockfile::Pnpm, long), ["pkg:npm/debug@4.3.4"]);
    let v5 = "lockfileVersion: 5.4\npackages:\n  /@babel/core/7.2.3:\n    x: 1\n  /debug/4.3.4_supports-color@8.1.1:\n    x: 1\n";
    assert_eq!(
        purls(Lockfile::Pnpm, v5),
        ["pkg:npm/%40babel/core@7.2.3", "pkg:npm/debug@4.3.4"]
    );
}

#[test]
fn pip_requirements_are_read_with_or_without_a_pin() {
    let text = "# comment\n-r other.txt\nDjango==4.2 ; python_version > '3'\nrequests[socks] == 2.31.0 \\\n    --hash=sha256:00\nflask>=2\n";
    assert_eq!(
        purls(Lockfile::Requirements, text),
        [
            "pkg:pypi/django@4.2",
            "pkg:pypi/requests@2.31.0",
            "pkg:pypi/flask"
        ]
    );
}

#[test]
fn pipenv_composer_and_nuget_are_distinguished() {
    let pipfile = r#"{"_meta":{},"default":{"idna":{"version":"==3.7"}},"develop":{"local":{"path":"."}}}"#;
    assert_eq!(
        purls(Lockfile::Pipfile, pipfile),
        ["pkg:pypi/idna@3.7"],
        "a folder of the project is no registry's"
    );
    let composer = r#"{"content-hash":"x","packages":[{"name":"Monolog/Monolog","version":"2.9.1"}],"packages-dev":null}"#;
    assert_eq!(
        purls(Lockfile::Composer, composer),
        ["pkg:composer/monolog/monolog@2.9.1"]
    );
    let nuget = r#"{"version":1,"dependencies":{"net8.0":{"Serilog":{"type":"Direct","resolved":"3.1.1"},"mine":{"type":"Project"}}}}"#;
    assert_eq!(purls(Lockfile::NuGet, nuget), ["pkg:nuget/Serilog@3.1.1"]);
}

#[test]
fn go_modules_follow_their_replacements() {
    let text = "module example.org/app // the app\n\ngo 1.22\n\ntoolchain go1.22.1\n\nrequire golang.org/x/net v0.1.0\n\nrequire (\n\tgithub.com/A/b v1.2.3 // indirect\n\tgithub.com/old/c v1.0.0\n)\n\nreplace github.com/old/c v1.0.0 => github.com/new/c v1.1.0\n";
    assert_eq!(
        purls(Lockfile::GoMod, text),
        [
            "pkg:golang/stdlib@1.22.1",
            "pkg:golang/golang.org/x/net@v0.1.0",
            "pkg:golang/github.com/a/b@v1.2.3",
            "pkg:golang/github.com/new/c@v1.1.0"
        ]
    );
    let sum = "golang.org/x/net v0.1.0 h1:abc=\ngolang.org/x/net v0.1.0/go.mod h1:def=\n";
    assert_eq!(
        purls(Lockfile::GoSum, sum),
        ["pkg:golang/golang.org/x/net@v0.1.0"]
    );
}

#[test]
fn bundler_gradle_mix_and_pub_are_read() {
    let gems = "PATH\n  remote: .\n  specs:\n    mine (0.1.0)\n\nGEM\n  remote: https://rubygems.org/\n  specs:\n    nokogiri (1.15.4-x86_64-linux)\n      racc (~> 1.4)\n    racc (1.7.1)\n\nPLATFORMS\n  ruby\n";
    assert_eq!(
        purls(Lockfile::Bundler, gems),
        ["pkg:gem/nokogiri@1.15.4", "pkg:gem/racc@1.7.1"]
    );
    let gradle = "# This is a Gradle generated file for dependency locking.\n# Do not edit.\norg.slf4j:slf4j-api:2.0.7=compileClasspath\nempty=annotationProcessor\n";
    assert_eq!(
        purls(Lockfile::Gradle, gradle),
        ["pkg:maven/org.slf4j/slf4j-api@2.0.7"]
    );
    let mix =
        "%{\n  \"jason\": {:hex, :jason, \"1.4.1\", \"af1504\", [:mix], [], \"hexpm\", \"fbb01e\"},\n}\n";
    assert_eq!(purls(Lockfile::Mix, mix), ["pkg:hex/jason@1.4.1"]);
    let dart = "packages:\n  http:\n    dependency: \"direct main\"\n    description:\n      name: http\n    source: hosted\n    version: \"1.1.0\"\n  flutter:\n    source: sdk\n    version: \"0.0.0\"\nsdks:\n  dart: \">=3.0.0\"\n";
    assert_eq!(purls(Lockfile::Pub, dart), ["pkg:pub/http@1.1.0"]);
}

#[test]
fn go_sums_of_older_versions_are_skipped() {
    let sum = "a.example/x v1.2.0 h1:abc=\na.example/x v1.10.0 h1:abc=\na.example/x v1.10.0/go.mod h1:def=\n\
        a.example/y v0.0.0-20200101000000-abcdefabcdef h1:abc=\na.example/x v1.9.0 h1:abc=\n";
    assert_eq!(
        purls(Lockfile::GoSum, sum),
        [
            "pkg:golang/a.example/x@v1.10.0",
            "pkg:golang/a.example/y@v0.0.0-20200101000000-abcdefabcdef"
        ]
    );
    let notes = read(sum.as_bytes()).unwrap().notes;
    let places: Vec<_> = notes.iter().map(|note| note.place.to_string()).collect();
    assert_eq!(places, ["line 1, column 1", "line 5, column 1"]);
}

#[test]
fn pnpm_five_reads_names_with_an_underscore() {
    let text = "lockfileVersion: 5.4\npackages:\n  /lodash._reinterpolate/3.0.0:\n    x: 1\n  /is_js/1.0.0_a@1:\n    x: 1\n";
    assert_eq!(
        purls(Lockfile::Pnpm, text),
        ["pkg:npm/lodash._reinterpolate@3.0.0", "pkg:npm/is_js@1.0.0"]
    );
}

#[test]
fn bun_writes_commas_before_closing_brackets() {
    let text = "{\n  \"lockfileVersion\": 1,\n  \"workspaces\": { \"\": { \"name\": \"app\", }, },\n  \"packages\": {\n\
        \"@a/b\": [\"@a/b@1.2.3\", \"\", { \"x\": \"a,] \\\" ,}\", }, \"sha512-x\"],\n\
        \"alias\": [\"real@npm:2.0.0\", \"\", {}, \"\"],\n    \"mine\": [\"mine@workspace:packages/mine\"],\n  },\n}\n";
    assert_eq!(
        purls(Lockfile::Bun, text),
        ["pkg:npm/%40a/b@1.2.3", "pkg:npm/real@2.0.0"]
    );
    let broken = text.replace("\"@a/b@1.2.3\"", "7");
    match read(broken.as_bytes()) {
        Err(SbomError::Invalid { place, .. }) => assert_eq!(place.to_string(), "/packages/@a~1b"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn conan_swift_pods_and_pylock_are_read() {
    let conan = r#"{"version":"0.5","requires":["zlib/1.3.1#f52e03ae%1704","openssl/3.2.0@user/stable#a"],"build_requires":["cmake/3.27.0"],"python_requires":[]}"#;
    assert_eq!(
        purls(Lockfile::Conan, conan),
        [
            "pkg:conan/zlib@1.3.1",
            "pkg:conan/openssl@3.2.0",
            "pkg:conan/cmake@3.27.0"
        ]
    );
    let first = r#"{"graph_lock":{"nodes":{"0":{"path":"conanfile.txt"},"1":{"ref":"zlib/1.2.11#0"}}},"version":"0.4"}"#;
    assert_eq!(purls(Lockfile::Conan, first), ["pkg:conan/zlib@1.2.11"]);

    let swift = r#"{"pins":[{"identity":"swift-nio","kind":"remoteSourceControl","location":"https://github.com/apple/swift-nio.git","state":{"revision":"a","version":"2.0.0"}},
        {"identity":"x","location":"git@github.com:Org/X.git","state":{"branch":"main","revision":"b"}}],"version":2}"#;
    assert_eq!(
        purls(Lockfile::Swift, swift),
        [
            "pkg:swift/github.com/apple/swift-nio@2.0.0",
            "pkg:swift/github.com/org/x"
        ]
    );
    let first = r#"{"object":{"pins":[{"package":"Nio","repositoryURL":"https://github.com/apple/swift-nio","state":{"version":"1.0.0"}}]},"version":1}"#;
    assert_eq!(
        purls(Lockfile::Swift, first),
        ["pkg:swift/github.com/apple/swift-nio@1.0.0"]
    );

    let pods = "PODS:\n  - AFNetworking (4.0.1):\n    - AFNetworking/Reachability (= 4.0.1)\n  - AFNetworking/Reachability (4.0.1)\n  - \"Google+Ads (1.2)\"\n\nDEPENDENCIES:\n  - AFNetworking (~> 4)\n\nPODFILE CHECKSUM: ab\n\nCOCOAPODS: 1.15.2\n";
    assert_eq!(
        purls(Lockfile::Pods, pods),
        [
            "pkg:cocoapods/AFNetworking@4.0.1",
            "pkg:cocoapods/Google%2BAds@1.2"
        ]
    );

    let pylock = "lock-version = '1.0'\nrequires-python = '>=3.12'\n\n[[packages]]\nname = 'attrs'\nversion = '25.1.0'\n\n[[packages]]\nname = 'mine'\n[packages.directory]\npath = '.'\n";
    assert_eq!(purls(Lockfile::PyLock, pylock), ["pkg:pypi/attrs@25.1.0"]);
}

#[test]
fn gradle_files_of_single_configurations_have_coordinates_alone() {
    let text = "# This is a Gradle generated file for dependency locking.\norg.slf4j:slf4j-api:2.0.7\n";
    assert_eq!(
        purls(Lockfile::Gradle, text),
        ["pkg:maven/org.slf4j/slf4j-api@2.0.7"]
    );
}

#[test]
fn real_looking_files_of_every_version_are_read() {
    let yarn = "# yarn lockfile v1\n\n\nms@2.0.0:\n  version \"2.0.0\"\n  resolved \"https://registry.example/ms.tgz#5608\"\n";
    assert_eq!(purls(Lockfile::Yarn, yarn), ["pkg:npm/ms@2.0.0"]);
    let patched = "__metadata:\n  version: 8\n\n\"typescript@patch:typescript@npm%3A^5.4.0#optional!builtin<compat/typescript>\":\n  version: 5.4.5\n  resolution: \"typescript@patch:typescript@npm%3A5.4.5#x\"\n";
    assert_eq!(purls(Lockfile::Yarn, patched), ["pkg:npm/typescript@5.4.5"]);
    let cargo = "[[package]]\nname = \"a\"\nversion = \"1.0.0\"\nsource = \"registry+https://example.org/index\"\ndependencies = [\n \"b 0.1.0 (registry+https://example.org/index)\",\n]\n\n[metadata]\n\"checksum a 1.0.0 (registry+https://example.org/index)\" = \"00\"\n";
    assert_eq!(purls(Lockfile::Cargo, cargo), ["pkg:cargo/a@1.0.0"]);
    let shrinkwrap = r#"{"name":"x","lockfileVersion":2,"requires":true,"packages":{"":{},"node_modules/ms":{"version":"2.1.3"}},"dependencies":{"ms":{"version":"2.1.3"}}}"#;
    assert_eq!(purls(Lockfile::Npm, shrinkwrap), ["pkg:npm/ms@2.1.3"]);
    let pdm = "# This file is @generated by PDM.\n[metadata]\ngroups = [\"default\"]\nlock_version = \"4.5.0\"\ncontent_hash = \"sha256:0\"\n\n[[package]]\nname = \"idna\"\nversion = \"3.7\"\nrequires_python = \">=3.5\"\n";
    assert_eq!(purls(Lockfile::PythonToml, pdm), ["pkg:pypi/idna@3.7"]);
}

/// Each format's hostile document gives an error, or an inventory that is not larger than the document.
#[test]
fn hostile_documents_are_refused_or_stay_small() {
    let deep_json = format!(
        "{{\"lockfileVersion\":3,\"packages\":{}",
        "{\"a\":".repeat(100_000)
    );
    let deep_toml = format!("[[package]]\nname = {}", "[".repeat(100_000));
    let deep_yaml = format!("spdxVersion: SPDX-2.3\na: {}", "[".repeat(100_000));
    let aliases = "spdxVersion: SPDX-2.3\na: &a [x]\nb: &b [*a, *a]\npackages: [*b, *b]\n".to_owned();
    let huge = format!("{{\"lockfileVersion\":{}}}", "9".repeat(100_000));
    let twice =
        r#"{"bomFormat":"CycloneDX","bomFormat":"CycloneDX","specVersion":"1.5","components":[]}"#.to_owned();
    let entities = "<?xml version=\"1.0\"?><!DOCTYPE bom [<!ENTITY a \"x\"><!ENTITY b \"&a;&a;\">]><bom xmlns=\"http://cyclonedx.org/schema/bom/1.5\"><components><component type=\"library\"><name>&b;</name></component></components></bom>".to_owned();
    let external = entities.replace(
        "<!ENTITY b \"&a;&a;\">",
        "<!ENTITY b SYSTEM \"file:///etc/hostname\">",
    );
    for text in [
        deep_json, deep_toml, deep_yaml, aliases, twice, entities, external,
    ] {
        let error = read(text.as_bytes()).unwrap_err().to_string();
        assert!(error.len() < 1_000, "{error}");
    }
    let _ = read(huge.as_bytes());
    let nul = r#"{"bomFormat":"CycloneDX","specVersion":"1.5","components":[{"type":"library","name":"a\u0000b","version":"1\u0000"}]}"#;
    assert_eq!(read(nul.as_bytes()).unwrap().components.len(), 1);
    for text in [
        "\u{feff}{\"bomFormat\":\"CycloneDX\",\"specVersion\":\"1.5\"}",
        "\u{feff}idna==1\n",
    ] {
        read(text.as_bytes()).unwrap();
    }
}
