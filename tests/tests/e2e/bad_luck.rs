//! Trouble around a site: no space left, a kill in the middle, strangers on the port.

use std::net::UdpSocket;
use std::path::Path;
use std::process::{Command, Stdio};

use starling_api_types::{ErrorCode, Status};
use starling_tests::feed::many;
use starling_tests::process::{Daemon, command};
use starling_tests::{Ended, Site, link, number_of};

use crate::{bench, sample_feed};

/// Largest file that a limited daemon may write, in blocks of 512 bytes as `ulimit -f` counts in `sh`.
const FILE_LIMIT_BLOCKS: &str = "12288";
/// Folder of the small disk, in the process that runs on it.
const SMALL_DISK: &str = "STARLING_TEST_SMALL_DISK";

/// Returns the command under a limit on the size of its files. The signal is ignored, so the write fails
/// instead.
fn limited(inner: &Command) -> Command {
    let mut outer = Command::new("sh");
    outer.args([
        "-c",
        &format!("trap '' XFSZ; ulimit -f {FILE_LIMIT_BLOCKS}; exec \"$@\""),
        "limited",
    ]);
    outer
        .arg(inner.get_program())
        .args(inner.get_args())
        .env_clear()
        .stdin(Stdio::null());
    outer
}

/// Returns a feed of some twenty megabytes that does not compress.
fn large_feed(site: &Site) -> std::path::PathBuf {
    let path = site.file("large");
    many("BIG", 2_000, 10_000).write(&path);
    path
}

#[test]
fn store_at_size_limit_recovers_later() {
    for engine in ["sled", "redb"] {
        let bench = bench();
        let site = Site::init_on(bench.path(), "site-a", engine);
        let _ = site.import("mine", &sample_feed(), &[]);
        let root = site.root();
        let large = large_feed(&site);
        let args = [
            "feeds",
            "import",
            large.to_str().unwrap(),
            "--source",
            "large",
            "--json",
        ];
        let ended = Ended::of(limited(&command(site.home(), args)));
        let problem = ended.problem();
        assert_eq!(problem.code, ErrorCode::DiskFull, "{engine}: {problem}");
        assert_eq!(ended.code, 12);
        assert!(problem.hint.is_some(), "{problem}");
        // Earlier data is not lost, and nothing of the failed import is used.
        assert_eq!(site.root(), root, "{engine}");
        site.expect_sound();
        let report = site.import_path("large", &large, &[]);
        assert_eq!(report.stored, 2_000, "{engine}");
        site.expect_sound();
    }
}

#[test]
fn daemon_on_full_disk_recovers_when_space_returns() {
    let bench = bench();
    let [mut a, mut b] = ["site-a", "site-b"].map(|name| Site::init(bench.path(), name));
    a.up();
    let inner = command(b.home(), ["up", "--listen", "/ip4/127.0.0.1/udp/0/quic-v1"]);
    let daemon = Daemon::start(limited(&inner), &b.log_path());
    b.adopt(daemon);
    link(&mut a, &mut b);
    let _ = a.import("mine", &sample_feed(), &[]);
    b.until_equal(&a);
    let large = large_feed(&a);
    let problem = b.refused(["feeds", "import", large.to_str().unwrap(), "--source", "own"]);
    assert_eq!(problem.code, ErrorCode::DiskFull, "{problem}");
    let _ = a.import_path("large", &large, &[]);
    let root = a.root();
    // With room again, a restart is enough.
    b.take_daemon().kill();
    b.up();
    b.until("all of it", |status| status.knowledge_root.to_string() == root);
    b.expect_sound();
}

#[test]
fn full_disk_stops_an_import_without_loss() {
    let bench = bench();
    let disk = bench.path().join("disk");
    std::fs::create_dir(&disk).unwrap();
    // A private mount in a private name space: gone with the process. The log and the packs keep a reserve of
    // 32 MiB free; with the ballast about six are left above it.
    let script = format!("mount -t tmpfs -o size=56m tmpfs \"${SMALL_DISK}\" || exit 77; exec \"$@\"");
    let outcome = Command::new("unshare")
        .args(["--map-root-user", "--mount", "sh", "-c", &script, "small-disk"])
        .arg(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "bad_luck::child_process_fills_its_small_disk",
            "--nocapture",
            "--test-threads=1",
        ])
        .env(SMALL_DISK, &disk)
        .stdin(Stdio::null())
        .output();
    match outcome {
        Ok(output) if output.status.success() => {}
        // 77: the mount was refused; 1: no name space. A failed test of the child exits with 101.
        Ok(output) if matches!(output.status.code(), Some(77 | 1)) => {
            println!("skipped: this machine does not allow a mount of our own");
        }
        Ok(output) => panic!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        ),
        Err(error) => println!("skipped: {error}"),
    }
}

