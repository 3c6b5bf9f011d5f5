//! Clocks that are wrong and set right, under daemons that run (libfaketime).

use std::path::{Path, PathBuf};

use starling_tests::feed::{Folder, advisory};
use starling_tests::process::{Daemon, command};
use starling_tests::{Site, link};

use crate::bench;

/// The error of the clock, in libfaketime's syntax: NTP steps, a daemon that was suspended, a dead clock battery.
const OFF: [&str; 6] = ["+2s", "-2s", "+1h", "-1h", "-10y", "+10y"];
const LIBRARY: &str = "faketime/libfaketimeMT.so.1";

/// Returns libfaketime where Debian and Fedora install it.
fn library() -> Option<PathBuf> {
    let of_architecture = std::fs::read_dir("/usr/lib").ok()?.flatten();
    let mut folders: Vec<PathBuf> = of_architecture.map(|entry| entry.path()).collect();
    folders.extend(["/usr/lib", "/usr/lib64"].map(PathBuf::from));
    folders
        .into_iter()
        .map(|folder| folder.join(LIBRARY))
        .find(|library| library.is_file())
}

/// Starts a site's daemon with a clock that is off as the file `offset` says. Its monotonic clock is the true one.
fn up_with_clock(site: &mut Site, library: &Path, offset: &Path) {
    let address = site.listening_address().to_owned();
    let mut daemon = command(site.home(), ["up", "--listen", &address]);
    daemon
        .env("LD_PRELOAD", library)
        .env("FAKETIME_TIMESTAMP_FILE", offset)
        .env("FAKETIME_NO_CACHE", "1")
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
        .env("DONT_FAKE_MONOTONIC", "1");
    let log = site.log_path();
    site.adopt(Daemon::start(daemon, &log));
}

/// Returns a source whose records all change with the version.
fn feed(version: usize) -> Folder {
    let mut folder = Folder::default();
    for number in 0..20 {
        let id = format!("EX-{number:04}");
        let (package, fixed) = (format!("package-{number}"), format!("{version}.0.0"));
        let modified = format!("2025-03-01T00:00:{version:02}Z");
        folder.put(&format!("{id}.json"), &advisory(&id, &package, &fixed, &modified));
    }
    folder
}

/// A clock that ran ahead and was set right stopped all pulls from a peer for as long as it had been ahead.
#[test]
fn sites_agree_whatever_a_clock_does() {
    let Some(library) = library() else {
        println!("skipped: libfaketime is not installed (on Debian: apt-get install faketime)");
        return;
    };
    let bench = bench();
    let [mut a, mut b] = ["site-a", "site-b"].map(|name| Site::init(bench.path(), name));
    let offset = bench.path().join("offset");
    let set = |text: &str| {
        // Replaced as a whole: the daemon reads it at any moment.
        let new = offset.with_extension("new");
        std::fs::write(&new, text).unwrap();
        std::fs::rename(&new, &offset).unwrap();
    };
    set("+0");
    up_with_clock(&mut a, &library, &offset);
    b.up();
    link(&mut a, &mut b);
    let mut version = 0;
    let mut exchange = |a: &mut Site, b: &mut Site| {
        version += 1;
        for (site, source) in [(&*a, "of-a"), (&*b, "of-b")] {
            let report = site.import(source, &feed(version), &["--complete"]);
            assert_eq!(report.rejected, 0);
        }
        b.until_equal(a);
        a.until_equal(b);
    };
    exchange(&mut a, &mut b);
    for off in OFF {
        set(off);
        exchange(&mut a, &mut b);
        // The peer sees the wrong clock again, and so does a daemon that starts with it.
        b.stop();
        b.up();
        exchange(&mut a, &mut b);
        set("+0");
        exchange(&mut a, &mut b);
    }
    set(OFF[0]);
    a.kill();
    up_with_clock(&mut a, &library, &offset);
    exchange(&mut a, &mut b);
    for site in [&a, &b] {
        site.expect_sound();
    }
}
