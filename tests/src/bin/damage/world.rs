//! The sites of a run, and the answers of the intact one.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use starling_api_types::{ErrorCode, Problem};
use starling_tests::feed::{Folder, advisory};
use starling_tests::folders::replace;
use starling_tests::process::{HUNG, command};
use starling_tests::{Ended, Site};

/// The moment that every scan judges at: before any head expires, as a recovery brings newer heads.
const AT: &str = "2026-01-01T00:00:00Z";
/// A command that takes longer on so small a site hangs.
const DEADLINE: Duration = Duration::from_secs(60);
/// Exit codes of a scan that judged.
const JUDGED: [i32; 4] = [0, 1, 4, 5];
/// Words of which a message about damage uses at least one.
const DAMAGE_WORDS: [&str; 7] = [
    "damage",
    "lost",
    "missing",
    "does not fit",
    "does not match",
    "not what",
    "corrupt",
];

/// The result of one command.
#[derive(Debug)]
pub(crate) enum Answer {
    /// The same answer as on the intact site.
    Right,
    /// An answer, and another one than the sound site's.
    Different(String),
    /// A refusal that names the damage and says what to do.
    Refused(String),
    /// A panic, a signal, a hang, an internal error, or a refusal without help.
    Bad(String),
}

/// The result of the doctor.
#[derive(Debug)]
pub(crate) enum Doctor {
    Sound,
    Names(String),
    Bad(String),
}

/// A site to damage, intact copies of it, and the answers of the intact one.
pub(crate) struct World {
    pub(crate) site: Site,
    pub(crate) pristine: PathBuf,
    /// The home one import and one bundle earlier.
    pub(crate) older: PathBuf,
    /// All that the site knows, from a peer.
    bundle: PathBuf,
    sbom: PathBuf,
    /// The option with which the doctor repairs.
    repair: &'static str,
    scan: String,
    dump: Vec<u8>,
    status: [String; 2],
}

impl World {
    pub(crate) fn new(dir: &Path, engine: &str) -> Self {
        let [site, peer] = ["site-a", "site-b"].map(|name| Site::init_on(dir, name, engine));
        // Each round works on a copy of the home, which is not the subject of this test.
        let config = site.home().join("starling.toml");
        let text = std::fs::read_to_string(&config).expect("a file can be read");
        let text = text.replace("# detect = true", "detect = false");
        std::fs::write(&config, text).expect("a file can be written");
        site.list(&peer);
        peer.list(&site);
        let mut mine = records("MINE", 0..300, "1.2.3");
        let _ = site.import("mine", &mine, &["--complete"]);
        let _ = peer.import("theirs", &records("THEIRS", 0..120, "1.2.3"), &["--complete"]);
        carry(&peer, &site);
        let older = dir.join("older");
        replace(site.home(), &older);
        next_day(&mut mine);
        let _ = site.import("mine", &mine, &["--complete"]);
        let _ = peer.import("more", &records("MORE", 0..60, "1.2.3"), &["--complete"]);
        let mute = [
            "mute",
            "add",
            "MINE-000001",
            "--forever",
            "--reason",
            "unreachable",
        ];
        site.json_call(mute).expect(0);
        carry(&peer, &site);
        carry(&site, &peer);
        let sbom = site.file("sbom.json");
        let mut generate: Vec<OsString> = ["sbom", "generate", "--components", "400", "--affected", "15"]
            .map(Into::into)
            .to_vec();
        generate.extend(["-o".into(), sbom.clone().into()]);
        site.cli(generate).expect(0);
        let bundle = peer.export("all.stl", &[]);
        let help = site.cli(["doctor", "--help"]);
        let repairs = String::from_utf8_lossy(&help.stdout).contains("--repair");
        let mut world = Self {
            pristine: dir.join("pristine"),
            older,
            bundle,
            sbom,
            repair: if repairs { "--repair" } else { "--rebuild" },
            scan: String::new(),
            dump: Vec::new(),
            status: Default::default(),
            site,
        };
        world.remember();
        world
    }

