//! A site that is killed, its twin that is not, and the site's acknowledgements.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use fastrand::Rng;
use serde_json::Value;
use starling_tests::feed::{Folder, advisory, many};
use starling_tests::process::command;
use starling_tests::{Ended, Site, number_of};

/// A command that takes longer on so small a site hangs.
pub(crate) const DEADLINE: Duration = Duration::from_secs(120);
/// The moment that every scan judges at.
const AT: &str = "2026-12-30T00:00:00.000Z";
/// The window for a kill during opening: opening takes less, so some kills come after it.
const OPENING: Duration = Duration::from_millis(80);
/// Records of the source that changes in every round, and of the unchanged one.
const CHANGING: u32 = 120;
const LYING: usize = 300;

/// The site's answers, none of which may get lost.
#[derive(Debug, Default, Clone)]
struct Acknowledged {
    /// The claims of its own log, and those that it holds of the peer's.
    number: u64,
    of_peer: u64,
    /// Known only from a status: an import names only its cursor.
    said: Option<Said>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Said {
    head: String,
    root: String,
}

pub(crate) struct World {
    site: Site,
    twin: Site,
    peer: Site,
    peer_id: starling_api_types::SiteId,
    engine: String,
    sbom: PathBuf,
    acknowledged: Acknowledged,
    /// The time that a command and an import take without a kill.
    command_takes: Duration,
    import_takes: Duration,
}

impl World {
    pub(crate) fn new(dir: &Path, engine: &str) -> Self {
        std::fs::create_dir_all(dir).expect("a folder can be made");
        let [site, twin, peer] = ["site-a", "twin", "peer"].map(|name| Site::init_on(dir, name, engine));
        for follower in [&site, &twin] {
            follower.list_as_unreachable(&peer);
            let _ = follower.import("lying", &many("LYING", LYING, 300), &["--complete"]);
        }
        let sbom = site.file("sbom.json");
        std::fs::write(&sbom, sbom_of().to_string()).expect("a file can be written");
        let mut world = Self {
            site,
            twin,
            peer_id: peer.identity().site,
            peer,
            engine: engine.to_owned(),
            sbom,
            acknowledged: Acknowledged::default(),
            command_takes: Duration::ZERO,
            import_takes: Duration::ZERO,
        };
        let from = Instant::now();
        let _ = world.site.import("changing", &changing(0), &["--complete"]);
        world.import_takes = from.elapsed();
        let from = Instant::now();
        world.note_status().expect("a fresh site answers");
        world.command_takes = from.elapsed();
        world
    }

    pub(crate) fn home(&self) -> &Path {
        self.site.home()
    }

    /// Kills a working daemon, and kills it again while it starts, as a watchdog might.
    pub(crate) fn daemon_round(&mut self, rng: &mut Rng, round: u32) -> Result<(), String> {
        self.site.spawn_up(&[]);
        if let Err(early) = self.await_daemon() {
            self.site.take_daemon().kill();
            return Err(format!("the daemon does not start: {early}"));
        }
        if rng.bool() {
            self.import_all(round)?;
        }
        self.note_status()?;
        let mut import = spawned(self.import_command(round + 1_000_000));
        pause(rng, self.import_takes);
        self.site.kill();
        let _ = import.wait();
        for _ in 0..rng.u8(1..=3) {
            self.site.spawn_up(&[]);
            pause(rng, OPENING);
            self.site.kill();
        }
        Ok(())
    }

