//! The quickstart's steps, in order, with their duration.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use starling_api_types::{Status, Timestamp};
use tokio::net::UnixStream;

use super::builtin::SAMPLE_SBOM;
use super::error::QuickstartError;
use super::feed;
use super::process::{Call, Daemon, Program};
use super::report::{self, Report, SiteOutcome, Step};
use super::site::{self, Site};
use super::{AIR_GAPPED, BUNDLE_FILE, NORTH, SBOM_FILE, WEST};
use crate::session::SOCKET_FILE;

/// Longest time without progress towards an awaited state. Any progress restarts it, so a large feed may take longer.
const STALL_DEADLINE: Duration = Duration::from_secs(60);
/// Pause between two checks of a state. Each check starts a process, which also takes some milliseconds.
const LOOK_EVERY: Duration = Duration::from_millis(25);

/// The fields that are read from a verdict's body; the rest is compared as bytes.
#[derive(Debug, serde::Deserialize)]
struct Judged {
    outcome: String,
    findings: Vec<serde::de::IgnoredAny>,
}

/// The run: its sites, running daemons and completed steps.
pub(super) struct Story {
    west: Site,
    north: Site,
    air: Site,
    dir: PathBuf,
    daemons: Vec<Daemon>,
    steps: Vec<Step>,
    aloud: bool,
}

impl Story {
    /// Creates a run in `dir`, printed to standard output if `aloud`.
    pub(super) fn new(program: &Program, dir: &Path, aloud: bool) -> Self {
        Self {
            west: Site::new(program, dir, WEST),
            north: Site::new(program, dir, NORTH),
            air: Site::new(program, dir, AIR_GAPPED),
            dir: dir.to_owned(),
            daemons: Vec::new(),
            steps: Vec::new(),
            aloud,
        }
    }

    /// Runs all steps.
    ///
    /// # Errors
    /// The first step's failure. Daemons may still run: [`Self::stop`] stops them.
    pub(super) async fn tell(&mut self, feed: Option<&Path>) -> Result<Report, QuickstartError> {
        self.say("Two linked sites and one without a network, on this machine.\n");
        self.init().await?;
        self.start().await?;
        self.link().await?;
        self.take_in(feed).await?;
        self.follow().await?;
        self.carry().await?;
        let (sites, verdicts) = self.judge().await?;
        Ok(Report {
            equal: report::all_equal(&sites, &verdicts),
            sites,
            steps: std::mem::take(&mut self.steps),
            over_quic_bytes: None,
            kept: None,
        })
    }

    /// Stops the daemons, and reads from North's log how many bytes it received over QUIC.
    pub(super) async fn stop(&mut self) -> Option<u64> {
        for daemon in self.daemons.drain(..) {
            daemon.stop().await;
        }
        let log = std::fs::read_to_string(self.dir.join(log_file(NORTH))).ok()?;
        received_bytes(&log)
    }

    async fn init(&mut self) -> Result<(), QuickstartError> {
        let from = Instant::now();
        let calls = [self.west.init(), self.north.init(), self.air.init_air_gapped()];
        for call in &calls {
            site::quiet(call).await?;
        }
        self.done(
            "init",
            "Three sites, each with its own keys and store".to_owned(),
            from,
            None,
            &calls,
        );
        Ok(())
    }

    async fn start(&mut self) -> Result<(), QuickstartError> {
        let from = Instant::now();
        let calls = [(WEST, self.west.up()), (NORTH, self.north.up())];
        for (name, call) in &calls {
            let log = self.dir.join(log_file(name));
            self.daemons.push(call.daemon(name, log)?);
        }
        for site in [&self.west, &self.north] {
            // A command that finds no daemon opens the store itself and would lock it just when the daemon starts. So
            // wait for the socket first.
            Self::until_answered(&mut self.daemons, site).await?;
            let awaited = format!("{} to listen for peers", site.name);
            Self::until(&mut self.daemons, site, &awaited, |status| {
                !status.listen.is_empty()
            })
            .await?;
        }
        self.done(
            "up",
            format!("{WEST} and {NORTH} run, on loopback"),
            from,
            None,
            &calls.map(|c| c.1),
        );
        Ok(())
    }

