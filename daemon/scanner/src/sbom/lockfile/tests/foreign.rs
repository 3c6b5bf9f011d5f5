//! Packages that come from elsewhere than a registry.

use super::*;

/// Returns the names of packages about which nothing is known.
fn foreign(text: &str) -> Vec<String> {
    let inventory = read(text.as_bytes()).unwrap_or_else(|e| panic!("{e}"));
    let components = inventory.components.iter();
    let foreign = components.filter(|c| c.purl.is_none() && c.kind == ComponentKind::Package);
    foreign.map(|c| c.name.clone()).collect()
}

#[test]
fn package_without_registry_is_listed_without_release() {
    let npm = r#"{"lockfileVersion":1,"dependencies":{"a":{"version":"1.0.0"},"d":{"version":"git+ssh://git@example.org/d.git#abc"},
        "e":{"version":"https://example.org/e.tgz"},"f":{"version":"github:a/f#abc"},"g":{"version":"file:../g"}}}"#;
    assert_eq!(foreign(npm), ["d", "e", "f"]);
    let pnpm = "lockfileVersion: '9.0'\n\npackages:\n\n  a@1.0.0: {}\n  b@https://example.org/b.tgz:\n    x: 1\n  c@file:../c:\n    x: 1\n";
    assert_eq!(purls(Lockfile::Pnpm, pnpm), ["pkg:npm/a@1.0.0"]);
    assert_eq!(foreign(pnpm), ["b@https://example.org/b.tgz"]);
    let pnpm5 =
        "lockfileVersion: 5.4\npackages:\n  github.com/a/b/0123456:\n    x: 1\n  file:../c:\n    x: 1\n";
    assert_eq!(foreign(pnpm5), ["github.com/a/b/0123456"]);
    let bun = r#"{"lockfileVersion":1,"workspaces":{},"packages":{"a":["a@github:x/a#abc",{}],"b":["b@workspace:packages/b"],"c":["c@1.0.0","",{}]}}"#;
    assert_eq!(
        (foreign(bun), purls(Lockfile::Bun, bun)),
        (vec!["a".to_owned()], vec!["pkg:npm/c@1.0.0".to_owned()])
    );
    let mix = "%{\n  \"a\": {:hex, :a, \"1.0.0\", \"x\", [:mix], [], \"hexpm\", \"y\"},\n  \"b\": {:git, \"https://example.org/b.git\", \"abc\", []},\n}\n";
    assert_eq!(foreign(mix), ["b"]);
    let publock = "packages:\n  a:\n    dependency: transitive\n    source: hosted\n    version: \"1.0.0\"\n  b:\n    dependency: transitive\n    source: git\n    version: \"1.0.0\"\n  flutter:\n    dependency: transitive\n    source: sdk\n    version: \"0.0.0\"\nsdks:\n  dart: x\n";
    assert_eq!(
        (foreign(publock), purls(Lockfile::Pub, publock)),
        (vec!["b".to_owned()], vec!["pkg:pub/a@1.0.0".to_owned()])
    );
    let pip = "a==1.0\n-r more.txt\n-c limits.txt\n-e git+https://example.org/b.git#egg=b\n-e ./mine\nhttps://example.org/c-1.0-py3-none-any.whl\n./d\n--index-url https://example.org/simple\n";
    assert_eq!(
        foreign(pip),
        [
            "-r more.txt",
            "git+https://example.org/b.git#egg=b",
            "https://example.org/c-1.0-py3-none-any.whl"
        ]
    );
    let pipfile = r#"{"_meta":{"x":1},"default":{},"docs":{"idna":{"version":"==3.7"}},"develop":null}"#;
    assert_eq!(purls(Lockfile::Pipfile, pipfile), ["pkg:pypi/idna@3.7"]);
}

#[test]
fn requirements_hold_urls_paths_and_several_clauses() {
    let text = "-r base.txt\n--index-url https://packages.example/simple\n\
        idna==3.7 \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb\n\
        six @ https://files.example/six-1.16.0.tar.gz#sha256=cc\n\
        git+https://code.example/x.git@v1#egg=x\n./local[extra]\n-e .\n\
        uvicorn[standard]==0.29.0,!=0.28 ; python_version>='3.8' # why\nold (==1.0)\nany==1.*\n";
    assert_eq!(
        purls(Lockfile::Requirements, text),
        [
            "pkg:pypi/idna@3.7",
            "pkg:pypi/six",
            "pkg:pypi/uvicorn@0.29.0",
            "pkg:pypi/old@1.0",
            "pkg:pypi/any"
        ]
    );
    let notes = read(text.as_bytes()).unwrap().notes;
    assert!(notes[0].text.contains("base.txt"), "{notes:?}");
}

