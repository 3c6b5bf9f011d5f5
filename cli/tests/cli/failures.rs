//! Failures: the exit code and the message.

use starling_api_types::{ErrorCode, Problem};

use crate::world::World;

#[test]
fn daemon_problem_ends_the_command_with_its_code() {
    let world = World::with_daemon();
    for code in ErrorCode::ALL {
        let problem = Problem::new(*code, "doing something").hint("do another thing");
        *world.site.problem.lock().unwrap() = Some(problem);
        let run = world.run("sites list").ends(i32::from(code.exit_status().code()));
        assert_eq!(
            run.stderr,
            format!(
                "error: {}: doing something\nhint: do another thing\n",
                code.title()
            ),
            "{code}"
        );
        assert!(run.stdout.is_empty());
    }
}

#[test]
fn problems_are_json_with_the_json_option() {
    let world = World::with_daemon();
    *world.site.problem.lock().unwrap() = Some(Problem::new(ErrorCode::SiteNotAllowed, "importing"));
    let run = world.run("status --json").ends(3);
    let problem: Problem = serde_json::from_str(&run.stderr).unwrap();
    assert_eq!(problem.code, ErrorCode::SiteNotAllowed);
}

#[test]
fn too_large_bundle_shows_the_daemons_message() {
    let world = World::with_daemon();
    world.file("big.stl", vec![0; 5_000_000]);
    for line in [
        "bundle import @F/big.stl",
        "bundle inspect @F/big.stl",
        "bundle validate @F/big.stl",
    ] {
        let run = world.run(line).ends(3);
        assert!(
            run.stderr.starts_with("error: Bundle too large: "),
            "{}",
            run.stderr
        );
    }
    let run = world.run_with("bundle import -", &vec![0; 5_000_000]).ends(3);
    assert!(
        run.stderr.starts_with("error: Bundle too large: "),
        "{}",
        run.stderr
    );
    // The client only asks for the daemon's health, to learn that it is open.
    assert_eq!(world.asked(), "health");
}

#[test]
fn endless_file_is_refused_before_any_call() {
    let world = World::with_daemon();
    world.file("sbom.json", b"{}");
    for line in [
        "scan @F/sbom.json --policy /dev/zero",
        "scan @F/sbom.json --rego /dev/zero",
        "scan @F/sbom.json --vex /dev/zero",
        "sites add b --key @/dev/zero",
        "version affected /dev/zero pkg:npm/a@1",
    ] {
        let run = world.run(line).ends(3);
        let named = run.stderr.contains(": /dev/zero has more than ");
        assert!(named && run.stderr.contains("at most "), "{line}: {}", run.stderr);
    }
    let many = format!("scan @F/sbom.json{}", " --vex @F/sbom.json".repeat(65));
    let run = world.run(&many).ends(3);
    assert!(
        run.stderr.contains("there are 65: expected at most 64"),
        "{}",
        run.stderr
    );
    assert_eq!(world.asked(), "");
}

#[test]
fn refused_sbom_is_named() {
    let world = World::with_daemon();
    world.file("a.json", b"{}");
    world.file("b.json", b"{}");
    let refusal = Problem::new(ErrorCode::SbomUnreadable, "reading the SBOM: it is none");
    let refuse = || *world.site.problem.lock().unwrap() = Some(refusal.clone());
    refuse();
    let run = world.run("scan @F/a.json").ends(3);
    assert!(run.stderr.contains("a.json: reading the SBOM"), "{}", run.stderr);
    refuse();
    let run = world.run("scan @F/a.json @F/b.json").ends(3);
    let stdout = String::from_utf8_lossy(&run.stdout);
    assert!(stdout.contains("a.json: reading the SBOM"), "{stdout}");
    // In a report to another output, the terminal does not show it.
    refuse();
    let run = world.run("scan @F/a.json @F/b.json --format csv").ends(3);
    assert!(
        run.stderr.starts_with("refused: ") && run.stderr.contains("a.json: reading the SBOM"),
        "{}",
        run.stderr
    );
}

#[test]
fn unreadable_file_of_the_site_is_not_an_sbom_error() {
    let world = World::with_daemon();
    world.file("a.json", b"{}");
    world.file("b.json", b"{}");
    for line in ["scan @F/a.json", "scan @F/a.json @F/b.json"] {
        let problem = Problem::new(ErrorCode::FileAccess, "opening /site/policy.yaml: gone");
        *world.site.problem.lock().unwrap() = Some(problem);
        let run = world.run(line).ends(2);
        assert!(
            run.stderr
                .starts_with("error: File not accessible: opening /site/policy.yaml"),
            "{}",
            run.stderr
        );
        assert!(run.stdout.is_empty(), "{line}");
    }
}

