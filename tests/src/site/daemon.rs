//! The daemon of a site: starts and stops it, and waits for what its status shows.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use starling_api_types::Status;

use super::Site;
use crate::process::{Daemon, LOOK_EVERY, command};

/// The time for which a state may stay unchanged while another is awaited; progress restarts it.
const STALL_DEADLINE: Duration = Duration::from_secs(120);
/// The time in which a daemon must answer: it may have much to replay, or sled much to read.
const START_DEADLINE: Duration = Duration::from_secs(300);

impl Site {
    /// Starts the daemon and waits until it answers and listens.
    ///
    /// # Panics
    /// If it ends, or takes too long.
    pub fn up(&mut self) {
        self.up_with(&[]);
    }

    /// Starts the daemon with more arguments and waits until it answers and listens.
    ///
    /// # Panics
    /// If it ends, or takes too long.
    pub fn up_with(&mut self, more: &[&str]) {
        self.spawn_up(more);
        self.await_ready();
    }

    /// Starts the daemon without waiting.
    ///
    /// # Panics
    /// If one is already running, or it cannot be started.
    pub fn spawn_up(&mut self, more: &[&str]) {
        assert!(self.daemon.is_none(), "{} runs already", self.name);
        let args = ["up", "--listen", &self.listen]
            .into_iter()
            .chain(more.iter().copied());
        self.daemon = Some(Daemon::start(command(&self.home, args), &self.log_path()));
    }

    /// Adopts a daemon that was started in another way, such as under a limit, and waits until it is ready.
    ///
    /// # Panics
    /// If it ends, or takes too long.
    pub fn adopt(&mut self, daemon: Daemon) {
        self.daemon = Some(daemon);
        self.await_ready();
    }

    /// Waits until the daemon that was started answers and listens.
    ///
    /// # Panics
    /// If it ends, or takes too long.
    pub fn await_ready(&mut self) {
        let from = Instant::now();
        loop {
            if let Some(status) = self.try_status()
                && status.daemon
                && let Some(address) = status.listen.first()
            {
                self.listen.clone_from(address);
                return;
            }
            let daemon = self.daemon.as_mut().expect("a daemon was started");
            daemon.expect_running();
            assert!(
                from.elapsed() < START_DEADLINE,
                "{} does not get ready\n{}",
                self.name,
                daemon.log_end()
            );
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// Returns the running daemon.
    ///
    /// # Panics
    /// If none is running.
    pub fn daemon(&mut self) -> &mut Daemon {
        self.daemon.as_mut().expect("a daemon runs")
    }

    /// Returns true if a daemon was started and not taken.
    #[must_use]
    pub fn has_daemon(&self) -> bool {
        self.daemon.is_some()
    }

    /// Returns the file that the daemon's output is added to.
    #[must_use]
    pub fn log_path(&self) -> PathBuf {
        self.scratch.join("daemon.log")
    }

    /// Stops the daemon cleanly; the test fails if it does not end with 0.
    ///
    /// # Panics
    /// If none is running, or it does not end as it should.
    pub fn stop(&mut self) {
        let daemon = self.daemon.take().expect("a daemon runs");
        let (status, log_end) = daemon.stop_with_log();
        assert!(status.success(), "{} stopped with {status}\n{log_end}", self.name);
    }

    /// Ends the daemon at once.
    ///
    /// # Panics
    /// If none is running.
    pub fn kill(&mut self) {
        self.daemon.take().expect("a daemon runs").kill();
    }

    /// Returns a daemon that is to end by itself.
    ///
    /// # Panics
    /// If none is running.
    pub fn take_daemon(&mut self) -> Daemon {
        self.daemon.take().expect("a daemon runs")
    }

    /// Waits until `reached` accepts the status. Fails if nothing moves for two minutes.
    ///
    /// # Panics
    /// If the daemon ends, or its status stays the same for too long.
    pub fn until(&mut self, awaited: &str, mut reached: impl FnMut(&Status) -> bool) -> Status {
        let mut last = None;
        let mut changed = Instant::now();
        loop {
            if let Some(daemon) = &mut self.daemon {
                daemon.expect_running();
            }
            let status = self.status();
            if reached(&status) {
                return status;
            }
            let progress = (status.records, status.held_root, status.positions.clone());
            if last.as_ref() != Some(&progress) {
                changed = Instant::now();
                last = Some(progress);
            }
            if changed.elapsed() > STALL_DEADLINE {
                let shown = serde_json::to_string_pretty(&status).unwrap_or_default();
                let log = self.daemon.as_ref().map(Daemon::log_end).unwrap_or_default();
                panic!(
                    "{} waits for {awaited} and nothing moves: {shown}\n{log}",
                    self.name
                );
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// Waits until the site knows exactly what `other` knows now; both may still be learning.
    ///
    /// # Panics
    /// If it does not get there.
    pub fn until_equal(&mut self, other: &Self) -> Status {
        let awaited = format!("the knowledge root of {}", other.name);
        self.until(&awaited, |status| {
            status.knowledge_root.to_string() == other.root()
        })
    }

    /// Waits until the site and `other` are connected.
    ///
    /// # Panics
    /// If they do not connect.
    pub fn until_connected(&mut self, other: &str) {
        self.until(&format!("a connection with {other}"), |status| {
            status
                .peers
                .iter()
                .any(|peer| peer.site_id.as_str() == other && peer.connected)
        });
    }
}

/// Lets two running sites list each other and waits until they are connected.
///
/// # Panics
/// If they do not connect.
pub fn link(a: &mut Site, b: &mut Site) {
    a.list(b);
    b.list(a);
    a.until_connected(&b.name.clone());
    b.until_connected(&a.name.clone());
}
