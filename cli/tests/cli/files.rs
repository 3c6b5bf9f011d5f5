//! Files, folders, standard input and output.

use crate::world::World;

#[test]
fn export_is_written_complete_with_a_summary() {
    let world = World::with_daemon();
    let line = "bundle export -c 2025-01-15T10:30:00.000Z#0042 -c site-c=2025-01-15T10:30:00.000Z#0007 --to site-b -o @F/out.stl";
    let report = world.run(&format!("{line} --json")).ends(0).json();
    assert_eq!(std::fs::read(world.path("out.stl")).unwrap(), b"zstd");
    assert_eq!(
        (&report["deltas"], &report["bodies"], &report["size_bytes"]),
        (&1.into(), &3.into(), &4.into())
    );
    for said in ["#0042", "site-c", "#0007", "site-b"] {
        assert!(world.asked().contains(said), "{said}: {}", world.asked());
    }
}

#[test]
fn export_to_stdout_contains_only_the_bundle() {
    let world = World::with_daemon();
    let run = world.run("bundle export -o -").ends(0);
    assert_eq!(run.stdout, b"zstd");
    assert!(
        run.stderr.contains("1 delta, 2 claims, 3 records"),
        "{}",
        run.stderr
    );
}

#[test]
fn dump_is_written_to_file_or_stdout() {
    let world = World::with_daemon();
    let lines = "{\"id\":\"A\"}\n{\"id\":\"B\"}\n";
    assert_eq!(
        world.run("advisory dump --source ghsa -o -").ends(0).text(),
        lines
    );
    assert!(world.asked().contains("ghsa"));
    world.run("advisory dump -o @F/all.ndjson").ends(0);
    assert_eq!(std::fs::read_to_string(world.path("all.ndjson")).unwrap(), lines);
}

#[test]
fn output_over_an_input_is_refused_before_any_call() {
    let world = World::with_daemon();
    world.file("b.json", "{}");
    for line in [
        "scan @F/b.json -o @F/b.json",
        "scan @F/b.json --vex @F/v.json --format json=@F/b.json",
        "scan @F/b.json --format sarif=@F/o --format junit=@F/o",
        "scan @F/b.json --format sarif=@F/o --format json -o @F/o",
    ] {
        let run = world.run(line).ends(2);
        assert!(
            run.stderr.contains("nothing was read or written"),
            "{line}: {}",
            run.stderr
        );
    }
    assert_eq!(std::fs::read_to_string(world.path("b.json")).unwrap(), "{}");
    world.file("site.chain", "");
    world.file("x", "");
    world.file("starling.toml", "");
    for line in [
        "scan @F/b.json -o @F/starling.toml",
        "advisory dump -o @F/starling.toml",
        "bundle export -o @F/site.chain",
        "sbom generate -o @F/x",
        "vex show 5f0c -o @F/x",
        "advisory raw GHSA-1 -o @F/x",
    ] {
        let run = world.run(line).ends(2);
        assert!(run.stderr.contains("the site's home"), "{line}: {}", run.stderr);
    }
    assert_eq!(world.asked(), "");
    world
        .run("scan @F/b.json --format json=/dev/null --format csv=/dev/null")
        .ends(0);
}

#[test]
fn raw_document_is_written_and_described_beside() {
    let world = World::with_daemon();
    let run = world.run("advisory raw GHSA-1 --source ghsa").ends(0);
    assert!(
        run.stderr.contains("https://example.org/all.zip"),
        "{}",
        run.stderr
    );
    assert_eq!(run.text(), "{}");
    assert_eq!(world.asked(), "advisory_raw GHSA-1 of ghsa");
    let run = world.run("advisory raw GHSA-1 -o @F/raw.json --json").ends(0);
    assert_eq!(run.json()["record_id"], "GHSA-1");
    assert_eq!(std::fs::read_to_string(world.path("raw.json")).unwrap(), "{}");
    // Both cannot go to one place.
    world.run("advisory raw GHSA-1 --json").ends(2);
}

#[test]
fn folder_is_sent_as_a_tar() {
    let world = World::with_daemon();
    world.file("feed/a/one.json", "{}");
    world.file("feed/two.json", "{}");
    world.run("feeds import @F/feed --source ghsa").ends(0);
    // Two files and the folder: one header each, one block per content, and the end of the archive.
    assert!(
        world.asked().starts_with("import_feed ghsa 3584 "),
        "{}",
        world.asked()
    );
}

#[test]
fn standard_input_is_read_to_its_end() {
    let world = World::with_daemon();
    world
        .run_with("feeds import - --source ghsa", &vec![b' '; 300_000])
        .ends(0);
    assert!(
        world.asked().starts_with("import_feed ghsa 300000 "),
        "{}",
        world.asked()
    );
    world.run_with("bundle import -", b"bundle").ends(0);
    assert!(world.asked().starts_with("import_bundle 6 "), "{}", world.asked());
    world.run_with("scan -", b"{}").ends(0);
    assert!(world.asked().starts_with("scan 2 "), "{}", world.asked());
}
