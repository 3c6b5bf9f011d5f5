//! `starling.toml`: faults in it are reported with their line, and overrides take precedence.

use starling_api_types::ErrorCode;
use starling_tests::process::command;
use starling_tests::{Ended, Site};

use crate::bench;

fn write(site: &Site, text: &str) {
    std::fs::write(site.home().join("starling.toml"), text).unwrap();
}

#[test]
fn wrong_key_or_value_is_refused_with_its_line() {
    let bench = bench();
    let site = Site::init(bench.path(), "site-a");
    for (text, named) in [
        (
            "[federation]\nenabled = true\nmax_itmes = 5\n",
            ["line 3", "max_itmes"],
        ),
        (
            "[federation]\n\n\ncompression_level = \"fast\"\n",
            ["line 4", "compression_level"],
        ),
        ("[store]\nengine = \"rocks\"\n", ["store.engine", "rocks"]),
        ("[nonsense]\n", ["line 1", "nonsense"]),
        ("[federation\n", ["line 1", "starling.toml"]),
    ] {
        write(&site, text);
        for args in [&["status"][..], &["up"]] {
            let problem = site.refused(args.iter().copied());
            assert_eq!(
                (problem.code, problem.exit_status().code()),
                (ErrorCode::ConfigInvalid, 2),
                "{text}"
            );
            assert!(
                named.iter().all(|name| problem.detail.contains(name)),
                "{text}: {problem}"
            );
        }
    }
}

#[test]
fn environment_overrides_file_and_flags_override_both() {
    let bench = bench();
    let mut site = Site::init(bench.path(), "site-a");
    write(&site, "[api]\nlisten = \"0.0.0.0:1\"\n");
    let problem = site.refused(["status"]);
    assert!(problem.detail.contains("loopback"), "{problem}");
    write(&site, "[log]\nlevel = \"error\"\n");
    let mut with_environment = command(site.home(), ["status", "--json"]);
    with_environment.env("STARLING_FEDERATION_MAX_ITEMS", "none");
    let problem = Ended::of(with_environment).problem();
    assert!(
        problem.detail.contains("STARLING_FEDERATION_MAX_ITEMS"),
        "{problem}"
    );
    let problem = site.refused(["up", "--set", "federation.max_itmes=4"]);
    assert!(problem.detail.contains("max_itmes"), "{problem}");
    // A delta holds as many claims as the flag allows.
    site.up_with(&["--set", "federation.max_items=3"]);
    let report = site.import("mine", &starling_tests::feed::many("CONF", 10, 5), &[]);
    assert_eq!(report.deltas, 4);
    assert_eq!(site.daemon().log(), "", "errors alone are logged");
}

#[test]
fn federation_can_be_disabled() {
    let bench = bench();
    let mut site = Site::init(bench.path(), "site-a");
    site.spawn_up(&["--set", "federation.enabled=false"]);
    // It never listens, so it is ready when its status is answered.
    let from = std::time::Instant::now();
    while site.try_status().is_none() {
        site.daemon().expect_running();
        assert!(from.elapsed().as_secs() < 120);
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    let status = site.status();
    assert!(status.daemon && status.listen.is_empty());
    let _ = site.import("mine", &crate::sample_feed(), &[]);
    let _ = site.export("full.zst", &[]);
}