    /// Connects the sites: West and North list each other. The third site lists West, whose bundle it will get, and
    /// West lists it as the bundle's reader.
    async fn link(&mut self) -> Result<(), QuickstartError> {
        let from = Instant::now();
        let (west_key, north_key, air_key) = (
            self.west.key().await?,
            self.north.key().await?,
            self.air.key().await?,
        );
        let (west, north) = (self.west.status().await?, self.north.status().await?);
        for (site, status) in [(&self.west, &west), (&self.north, &north)] {
            if let Some(address) = address(status) {
                site.keep_address(address)?;
            }
        }
        let calls = [
            self.west.list(&self.north, &north_key, address(&north)),
            self.north.list(&self.west, &west_key, address(&west)),
            self.west.list(&self.air, &air_key, None),
            self.air.list(&self.west, &west_key, None),
        ];
        for call in &calls {
            site::quiet(call).await?;
        }
        for (site, other) in [(&self.west, NORTH), (&self.north, WEST)] {
            let awaited = format!("{} to be connected to {other}", site.name);
            Self::until(&mut self.daemons, site, &awaited, |status| {
                status
                    .peers
                    .iter()
                    .any(|peer| peer.site_id.as_str() == other && peer.connected)
            })
            .await?;
        }
        self.done(
            "link",
            "Each lists the other; no other site is allowed".to_owned(),
            from,
            None,
            &calls,
        );
        Ok(())
    }

    async fn take_in(&mut self, feed: Option<&Path>) -> Result<(), QuickstartError> {
        let feeds = match feed {
            Some(path) => vec![feed::of_user(path)],
            None => feed::write_builtin(&self.dir.join("feeds"))?,
        };
        let from = Instant::now();
        let (mut records, mut bytes) = (0, 0);
        let mut calls = Vec::new();
        for feed in &feeds {
            let call = self.west.import_feed(feed);
            let account = site::import_feed(&call).await?;
            records += account.stored + account.unchanged;
            bytes += account.input_bytes;
            calls.push(call);
        }
        let sources = if feeds.len() == 1 {
            "1 source".to_owned()
        } else {
            format!("{} sources", feeds.len())
        };
        let what = format!("{WEST} imports {records} advisories from {sources}");
        self.done("feed", what, from, Some(bytes), &calls);
        Ok(())
    }

    /// Measures the time from West's last commit until North has the same knowledge.
    async fn follow(&mut self) -> Result<(), QuickstartError> {
        let from = Instant::now();
        let goal = self.west.status().await?.knowledge_root;
        let awaited = format!("{NORTH} to reach the knowledge root {goal} of {WEST}");
        Self::until(&mut self.daemons, &self.north, &awaited, |status| {
            status.knowledge_root == goal
        })
        .await?;
        self.done(
            "sync",
            format!("{NORTH} has the same knowledge, over QUIC"),
            from,
            None,
            &[],
        );
        Ok(())
    }

    async fn carry(&mut self) -> Result<(), QuickstartError> {
        let file = self.dir.join(BUNDLE_FILE);
        let from = Instant::now();
        let export = self.west.export_bundle(&self.air, &file);
        let summary = site::export_bundle(&export).await?;
        let size = std::fs::metadata(&file).map(|meta| meta.len()).ok();
        let what = format!(
            "A bundle for {AIR_GAPPED}: {} claims, {} records",
            summary.claims, summary.bodies
        );
        self.done("export", what, from, size, &[export]);

        let from = Instant::now();
        let import = self.air.import_bundle(&file);
        let account = site::import_bundle(&import).await?;
        let what = format!(
            "{AIR_GAPPED} imports it: {} new entries",
            account.counts.canonical_created
        );
        self.done("import", what, from, size, &[import]);
        Ok(())
    }

    async fn judge(&mut self) -> Result<(Vec<SiteOutcome>, Vec<String>), QuickstartError> {
        let file = self.dir.join(SBOM_FILE);
        std::fs::write(&file, SAMPLE_SBOM).map_err(|cause| QuickstartError::Folder {
            attempted: "writing",
            path: file.clone(),
            cause,
        })?;
        let as_of = now()?;
        let from = Instant::now();
        let (mut outcomes, mut verdicts, mut calls) = (Vec::new(), Vec::new(), Vec::new());
        for site in [&self.west, &self.north, &self.air] {
            let call = site.scan(&file, as_of);
            let envelope = site::scan(&call).await?;
            let judged: Judged = call.read(envelope.verdict.as_str().as_bytes())?;
            let status = site.status().await?;
            outcomes.push(SiteOutcome {
                site_id: status.site_id,
                site: status.site,
                knowledge_root: status.knowledge_root,
                records: status.records,
                advisories: status.advisories,
                outcome: judged.outcome,
                findings: judged.findings.len() as u64,
                verdict_hash: envelope.verdict_hash,
                verdict_bytes: envelope.verdict.as_str().len() as u64,
                exit_code: envelope.exit_code,
            });
            verdicts.push(envelope.verdict.as_str().to_owned());
            calls.push(call);
        }
        let size = SAMPLE_SBOM.len() as u64;
        self.done(
            "scan",
            "The same SBOM, scanned at all three sites".to_owned(),
            from,
            Some(size),
            &calls,
        );
        Ok((outcomes, verdicts))
    }