#[test]
fn broken_policy_of_a_scan_is_named_by_its_file() {
    let world = World::with_daemon();
    world.file("a.json", b"{}");
    world.file("broken.yaml", b"fail: high");
    let detail = "the policy given: cannot read the policy: line 1, column 7: fail: expected a list";
    *world.site.problem.lock().unwrap() = Some(Problem::new(ErrorCode::PolicyInvalid, detail));
    let run = world.run("scan @F/a.json --policy @F/broken.yaml").ends(2);
    let said = run.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(said.contains("broken.yaml: cannot read the policy"), "{said}");
    assert!(!said.contains("the policy given"), "{said}");
}

#[test]
fn full_disk_under_standard_output_is_reported() {
    let world = World::empty();
    let questions = world.file("questions", "npm\t1\t2\n");
    for line in ["version compare npm 1 2", "version compare --batch"] {
        let run = world.run_on_full_disk(line, &questions).ends(12);
        assert!(run.stderr.starts_with("error: Disk full: "), "{}", run.stderr);
    }
}

#[test]
fn batch_of_documents_does_not_block_on_stdin() {
    let world = World::empty();
    let run = world
        .run_with("sbom inspect --batch", b"-\n/does/not/exist\n")
        .ends(3);
    let stdout = String::from_utf8_lossy(&run.stdout);
    let lines: Vec<_> = stdout.lines().collect();
    assert!(
        lines[0].starts_with("error: standard input holds the questions"),
        "{stdout}"
    );
    assert!(lines[1].starts_with("error: opening /does/not/exist"), "{stdout}");
}

#[test]
fn missing_files_are_reported_before_any_call() {
    let world = World::with_daemon();
    for line in [
        "scan nope.json",
        "bundle import nope.json",
        "feeds import nope.json --source a",
    ] {
        let run = world.run(line).ends(2);
        assert!(run.stderr.contains("nope.json"), "{line}: {}", run.stderr);
    }
    let run = world.run("sites add b --key @nope.json").ends(2);
    assert!(run.stderr.contains("nope.json"), "{}", run.stderr);
    assert_eq!(world.asked(), "");
}

#[test]
fn private_key_is_named_and_never_printed() {
    let world = World::with_daemon();
    world.file("root.key", "starling-key-v1:00112233445566778899aabbccddeeff\n");
    for line in [
        "sites add b --key @@F/root.key",
        "sites add b --key starling-key-v1:00112233445566778899aabbccddeeff",
        "status --await-root starling-key-v1:00112233445566778899aabbccddeeff",
        "version affected @F/root.key pkg:npm/a@1",
        "sbom inspect @F/root.key",
        "policy check @F/root.key",
    ] {
        for line in [line.to_owned(), format!("{line} --json")] {
            let run = world.run(&line);
            assert_ne!(run.code, 0, "{line}");
            let said = format!("{}{}", run.text(), run.stderr);
            assert!(!said.contains("0011"), "{line}: {said}");
        }
    }
    for line in ["purl parse --batch", "cvss --batch --json"] {
        let run = world.run_with(line, b"starling-key-v1:00112233\n").ends(3);
        assert!(!run.text().contains("0011"), "{line}: {}", run.text());
    }
    let run = world.run("sites add b --key @@F/root.key").ends(3);
    assert!(run.stderr.contains("root.key is a private key"), "{}", run.stderr);
    assert_eq!(world.asked(), "");
}

#[test]
fn variables_that_a_daemon_does_not_apply_are_reported() {
    let world = World::with_daemon();
    world.file("a.json", b"{}");
    let run = world
        .run_under("scan @F/a.json", "STARLING_SCAN_FAIL_ON", "high")
        .ends(2);
    assert!(run.stderr.contains("STARLING_SCAN_FAIL_ON"), "{}", run.stderr);
    assert_eq!(world.asked(), "");
    let run = world.run_under("status", "STARLING_SCAN_FIAL_ON", "high").ends(2);
    assert!(
        run.stderr.contains("STARLING_SCAN_FAIL_ON is one"),
        "{}",
        run.stderr
    );
    let run = world
        .run_under("scan @F/a.json", "STARLING_LOG_LEVEL", "debug")
        .ends(0);
    assert!(run.stderr.contains("warning: a daemon runs"), "{}", run.stderr);
    assert_eq!(
        run.stderr.matches("STARLING_LOG_LEVEL").count(),
        1,
        "{}",
        run.stderr
    );
}

