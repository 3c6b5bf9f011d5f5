//! Commands without a daemon.

use crate::world::World;

#[test]
fn missing_daemon_and_site_are_both_reported() {
    let world = World::empty();
    for line in [
        "status",
        "sites list",
        "doctor",
        "doctor --repair",
        "store compact",
    ] {
        let run = world.run(line).ends(2);
        assert!(
            run.stderr
                .starts_with("error: No site in this folder: no daemon answers on "),
            "{}",
            run.stderr
        );
        assert!(
            run.stderr
                .contains("starling.sock, and opening the store directly failed: "),
            "{}",
            run.stderr
        );
    }
}

#[test]
fn command_that_needs_a_daemon_says_so() {
    let run = World::empty().run("events").ends(6);
    assert!(
        run.stderr.starts_with("error: Daemon not running: "),
        "{}",
        run.stderr
    );
    assert!(
        run.stderr.contains("hint: start it with `starling up`"),
        "{}",
        run.stderr
    );
}

#[test]
fn stale_socket_is_not_a_daemon() {
    let world = World::empty();
    drop(std::os::unix::net::UnixListener::bind(world.path("starling.sock")).unwrap());
    assert!(
        world
            .run("events")
            .ends(6)
            .stderr
            .contains("no daemon listens on")
    );
}

#[test]
fn new_site_shows_its_identity() {
    let world = World::empty();
    let made = world
        .run("--home @F/west init --site-id site-us-west-1 --json")
        .ends(0)
        .json();
    assert_eq!(made["site_id"], "site-us-west-1");
    let shown = world.run("--home @F/west keys show --json").ends(0).json();
    assert_eq!(shown["site"], made["site"]);
    let exported = world.run("--home @F/west keys export --public").ends(0).text();
    assert_eq!(exported.trim_end(), shown["certificates"].as_str().unwrap());
    assert_eq!(exported.lines().count(), 1);
    let listed = world.run("--home @F/west keys list --json").ends(0).json();
    assert_eq!(listed["keys"].as_array().unwrap().len(), 2);
    assert!(!listed.to_string().contains("starling-key-v1"));
    world.run("--home @F/west init --site-id other").ends(2);
    world.run("--home @F/west keys export").ends(2);
}

#[test]
fn usage_errors_print_help_on_standard_error() {
    let world = World::empty();
    for line in [
        "",
        "frobnicate",
        "scan",
        "scan a --fail-on terrible",
        "scan a --at yesterday",
        "scan a --min-coverage 101",
        "scan a --max-age 3",
        "scan a --format pdf",
        "scan - -",
        "scan - --baseline -",
        "bundle import a --on-conflict prefer_me",
        "bundle export -c yesterday -o x",
        "sites add Site_B --key k --max-bundle-size 1XB",
        "sites add ../b --key k",
        "sites set site-b",
        "sites set site-b --enable --disable",
        "feeds import a --source A/B",
        "feeds import a --source b --allow-empty",
        "store convert --engine memory",
        "store compact --engine sled",
        "doctor --rebuild --repair",
    ] {
        let run = world.run(line).ends(2);
        assert!(run.stdout.is_empty() && !run.stderr.is_empty(), "`{line}`");
        // JSON is used, as for every other problem.
        let run = world.run(&format!("{line} --json")).ends(2);
        let problem: serde_json::Value = serde_json::from_str(&run.stderr).unwrap();
        assert_eq!(problem["code"], "bad_request", "`{line}`: {problem}");
        assert!(
            problem["detail"].as_str().unwrap().len() > 30,
            "`{line}`: {problem}"
        );
    }
}

#[test]
fn version_help_and_completions_need_nothing() {
    let world = World::empty();
    let version = world.run("--version").ends(0).text();
    assert_eq!(version, format!("starling {}\n", env!("CARGO_PKG_VERSION")));
    let help = world.run("bundle export --help").ends(0).text();
    assert!(
        help.contains("Example:") && help.contains("Exit codes:\n   0  written\n"),
        "{help}"
    );
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = world.run(&format!("completions {shell}")).ends(0).text();
        assert!(script.contains("_STARLING_COMPLETE"), "{shell}: {script}");
    }
    assert!(world.run("man scan").ends(0).text().contains(".TH"));
}

