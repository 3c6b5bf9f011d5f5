//! A daemon whose store takes long to open: stopping it, and commands that have to wait.

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use starling_api_types::{ErrorCode, HEALTH_OPENING, Health};
use starling_tests::Site;
use starling_tests::http::Request;

use crate::{bench, sample_feed};

const DEADLINE: Duration = Duration::from_secs(60);

/// A site whose next opening does not end: a marker of its engine is a pipe without a writer.
struct Stuck {
    site: Site,
    root: String,
    marker: PathBuf,
}

impl Stuck {
    fn start(site: Site) -> Self {
        let _ = site.import("mine", &sample_feed(), &[]);
        let root = site.root();
        let marker = site.home().join("store/doubt");
        assert!(Command::new("mkfifo").arg(&marker).status().unwrap().success());
        let mut stuck = Self { site, root, marker };
        stuck.site.spawn_up(&[]);
        let from = Instant::now();
        while stuck
            .health()
            .is_none_or(|health| health.status != HEALTH_OPENING)
        {
            stuck.site.daemon().expect_running();
            assert!(from.elapsed() < DEADLINE, "it does not answer");
            std::thread::yield_now();
        }
        stuck
    }

    fn health(&self) -> Option<Health> {
        let answer = Request::get("/health").unix(&self.site.socket()).ok()?;
        Some(answer.json(200))
    }

    /// Removes the pipe; anything stopped in between must have changed nothing.
    fn expect_sound(self) {
        std::fs::remove_file(self.marker).unwrap();
        assert_eq!(self.site.root(), self.root);
        self.site.expect_sound();
    }
}

#[test]
fn daemon_ends_at_sigterm_while_it_opens() {
    let bench = bench();
    let mut stuck = Stuck::start(Site::init(bench.path(), "site-a"));
    stuck.site.stop();
    assert!(stuck.health().is_none());
    stuck.expect_sound();
}

#[test]
fn second_daemon_is_refused_while_the_first_opens() {
    let bench = bench();
    let mut stuck = Stuck::start(Site::init(bench.path(), "site-a"));
    let problem = stuck
        .site
        .refused(["up", "--listen", "/ip4/127.0.0.1/udp/0/quic-v1"]);
    assert_eq!(
        (problem.code, problem.exit_status().code()),
        (ErrorCode::StoreLocked, 6),
        "{problem}"
    );
    // The first one still has its socket.
    assert_eq!(stuck.health().unwrap().status, HEALTH_OPENING);
    stuck.site.stop();
    stuck.expect_sound();
}