    /// Waits until the daemon of `site` accepts connections on its socket.
    async fn until_answered(daemons: &mut [Daemon], site: &Site) -> Result<(), QuickstartError> {
        let socket = site.home.join(SOCKET_FILE);
        let from = Instant::now();
        while let Err(error) = UnixStream::connect(&socket).await {
            daemons.iter_mut().try_for_each(Daemon::ensure_running)?;
            if from.elapsed() > STALL_DEADLINE {
                return Err(QuickstartError::Stalled {
                    awaited: format!("the daemon of {} to answer on {}", site.name, socket.display()),
                    stalled_s: STALL_DEADLINE.as_secs(),
                    seen: error.to_string(),
                });
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    /// Polls the status of `site` until `reached` accepts it.
    ///
    /// Fails if a daemon ends, or if the status stays unchanged for [`STALL_DEADLINE`].
    async fn until(
        daemons: &mut [Daemon],
        site: &Site,
        awaited: &str,
        reached: impl Fn(&Status) -> bool,
    ) -> Result<Status, QuickstartError> {
        let mut last = None;
        let mut changed = Instant::now();
        loop {
            daemons.iter_mut().try_for_each(Daemon::ensure_running)?;
            let status = site.status().await?;
            if reached(&status) {
                return Ok(status);
            }
            // Ignore times: another sign of life from a peer is not progress.
            let connected: Vec<bool> = status.peers.iter().map(|peer| peer.connected).collect();
            let progress = (
                status.records,
                status.held_root,
                status.positions.clone(),
                connected,
            );
            if last.as_ref() != Some(&progress) {
                changed = Instant::now();
                last = Some(progress);
            } else if changed.elapsed() > STALL_DEADLINE {
                return Err(QuickstartError::Stalled {
                    awaited: awaited.to_owned(),
                    stalled_s: STALL_DEADLINE.as_secs(),
                    seen: serde_json::to_string(&status).unwrap_or_default(),
                });
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    fn done(&mut self, name: &'static str, what: String, from: Instant, bytes: Option<u64>, calls: &[Call]) {
        let step = Step {
            name,
            what,
            duration_ms: u64::try_from(from.elapsed().as_millis()).unwrap_or(u64::MAX),
            bytes,
            commands: calls.iter().map(Call::shown).collect(),
        };
        self.say(&step.line(self.steps.len() + 1));
        self.steps.push(step);
    }

    fn say(&self, line: &str) {
        if self.aloud {
            super::print(line);
        }
    }
}

/// Returns the name of the log file of `site`.
fn log_file(site: &str) -> String {
    format!("{site}.log")
}

/// Returns the number of received bytes from the daemon's last log line about its peers.
fn received_bytes(log: &str) -> Option<u64> {
    let line = log
        .lines()
        .rev()
        .find(|line| line.contains("bytes exchanged with peers"))?;
    line.split_whitespace()
        .find_map(|word| word.strip_prefix("received=")?.parse().ok())
}

/// Returns an address of the site.
fn address(status: &Status) -> Option<&str> {
    status.listen.first().map(String::as_str)
}

/// Returns the time of the scans, the same for all sites.
fn now() -> Result<Timestamp, QuickstartError> {
    let millis = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_millis();
    Timestamp::from_unix_millis(i64::try_from(millis).unwrap_or(i64::MAX))
        .map_err(|cause| QuickstartError::Clock { cause })
}

#[cfg(test)]
mod tests {
    use super::received_bytes;

    #[test]
    fn received_bytes_are_read_from_the_end_of_the_log() {
        let log = "T INFO a: ready\nT INFO b: bytes exchanged with peers sent=1146 received=19278\nT INFO a: stopped\n";
        assert_eq!(received_bytes(log), Some(19_278));
        assert_eq!(received_bytes("T INFO a: ready\n"), None);
        assert_eq!(received_bytes(""), None);
    }
}