    /// Asks the sound site, after which all of its indexes are made.
    fn remember(&mut self) {
        let scan = self.run_scan();
        assert_eq!(
            scan.code, 1,
            "the generated SBOM has findings that fail: {scan:?}"
        );
        self.scan = verdict_of(&scan).expect("a verdict");
        let dump = self.run_dump();
        dump.expect(0);
        self.dump = dump.stdout;
        let status = self.run(["status"]);
        status.expect(0);
        self.status = place_of(&status).expect("a status");
        self.site.expect_sound();
        replace(self.site.home(), &self.pristine);
    }

    /// Runs a command on the site, with `--json`.
    pub(crate) fn run<I: IntoIterator<Item = S>, S: Into<OsString>>(&self, args: I) -> Ended {
        let args = args.into_iter().map(Into::into).chain([OsString::from("--json")]);
        Ended::within(command(self.site.home(), args), DEADLINE)
    }

    fn run_scan(&self) -> Ended {
        let args: [OsString; 6] = [
            "scan".into(),
            self.sbom.clone().into(),
            "--at".into(),
            AT.into(),
            "--fail-on".into(),
            "high".into(),
        ];
        self.run(args)
    }

    fn run_dump(&self) -> Ended {
        self.run(["advisory", "dump", "-o", "-"])
    }

    /// Judges the SBOM again.
    pub(crate) fn scan(&self) -> Answer {
        let ended = self.run_scan();
        match verdict_of(&ended) {
            Some(verdict) if verdict == self.scan && ended.code == 1 => Answer::Right,
            Some(verdict) => {
                Answer::Different(format!("scan: {}", difference(&self.scan, &verdict, ended.code)))
            }
            None => refusal("scan", &ended),
        }
    }

    /// Writes all live records again.
    pub(crate) fn dump(&self) -> Answer {
        let ended = self.run_dump();
        if ended.code != 0 {
            return refusal("dump", &ended);
        }
        if ended.stdout == self.dump {
            return Answer::Right;
        }
        let count = |bytes: &[u8]| bytes.split(|byte| *byte == b'\n').count() - 1;
        Answer::Different(format!(
            "dump: {} records, not {}",
            count(&ended.stdout),
            count(&self.dump)
        ))
    }

    /// Asks for head and knowledge root again.
    pub(crate) fn status(&self) -> Answer {
        let ended = self.run(["status"]);
        // A status of a damaged store is shown, and ends with 11.
        let is_shown = place_of(&ended).is_some_and(|[_, root]| root != "null");
        if ended.code != 0 && !(ended.code == 11 && is_shown) {
            return refusal("status", &ended);
        }
        match place_of(&ended) {
            Some(place) if place == self.status => Answer::Right,
            place => Answer::Different(format!("status: {place:?}, not {:?}", self.status)),
        }
    }

    /// Asks the doctor.
    pub(crate) fn doctor(&self) -> Doctor {
        let ended = self.run(["doctor"]);
        if ended.code == 0 {
            return Doctor::Sound;
        }
        let report: Option<Value> = serde_json::from_slice(&ended.stdout).ok();
        let failed = report.as_ref().and_then(failed_check);
        match (failed, ended.said_problem()) {
            (Some(check), _) if ended.code == 11 => Doctor::Names(check),
            (None, Some(problem)) if ended.code == 11 => Doctor::Names(problem.detail.clone()),
            _ => Doctor::Bad(format!("doctor: exit {}: {}", ended.code, shown(&ended))),
        }
    }

    /// Does what an operator would: repair, then import from a peer. Returns the remaining fault.
    pub(crate) fn recover(&self) -> Result<(), String> {
        let repaired = self.run(["doctor", self.repair]);
        let import: [OsString; 4] = [
            "bundle".into(),
            "import".into(),
            self.bundle.clone().into(),
            "--force".into(),
        ];
        let imported = self.run(import);
        let before = || {
            format!(
                "doctor {} ended with {} ({}), the bundle with {} ({})",
                self.repair,
                repaired.code,
                shown(&repaired),
                imported.code,
                shown(&imported)
            )
        };
        for answer in [self.scan(), self.dump()] {
            if let Answer::Different(what) | Answer::Refused(what) | Answer::Bad(what) = answer {
                return Err(format!("{what}; {}", before()));
            }
        }
        match self.doctor() {
            Doctor::Sound => Ok(()),
            Doctor::Names(what) | Doctor::Bad(what) => Err(format!("{what}; {}", before())),
        }
    }
}

