//! A daemon whose store takes long to open: stopping it, and commands that have to wait.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use starling_api_types::{ErrorCode, HEALTH_OPENING, Health};
use starling_tests::Site;
use starling_tests::http::Request;

use crate::{bench, sample_feed};

const DEADLINE: Duration = Duration::from_secs(60);

/// Zero bytes after the log that an opening searches for groups: far more than it reads in a test. They take no room.
const TAIL_BYTES: u64 = 1 << 40;
/// The ending of the log's segments.
const SEGMENT: &str = "log";

/// A site whose next opening does not end: it searches a long tail of its log.
struct Stuck {
    site: Site,
    root: String,
    segment: PathBuf,
    /// The true length of the segment.
    length: u64,
}

impl Stuck {
    fn start(site: Site) -> Self {
        let _ = site.import("mine", &sample_feed(), &[]);
        let root = site.root();
        let files = std::fs::read_dir(site.home().join("log")).unwrap();
        let segments = files.map(|file| file.unwrap().path());
        let segment = segments
            .filter(|file| file.extension().is_some_and(|ending| ending == SEGMENT))
            .max()
            .unwrap();
        let length = segment.metadata().unwrap().len();
        set_length(&segment, length + TAIL_BYTES);
        let mut stuck = Self {
            site,
            root,
            segment,
            length,
        };
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

    /// Removes the tail; anything stopped in between must have changed nothing.
    fn expect_sound(self) {
        assert_eq!(self.segment.metadata().unwrap().len(), self.length + TAIL_BYTES);
        set_length(&self.segment, self.length);
        assert_eq!(self.site.root(), self.root);
        self.site.expect_sound();
    }
}

fn set_length(file: &Path, length: u64) {
    let file = std::fs::OpenOptions::new().write(true).open(file).unwrap();
    file.set_len(length).unwrap();
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