/// Does nothing unless the test above started it on a small disk.
#[test]
fn child_process_fills_its_small_disk() {
    let Some(disk) = std::env::var_os(SMALL_DISK) else {
        return;
    };
    let disk = Path::new(&disk);
    let elsewhere = bench();
    let large = elsewhere.path().join("large");
    many("BIG", 2_000, 10_000).write(&large);
    for engine in ["sled", "redb"] {
        let mut site = Site::init_on(disk, &format!("site-{engine}"), engine);
        let _ = site.import("mine", &sample_feed(), &[]);
        let root = site.root();
        site.up();
        let ballast = disk.join("ballast");
        std::fs::write(&ballast, vec![1; 16 << 20]).unwrap();
        let problem = site.refused(["feeds", "import", large.to_str().unwrap(), "--source", "large"]);
        assert_eq!(problem.code, ErrorCode::DiskFull, "{engine}: {problem}");
        // Reading still works, and freed space is used.
        assert_eq!(site.root(), root, "{engine}");
        std::fs::remove_file(&ballast).unwrap();
        let report = site.import("before", &many("NEW", 20, 100), &[]);
        assert_eq!(report.stored, 20, "{engine}");
        let root = site.root();
        site.stop();
        assert_eq!(site.root(), root, "{engine}");
        site.expect_sound();
        let report = site.import("more", &many("FEW", 20, 100), &[]);
        assert_eq!(report.stored, 20, "{engine}");
        std::fs::remove_dir_all(site.home()).unwrap();
    }
}

#[test]
fn killed_import_is_repaired_by_the_next_start() {
    let bench = bench();
    let mut site = Site::init(bench.path(), "site-a");
    site.up();
    let _ = site.import("mine", &sample_feed(), &[]);
    let acknowledged = site.status().head;
    let large = large_feed(&site);
    let mut import = command(
        site.home(),
        [
            "feeds",
            "import",
            large.to_str().unwrap(),
            "--source",
            "large",
            "--json",
        ],
    );
    let mut child = import
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let before = site.status().store.size_bytes;
    site.until("the import to be under way", |status| {
        status.store.size_bytes > before + 100_000 || status.records > 4
    });
    site.kill();
    let _ = child.wait();
    site.up();
    site.expect_sound();
    let [head, acknowledged] =
        [site.status().head, acknowledged].map(|cursor| number_of(&cursor.expect("a cursor")));
    assert!(head >= acknowledged, "{head} {acknowledged}");
    assert_eq!(site.import_path("large", &large, &[]).rejected, 0);
    assert_eq!(site.status().records, 2_004);
}

#[test]
fn junk_on_the_port_is_harmless() {
    let bench = bench();
    let [mut a, mut b] = ["site-a", "site-b"].map(|name| Site::init(bench.path(), name));
    a.up();
    b.up();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let listen = a.status().listen.remove(0);
    let port: u16 = listen.split('/').nth(4).unwrap().parse().unwrap();
    let mut rng = fastrand::Rng::with_seed(3);
    for round in 0..3_000 {
        let mut junk = vec![0; rng.usize(1..1_400)];
        rng.fill(&mut junk);
        if round % 2 == 0 {
            // The first byte and version of a QUIC handshake.
            junk[0] |= 0xc0;
            if let Some(version) = junk.get_mut(1..5) {
                version.copy_from_slice(&[0, 0, 0, 1]);
            }
        }
        let _ = socket.send_to(&junk, ("127.0.0.1", port));
    }
    link(&mut a, &mut b);
    let _ = a.import("mine", &sample_feed(), &[]);
    b.until_equal(&a);
}

#[test]
fn daemon_reports_damage_before_it_is_read() {
    let bench = bench();
    let mut site = Site::init(bench.path(), "site-a");
    let _ = site.import("mine", &sample_feed(), &[]);
    let config = site.home().join("starling.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    let text = text.replace("[store]\n", "[store]\ncheck_interval = \"1s\"\n");
    std::fs::write(&config, text).unwrap();
    site.up();
    let status = site.until("a check", |status| status.store.check.is_some());
    let check = status.store.check.unwrap();
    assert!(
        check.frames > 0 && check.wrong == 0 && check.advice.is_none(),
        "{check:?}"
    );
    let pack = site.home().join("packs/00000001.pack");
    let mut bytes = std::fs::read(&pack).unwrap();
    *bytes.iter_mut().rev().nth(8).unwrap() ^= 1;
    std::fs::write(&pack, bytes).unwrap();
    let is_damaged = |status: &Status| status.store.check.as_ref().is_some_and(|check| check.wrong > 0);
    let check = site.until("the damage", is_damaged).store.check.unwrap();
    assert!(check.damaged[0].contains("pack 00000001"), "{check:?}");
    let shown = String::from_utf8(site.cli(["status"]).stdout).unwrap();
    assert!(
        shown.contains("DAMAGED in 1 place") && shown.contains("starling doctor --repair"),
        "{shown}"
    );
    // Data that the repair gave up is lost until the next import, and status continues to report it.
    let repaired = site.cli(["doctor", "--repair"]);
    assert_eq!(repaired.code == 11, is_damaged(&site.status()), "{repaired:?}");
    let _ = site.import("mine", &sample_feed(), &[]);
    site.until("the repair", |status| !is_damaged(status));
    site.expect_sound();
    site.stop();
}