/// Carries everything that one site knows to another as a file.
fn carry(from: &Site, to: &Site) {
    let bundle = from.export("carried.stl", &[]);
    let _ = to.import_bundle(&bundle);
}

/// Returns advisories that list versions, so that an SBOM can be made of them, with incompressible details.
fn records(prefix: &str, numbers: std::ops::Range<u32>, fixed: &str) -> Folder {
    let mut folder = Folder::default();
    for number in numbers {
        let mut rng = fastrand::Rng::with_seed(u64::from(number));
        let id = format!("{prefix}-{number:06}");
        let package = format!("{}-package-{number}", prefix.to_lowercase());
        let mut record = advisory(&id, &package, fixed, "2025-03-01T00:00:00Z");
        record["affected"][0]["versions"] = serde_json::json!(["1.0.0", "1.1.0", "1.2.0"]);
        record["details"] = std::iter::repeat_with(|| rng.alphanumeric())
            .take(400)
            .collect::<String>()
            .into();
        folder.put(&format!("{id}.json"), &record);
    }
    folder
}

/// Changes some records and removes some.
fn next_day(feed: &mut Folder) {
    feed.files.extend(records("MINE", 0..40, "1.9.0").files);
    for number in 40..50 {
        feed.remove(&format!("MINE-{number:06}.json"));
    }
}

/// Returns all of a verdict but the time at which the site judged.
fn verdict_of(ended: &Ended) -> Option<String> {
    let mut envelope: Value = JUDGED
        .contains(&ended.code)
        .then(|| serde_json::from_slice(&ended.stdout).ok())??;
    envelope.get("verdict")?;
    envelope.as_object_mut()?.remove("time");
    Some(envelope.to_string())
}

fn place_of(ended: &Ended) -> Option<[String; 2]> {
    let status: Value = serde_json::from_slice(&ended.stdout).ok()?;
    Some(["head", "knowledge_root"].map(|name| status[name].to_string()))
}

fn difference(expected: &str, found: &str, code: i32) -> String {
    let findings = |text: &str| {
        let envelope: Value = serde_json::from_str(text).unwrap_or_default();
        envelope["verdict"]["findings"].as_array().map_or(0, Vec::len)
    };
    format!(
        "exit {code}, {} findings, not {}",
        findings(found),
        findings(expected)
    )
}

/// Returns the first check of a doctor's report that fails, with its finding.
fn failed_check(report: &Value) -> Option<String> {
    let checks = report["checks"].as_array()?;
    let failed = checks.iter().find(|check| check["ok"] == false)?;
    Some(failed.to_string())
}

fn refusal(what: &str, ended: &Ended) -> Answer {
    let bad = |why: &str| Answer::Bad(format!("{what}: {why}: exit {}: {}", ended.code, shown(ended)));
    match ended.code {
        HUNG => return bad("hangs"),
        -1 => return bad("ended by a signal"),
        101 => return bad("panicked"),
        10 => return bad("internal error"),
        _ => {}
    }
    let Some(problem) = ended.said_problem() else {
        return bad("no problem was said");
    };
    if !names_damage(&problem) {
        return bad("does not name what is damaged");
    }
    if problem.hint.as_ref().is_none_or(String::is_empty) {
        return bad("does not say what to do");
    }
    Answer::Refused(format!("{what}: {}", problem.detail))
}

fn names_damage(problem: &Problem) -> bool {
    let text = problem.detail.to_lowercase();
    !text.is_empty()
        && (problem.code == ErrorCode::StoreDamaged || DAMAGE_WORDS.iter().any(|word| text.contains(word)))
}

fn shown(ended: &Ended) -> String {
    /// Enough to know the message by.
    const CHARACTERS: usize = 400;
    let text = match ended.said_problem() {
        Some(problem) => problem.detail.clone(),
        None => ended.stderr.trim().to_owned(),
    };
    text.chars().take(CHARACTERS).collect()
}