    fn await_daemon(&mut self) -> Result<(), String> {
        let from = Instant::now();
        loop {
            if self.site.try_status().is_some() {
                return Ok(());
            }
            let daemon = self.site.daemon();
            if let Some(status) = daemon.ended() {
                return Err(format!("{status}: {}", daemon.log_end()));
            }
            if from.elapsed() > DEADLINE {
                return Err(format!("it does not answer: {}", daemon.log_end()));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Commands are killed while they open the store or work. Returns which.
    pub(crate) fn command_round(&mut self, rng: &mut Rng, round: u32) -> (&'static str, Result<(), String>) {
        let other = if self.engine == "sled" { "redb" } else { "sled" };
        let (kind, args, takes): (_, Vec<OsString>, _) = match rng.u8(..7) {
            0 => ("status killed", plain(&["status"]), self.command_takes),
            1 => ("scan killed", self.scan_args(), self.command_takes * 2),
            2 => ("doctor killed", plain(&["doctor"]), self.command_takes * 2),
            3 => (
                "doctor --rebuild killed",
                plain(&["doctor", "--rebuild"]),
                self.import_takes,
            ),
            4 => {
                let import = plain(&["bundle", "import"]);
                let bundle = self.peer_bundle(round);
                (
                    "bundle import killed",
                    import.into_iter().chain([bundle.into()]).collect(),
                    self.import_takes,
                )
            }
            5 => {
                let engine = if rng.bool() { other } else { &self.engine };
                (
                    "store convert killed",
                    plain(&["store", "convert", "--engine", engine]),
                    self.import_takes,
                )
            }
            _ => (
                "feeds import killed",
                self.import_args(round + 1_000_000),
                self.import_takes,
            ),
        };
        for _ in 0..rng.u8(1..=3) {
            // Within the opening as often as anywhere in the work.
            let within = if rng.bool() {
                self.command_takes
            } else {
                takes.mul_f32(1.2)
            };
            let longest = u64::try_from(within.as_micros()).unwrap_or(u64::MAX).max(1);
            let after = Duration::from_micros(rng.u64(..longest));
            kill_after(command(self.site.home(), &args), after);
        }
        (kind, Ok(()))
    }

    /// Checks the site after a round; the first command meets what the kill left.
    pub(crate) fn check(&mut self, round: u32) -> Result<(), String> {
        self.note_status()?;
        self.run("doctor", ["doctor"])?;
        self.import_all(round)?;
        self.note_status()?;
        let _ = self.twin.import("changing", &changing(round), &["--complete"]);
        let bundle = self.peer.file("peer.stl");
        if bundle.exists() {
            let import: [OsString; 4] = [
                "bundle".into(),
                "import".into(),
                bundle.clone().into(),
                "--force".into(),
            ];
            self.run("bundle import", import)?;
            let _ = self.twin.cli([
                "bundle".into(),
                "import".into(),
                bundle.into(),
                OsString::from("--force"),
            ]);
        }
        self.note_status()?;
        let [found, expected] = [&self.site, &self.twin].map(|site| self.verdict_of(site));
        let (found, expected) = (found?, expected?);
        if found != expected {
            return Err(format!(
                "the verdict differs from the twin's: {}",
                difference(&found, &expected)
            ));
        }
        for source in ["changing", "lying", "theirs"] {
            if self.site.dump(source) != self.twin.dump(source) {
                return Err(format!("the records of {source} differ from the twin's"));
            }
        }
        Ok(())
    }

    /// Returns the names of unfinished files that killed commands left and nobody removed.
    pub(crate) fn left_over(&self) -> Vec<PathBuf> {
        let unfinished = ["new", "generating", "tmp"];
        let mut found = starling_tests::folders::files(self.site.home(), "");
        found.retain(|file| {
            file.extension()
                .is_some_and(|extension| unfinished.iter().any(|name| extension == *name))
        });
        found
    }

    /// Reads the status, which must include everything from before.
    fn note_status(&mut self) -> Result<(), String> {
        let ended = self.run("status", ["status"])?;
        let status: starling_api_types::Status = ended.json(0);
        let head = status.head.as_ref();
        let mut positions = status.positions.iter();
        let peer = positions.find(|at| at.site == self.peer_id);
        let now = Acknowledged {
            number: head.map_or(0, number_of),
            of_peer: peer.and_then(|at| at.accepted.as_ref()).map_or(0, number_of),
            said: Some(Said {
                head: head.map(ToString::to_string).unwrap_or_default(),
                root: status.knowledge_root.to_string(),
            }),
        };
        let before = &self.acknowledged;
        if now.number < before.number || now.of_peer < before.of_peer {
            return Err(format!("{before:?} was acknowledged, and now it is {now:?}"));
        }
        let same = now.number == before.number && now.of_peer == before.of_peer;
        if same && before.said.is_some() && now.said != before.said {
            return Err(format!("no claim is new: {before:?} became {now:?}"));
        }
        self.acknowledged = now;
        Ok(())
    }

    fn import_all(&mut self, round: u32) -> Result<(), String> {
        let args = self.import_args(round);
        let ended = self.run("feeds import", args)?;
        let report: Value =
            serde_json::from_slice(&ended.stdout).map_err(|error| format!("{error}: {ended:?}"))?;
        let cursor = report
            .get("cursor")
            .and_then(Value::as_str)
            .and_then(|text| text.parse().ok());
        if let Some(cursor) = cursor {
            // Only the number is known; the following status gives the rest.
            self.acknowledged.number = self.acknowledged.number.max(number_of(&cursor));
            self.acknowledged.said = None;
        }
        Ok(())
    }

    fn import_args(&self, round: u32) -> Vec<OsString> {
        let path = self.site.file(&format!("feed-{}", round % 2));
        changing(round).write(&path);
        let mut args = plain(&["feeds", "import"]);
        args.push(path.into());
        args.extend(plain(&["--source", "changing", "--complete"]));
        args
    }

    fn import_command(&self, round: u32) -> Command {
        command(self.site.home(), self.import_args(round))
    }

    fn scan_args(&self) -> Vec<OsString> {
        let mut args = plain(&["scan"]);
        args.push(self.sbom.clone().into());
        args.extend(plain(&["--at", AT, "--fail-on", "high"]));
        args
    }

    /// Returns a bundle of the peer with something new in it.
    fn peer_bundle(&self, round: u32) -> PathBuf {
        let mut feed = many("THEIRS", 60, 300);
        let fixed = format!("{round}.0.0");
        feed.put(
            "theirs.json",
            &advisory("THEIRS", "theirs-package", &fixed, "2025-01-01T00:00:00Z"),
        );
        let _ = self.peer.import("theirs", &feed, &["--complete"]);
        self.peer.export("peer.stl", &[])
    }

    /// Returns a verdict's outcome and findings, without the judging site's own name.
    fn verdict_of(&self, site: &Site) -> Result<String, String> {
        let ended = site.json_call(self.scan_args());
        let envelope: Value = match ended.code {
            0 | 1 => serde_json::from_slice(&ended.stdout).map_err(|error| error.to_string())?,
            _ => return Err(format!("scan at {}: {}", site.name(), shown(&ended))),
        };
        let verdict = &envelope["verdict"];
        // The time of a source's last news differs between sites that import it separately.
        let reasons = verdict["reasons"].as_array().into_iter().flatten();
        let reasons = reasons.map(|reason| {
            match reason["text"]
                .as_str()
                .and_then(|text| text.split_once(" is stale: "))
            {
                Some((source, _)) => format!("{source} is stale"),
                None => reason.to_string(),
            }
        });
        let reasons: Vec<String> = reasons.collect();
        let parts = ["outcome", "coverage", "mutes", "findings"].map(|name| verdict[name].to_string());
        let parts = [parts.as_slice(), reasons.as_slice()].concat();
        let own = site.identity().site.to_string();
        Ok(format!("exit {}: {}", ended.code, parts.join("\n")).replace(&own, "itself"))
    }

    fn run<I: IntoIterator<Item = S>, S: Into<OsString>>(
        &self,
        what: &str,
        args: I,
    ) -> Result<Ended, String> {
        let args = args.into_iter().map(Into::into).chain([OsString::from("--json")]);
        let ended = Ended::within(command(self.site.home(), args), DEADLINE);
        if ended.code == 0 {
            return Ok(ended);
        }
        Err(format!("{what}: {}", shown(&ended)))
    }
}

fn plain(args: &[&str]) -> Vec<OsString> {
    args.iter().map(OsString::from).collect()
}

/// Returns the source that changes in every round: most fixed versions differ, and some records are gone.
fn changing(round: u32) -> Folder {
    let mut folder = Folder::default();
    for number in 0..CHANGING {
        if number.wrapping_add(round).is_multiple_of(11) {
            continue;
        }
        let id = format!("CHANGING-{number:04}");
        let fixed = format!("{}.{}.0", round % 5, number % 7);
        let record = advisory(&id, &format!("changing-{number}"), &fixed, "2025-03-01T00:00:00Z");
        folder.put(&format!("{id}.json"), &record);
    }
    folder
}

/// Components of every source, some of them affected at some rounds only.
fn sbom_of() -> Value {
    let component = |name: String, version: &str| {
        serde_json::json!({ "type": "library", "bom-ref": name, "name": name, "version": version,
            "purl": format!("pkg:npm/{name}@{version}") })
    };
    let changing = (0..CHANGING).map(|number| component(format!("changing-{number}"), "2.3.0"));
    let lying = (0..LYING)
        .step_by(10)
        .map(|number| component(format!("lying-package-{number}"), "1.0.0"));
    let theirs = (0..60)
        .step_by(10)
        .map(|number| component(format!("theirs-package-{number}"), "1.0.0"));
    let components: Vec<Value> = changing.chain(lying).chain(theirs).collect();
    serde_json::json!({ "bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1, "components": components })
}

/// Returns the difference of two texts with some context.
fn difference(found: &str, expected: &str) -> String {
    const AROUND: usize = 150;
    let at = found
        .bytes()
        .zip(expected.bytes())
        .take_while(|(found, expected)| found == expected)
        .count();
    let [found, expected] = [found, expected].map(|text| {
        let bytes = &text.as_bytes()[at.saturating_sub(AROUND)..text.len().min(at + AROUND)];
        String::from_utf8_lossy(bytes).into_owned()
    });
    format!("{found} and not {expected}")
}

/// Waits a random time within `longest`: the moment of the kill is random.
fn pause(rng: &mut Rng, longest: Duration) {
    let longest = u64::try_from(longest.as_micros()).unwrap_or(u64::MAX).max(1);
    std::thread::sleep(Duration::from_micros(rng.u64(..longest)));
}

fn spawned(mut command: Command) -> std::process::Child {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("a command starts")
}

/// Starts a command and ends it with SIGKILL after a time, unless it has ended by itself.
pub(crate) fn kill_after(command: Command, after: Duration) {
    let mut child = spawned(command);
    std::thread::sleep(after);
    let _ = child.kill();
    let _ = child.wait();
}

/// Returns the end of a command in one line.
pub(crate) fn shown(ended: &Ended) -> String {
    /// Enough to know the message by.
    const CHARACTERS: usize = 500;
    let text: String = match ended.said_problem() {
        Some(problem) => problem.detail.clone(),
        None => ended.stderr.trim().to_owned(),
    };
    let text: String = text.chars().take(CHARACTERS).collect();
    format!("exit {}: {text}", ended.code)
}