#[test]
fn rego_policy_is_evaluated_within_process_limits() {
    let world = World::empty();
    world.file("fits.rego", b"package starling\ndeny contains \"x\"\n");
    world.run("policy validate @F/fits.rego").ends(0);
    // A list that doubles with every line uses all available memory.
    let mut text = "package starling\nx0 := [1]\n".to_owned();
    for line in 1..40 {
        text.push_str(&format!("x{line} := array.concat(x{0}, x{0})\n", line - 1));
    }
    text.push_str("deny contains \"x\" if count(x39) == 0\n");
    world.file("large.rego", text);
    let run = world.run("policy validate @F/large.rego").ends(2);
    assert!(
        run.stderr.contains("more memory, stack or processor time"),
        "{}",
        run.stderr
    );
}

#[test]
fn small_tools_need_no_site() {
    let world = World::empty();
    world.file(
        "policy.yaml",
        include_bytes!("../../../docs/examples/policy.yaml"),
    );
    world.file("bad.stl", b"no bundle");
    for (line, code) in [
        ("version compare npm 1.2.0 1.10.0", 0),
        ("purl parse pkg:npm/express@4.17.1", 0),
        ("cvss CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", 0),
        ("policy validate @F/policy.yaml", 0),
        ("policy test @F/policy.yaml", 0),
        ("bundle validate @F/bad.stl", 3),
        ("bundle inspect @F/bad.stl", 3),
        ("help exit-codes", 0),
    ] {
        let run = world.run(line).ends(code);
        assert!(!run.stderr.contains("No site"), "`{line}`: {}", run.stderr);
        let said = run.text() + &run.stderr;
        assert!(!said.is_empty(), "`{line}` says nothing");
    }
}

#[test]
fn wrong_value_in_a_policy_is_named_by_its_key() {
    let world = World::empty();
    for value in ["high", "\n  severity: high"] {
        let text = format!("format: starling-policy/1\nfail: {value}\n");
        world.file("broken.yaml", text.as_bytes());
        let run = world.run("policy validate @F/broken.yaml").ends(2);
        let said = run.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(said.contains("fail: expected a list"), "{said}");
        assert!(said.contains("starling help policy-file"), "{said}");
    }
}

#[test]
fn wrong_file_is_no_import_and_said_once() {
    let world = World::empty();
    world.file("bad.stl", b"no bundle");
    for line in ["bundle inspect @F/bad.stl", "bundle validate @F/bad.stl"] {
        let run = world.run(line).ends(3);
        let said = run.text() + &run.stderr;
        assert!(!said.contains("imported"), "{said}");
        assert!(!said.contains("reading a bundle: "), "{said}");
    }
}

#[test]
fn init_of_air_gapped_site_shows_next_steps() {
    let world = World::empty();
    let text = world
        .run("--home @F/vault init --site-id vault --air-gapped")
        .ends(0)
        .text();
    assert!(text.contains("bundle import delta.stl"), "{text}");
    let config = std::fs::read_to_string(world.path("vault/starling.toml")).unwrap();
    assert!(
        config.contains("\nenabled = false\n") && config.contains("\nlisten = []\n"),
        "{config}"
    );
    let text = world.run("--home @F/west init --site-id west").ends(0).text();
    for next in ["feeds import PATH", "scan sbom.json", " up\n", "starling doctor"] {
        assert!(text.contains(next), "{next}: {text}");
    }
}

#[test]
fn colours_are_printed_only_on_request() {
    let world = World::empty();
    let plain = world.run("status").ends(2);
    assert!(!plain.stderr.contains('\u{1b}'));
    let coloured = world.run("status --color always").ends(2);
    assert!(coloured.stderr.starts_with("\u{1b}["), "{:?}", coloured.stderr);
    world.run("status --color sometimes").ends(2);
}

#[test]
fn giving_up_what_peers_hold_needs_consent_in_a_script() {
    let world = World::empty();
    for line in ["restore --alone", "restore --alone --json"] {
        let run = world.run(line).ends(2);
        assert!(
            run.stderr.contains("cannot be undone") && run.stderr.contains("--yes"),
            "{}",
            run.stderr
        );
    }
    // With it, the command continues, and reports the missing site.
    let run = world.run("restore --alone --yes").ends(2);
    assert!(run.stderr.contains("No site in this folder"), "{}", run.stderr);
}

#[test]
fn folder_from_the_environment_is_not_in_the_usage_of_an_error() {
    let world = World::empty();
    let run = world.run("scan --fail-on hihg").ends(2);
    assert!(run.stderr.contains("hihg"), "{}", run.stderr);
    let run = world.run("sites show").ends(2);
    assert!(
        run.stderr.contains("Usage: starling sites show"),
        "{}",
        run.stderr
    );
    assert!(!run.stderr.contains("--home"), "{}", run.stderr);
}