#[test]
fn first_replacement_of_a_go_module_applies() {
    let read_with = |replaced: [&str; 2]| {
        let text = format!(
            "module a\n\ngo 1.22\n\nrequire x.org/m v1.0.0\n\nreplace (\n\t{}\n\t{}\n)\n",
            replaced[0], replaced[1]
        );
        let inventory = read(text.as_bytes()).unwrap();
        inventory.components[0].purl.as_ref().unwrap().to_string()
    };
    let (all, one) = (
        "x.org/m => x.org/all v2.0.0",
        "x.org/m v1.0.0 => x.org/one v3.0.0",
    );
    assert_eq!(read_with([all, one]), "pkg:golang/x.org/all@v2.0.0");
    assert_eq!(read_with([one, all]), "pkg:golang/x.org/one@v3.0.0");
    let other = "x.org/m v1.0.1 => x.org/other v4.0.0";
    assert_eq!(read_with([other, all]), "pkg:golang/x.org/all@v2.0.0");
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table: one lockfile of each kind")]
fn local_packages_have_no_registry_in_any_lockfile() {
    let documents: &[(Lockfile, &str)] = &[
        (
            Lockfile::Npm,
            r#"{"lockfileVersion":3,"packages":{"":{"name":"p"},"packages/mine":{"version":"1.0.0"},
            "node_modules/mine":{"resolved":"packages/mine","link":true},
            "node_modules/local":{"version":"1.0.0","resolved":"file:../local"},
            "node_modules/good":{"version":"1.0.0","resolved":"https://registry.example/good-1.0.0.tgz"}}}"#,
        ),
        (
            Lockfile::Npm,
            r#"{"lockfileVersion":1,"dependencies":{"local":{"version":"file:../local"},"good":{"version":"1.0.0"}}}"#,
        ),
        (
            Lockfile::Yarn,
            "# yarn lockfile v1\n\n\"local@../local\":\n  version \"1.0.0\"\n\nlink@^1.0.0:\n  version \"1.0.0\"\n  resolved \"file:./link.tgz\"\n\n\
             good@^1.0.0:\n  version \"1.0.0\"\n  resolved \"https://registry.example/good-1.0.0.tgz#abc\"\n",
        ),
        (
            Lockfile::Yarn,
            "__metadata:\n  version: 8\n\n\"mine@^1.0.0, mine@workspace:packages/mine\":\n  version: 0.0.0-use.local\n  resolution: \"mine@workspace:packages/mine\"\n\n\
             \"ported@portal:../ported::locator=p%40workspace%3A.\":\n  version: 1.0.0\n\n\"good@npm:^1.0.0\":\n  version: 1.0.0\n  resolution: \"good@npm:1.0.0\"\n",
        ),
        (
            Lockfile::Pnpm,
            "lockfileVersion: 5.4\n\npackages:\n\n  /good/1.0.0:\n    dev: false\n\n  file:packages/local:\n    dev: false\n\n  github.com/o/r/0123456:\n    dev: false\n",
        ),
        (
            Lockfile::Pnpm,
            "lockfileVersion: '9.0'\n\npackages:\n\n  good@1.0.0:\n    resolution: {}\n\n  local@file:../local:\n    resolution: {}\n\n  link:../x:\n    resolution: {}\n",
        ),
        (
            Lockfile::Cargo,
            "version = 4\n[[package]]\nname = \"mine\"\nversion = \"1.0.0\"\n[[package]]\nname = \"good\"\nversion = \"1.0.0\"\nsource = \"registry+https://x\"\n",
        ),
        (
            Lockfile::PythonToml,
            "[[package]]\nname = \"local\"\nversion = \"1.0.0\"\n[package.source]\ntype = \"directory\"\nurl = \"../local\"\n\
             [[package]]\nname = \"wheel\"\nversion = \"1.0.0\"\n[package.source]\ntype = \"file\"\nurl = \"x.whl\"\n\
             [[package]]\nname = \"good\"\nversion = \"1.0.0\"\n[package.source]\ntype = \"legacy\"\nurl = \"https://x\"\n[metadata]\npython-versions = \"*\"\ncontent-hash = \"x\"\n",
        ),
        (
            Lockfile::PythonToml,
            "version = 1\nrequires-python = \">=3\"\n[[package]]\nname = \"mine\"\nversion = \"1.0.0\"\nsource = { editable = \".\" }\n\
             [[package]]\nname = \"wheel\"\nversion = \"1.0.0\"\nsource = { path = \"x.whl\" }\n[[package]]\nname = \"good\"\nversion = \"1.0.0\"\nsource = { registry = \"https://x\" }\n",
        ),
        (
            Lockfile::PythonToml,
            "[metadata]\ncontent_hash = \"x\"\n[[package]]\nname = \"mine\"\nversion = \"1.0.0\"\npath = \"./mine\"\neditable = true\n[[package]]\nname = \"good\"\nversion = \"1.0.0\"\nrequires_python = \">=3\"\n",
        ),
        (
            Lockfile::PyLock,
            "lock-version = \"1.0\"\ncreated-by = \"x\"\n[[packages]]\nname = \"mine\"\ndirectory = { path = \".\" }\n\
             [[packages]]\nname = \"wheel\"\nversion = \"1.0.0\"\narchive = { path = \"x.whl\" }\n[[packages]]\nname = \"good\"\nversion = \"1.0.0\"\n",
        ),
        (
            Lockfile::Pipfile,
            r#"{"_meta":{},"default":{"mine":{"path":".","editable":true},"wheel":{"file":"x.whl","version":"==1.0.0"},"good":{"version":"==1.0.0"}},"develop":{}}"#,
        ),
        (
            Lockfile::Requirements,
            "-e ./mine\nlocal @ file:///x/local.whl\n./other\ngood==1.0.0\n",
        ),
        (
            Lockfile::GoMod,
            "module m\n\ngo 1.22\n\nrequire (\n\texample.org/local v1.0.0\n\texample.org/old v1.0.0\n\tgood v1.0.0\n)\n\nreplace example.org/local => ../local\n\nreplace example.org/old v1.0.0 => ./old\n",
        ),
        (
            Lockfile::Bundler,
            "PATH\n  remote: .\n  specs:\n    mine (1.0.0)\n\nGEM\n  remote: https://x/\n  specs:\n    good (1.0.0)\n",
        ),
        (
            Lockfile::Composer,
            r#"{"content-hash":"x","packages":[{"name":"a/mine","version":"1.0.0","dist":{"type":"path","url":"../mine"}},
            {"name":"a/good","version":"1.0.0","dist":{"type":"zip","url":"https://x"}}]}"#,
        ),
        (
            Lockfile::NuGet,
            r#"{"version":1,"dependencies":{"net8.0":{"Mine":{"type":"project"},"good":{"type":"Direct","resolved":"1.0.0"}}}}"#,
        ),
        (
            Lockfile::Pub,
            "packages:\n  good:\n    dependency: transitive\n    source: hosted\n    version: \"1.0.0\"\n  mine:\n    dependency: \"direct main\"\n    description:\n      path: \"../mine\"\n    source: path\n    version: \"1.0.0\"\nsdks:\n  dart: \">=3\"\n",
        ),
        (
            Lockfile::Bun,
            r#"{"lockfileVersion":1,"workspaces":{"":{"name":"p"}},"packages":{"mine":["mine@workspace:packages/mine"],"local":["local@file:../local",{}],"good":["good@1.0.0","",{},"x"]}}"#,
        ),
        (
            Lockfile::Swift,
            r#"{"version":2,"pins":[{"identity":"mine","kind":"localSourceControl","location":"/srv/mine","state":{"version":"1.0.0"}},
            {"identity":"good","kind":"remoteSourceControl","location":"https://host.example/o/good.git","state":{"version":"1.0.0"}}]}"#,
        ),
        (
            Lockfile::Pods,
            "PODS:\n  - good (1.0.0)\n  - Mine (1.0.0)\n\nEXTERNAL SOURCES:\n  Mine:\n    :path: \"../Mine\"\n\nPODFILE CHECKSUM: x\n\nCOCOAPODS: 1.15\n",
        ),
    ];
    for (kind, text) in documents {
        let found = purls(*kind, text);
        let [only] = &found[..] else {
            panic!("{kind:?}: {found:?}");
        };
        assert!(
            only.contains("good") && only.ends_with("1.0.0"),
            "{kind:?}: {only}"
        );
    }
}
