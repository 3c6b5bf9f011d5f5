//! One small lockfile per tool: detected from content, read to package URLs.

use super::super::{Format, Lockfile, Place, SbomError, read};

/// Reads a document and returns its package URLs, having checked the format.
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
fn cargo_packages_come_from_registries_and_members_do_not() {
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
fn a_toml_lockfile_that_breaks_names_its_line() {
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
fn pipenv_composer_and_nuget_are_told_apart() {
    let pipfile = r#"{"_meta":{},"default":{"idna":{"version":"==3.7"}},"develop":{"local":{"path":"."}}}"#;
    assert_eq!(
        purls(Lockfile::Pipfile, pipfile),
        ["pkg:pypi/idna@3.7", "pkg:pypi/local"]
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