#[test]
fn output_options_that_exclude_one_another_are_refused() {
    let world = World::with_daemon();
    world.file("a.json", b"{}");
    for line in [
        "scan @F/a.json --json --format html",
        "scan @F/a.json --json --format table -o @F/out",
        "status --home @F/a.json",
    ] {
        let run = world.run(line).ends(2);
        assert!(run.stdout.is_empty(), "{line}");
    }
    assert_eq!(world.asked(), "");
    world.run("scan @F/a.json --json --format json").ends(0).json();
    world
        .run("scan @F/a.json --json --format html=@F/out.html")
        .ends(0)
        .json();
    let run = world.run("advisory dump --source ghas -o @F/dump").ends(4);
    assert!(!world.path("dump").exists(), "{}", run.stderr);
    assert!(run.stderr.contains("did you mean ghsa?"), "{}", run.stderr);
}

#[test]
fn bundle_without_news_is_not_shown_as_an_error() {
    let world = World::with_daemon();
    world.file("a.stl", "x");
    let detail = "importing a bundle: nothing new: all 3 deltas are here";
    let problem = Problem::new(ErrorCode::CursorNotAfterCurrent, detail);
    *world.site.problem.lock().unwrap() = Some(problem);
    let run = world.run("bundle import @F/a.stl").ends(3);
    assert!(!run.stderr.contains("error:"), "{}", run.stderr);
    let text = run.text();
    assert!(text.starts_with("nothing new: all 3 deltas are here\n"), "{text}");
    // A program gets the code as before.
    let run = world.run("bundle import @F/a.stl --json").ends(3);
    assert!(run.stderr.contains("cursor_not_after_current"), "{}", run.stderr);
}

#[test]
fn failed_scan_writes_reports_that_say_so() {
    let world = World::with_daemon();
    world.file("a.json", "{}");
    let refuse = || {
        let problem = Problem::new(ErrorCode::SbomUnreadable, "not an SBOM");
        *world.site.problem.lock().unwrap() = Some(problem);
    };
    refuse();
    let plain = world.run("scan @F/a.json").ends(3);
    refuse();
    let run = world
        .run("scan @F/a.json --format junit -o @F/out.xml --format sarif=@F/out.sarif --format json=@F/out.json")
        .ends(3);
    assert_eq!((run.stdout.as_slice(), &run.stderr), (&b""[..], &plain.stderr));
    let read = |name: &str| std::fs::read_to_string(world.path(name)).unwrap();
    let junit = read("out.xml");
    assert!(
        junit.contains("errors=\"1\"") && junit.contains("SBOM not readable"),
        "{junit}"
    );
    let sarif: serde_json::Value = serde_json::from_str(&read("out.sarif")).unwrap();
    let invocation = &sarif["runs"][0]["invocations"][0];
    assert_eq!(
        (&invocation["executionSuccessful"], &invocation["exitCode"]),
        (&serde_json::json!(false), &serde_json::json!(3))
    );
    assert!(!world.path("out.json").exists(), "a verdict for later scans");
    // One that is sent to another program says it as well.
    assert!(
        world
            .run("scan @F/none --format junit")
            .ends(2)
            .stdout
            .starts_with(b"<?xml")
    );
    assert!(
        world
            .run("scan @F/none --format junit --quiet")
            .ends(2)
            .stdout
            .is_empty()
    );
}

#[test]
fn exclusive_commands_report_a_running_daemon() {
    let world = World::with_daemon();
    for line in ["store convert --engine redb", "keys generate"] {
        let run = world.run(line).ends(6);
        assert!(
            run.stderr.starts_with("error: Daemon is running: "),
            "{line}: {}",
            run.stderr
        );
        assert!(run.stderr.contains("starling.sock"), "{}", run.stderr);
    }
}

#[test]
fn daemon_panic_is_an_internal_error_of_one_command() {
    let world = World::with_daemon();
    *world.site.panics.lock().unwrap() = true;
    world.run("status").ends(10);
    *world.site.panics.lock().unwrap() = false;
    world.run("status").ends(0);
}

#[test]
fn socket_of_another_program_is_unreachable() {
    let world = World::empty();
    let listener = std::os::unix::net::UnixListener::bind(world.path("starling.sock")).unwrap();
    let other = std::thread::spawn(move || {
        // The first connection only checks that something listens; the second one carries the call.
        let mut connections = listener.incoming();
        drop(connections.next().unwrap());
        std::io::Write::write_all(&mut connections.next().unwrap().unwrap(), b"220 mail ready\r\n").unwrap();
    });
    let run = world.run("status").ends(6);
    assert!(
        run.stderr.starts_with("error: Site not reachable: "),
        "{}",
        run.stderr
    );
    other.join().unwrap();
}
