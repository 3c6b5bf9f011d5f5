//! Homes that were lost while peers already had a part of their claims: the reports, and the outcome.

use std::path::Path;

use starling_api_types::{DoctorReport, ErrorCode, ImportReport, LogOutcome, RestorePhase, RestoreReport};
use starling_protocol::UnixMillis;
use starling_tests::Site;
use starling_tests::feed::{Folder, many};

use crate::bench;
use crate::craft::{Author, Pack, list};
use crate::restores::{back_up, held, put_back};

fn feed(name: &str) -> Folder {
    many(name, 3, 200)
}

/// A site, a peer that takes files from it and from a crafted relay, and that relay.
struct World {
    a: Site,
    b: Site,
    relay: Author,
}

impl World {
    /// Creates the world: both know three records of `a`, which waits for nobody longer than this many seconds.
    fn new(bench: &Path, patience: u32) -> Self {
        let [a, b] = ["site-a", "site-b"].map(|name| Site::init(bench, name));
        let relay = Author::new("relay", 90);
        for site in [&a, &b] {
            list(site, &[&relay]);
        }
        b.list(&a);
        let config = a.home().join("starling.toml");
        let text = std::fs::read_to_string(&config).unwrap();
        let impatient = text.replace(
            "# patience_seconds = 30",
            &format!("patience_seconds = {patience}"),
        );
        assert_ne!(impatient, text, "the file of `init` names the key");
        std::fs::write(&config, impatient).unwrap();
        let _ = a.import("mine", &feed("ONE"), &["--complete"]);
        let _ = b.import_bundle(&a.export("first.zst", &[]));
        Self { a, b, relay }
    }

    /// Seals something as the relay does, now.
    fn seal(&self, mut pack: Pack, name: &str) -> std::path::PathBuf {
        pack.sealed_at = Some(UnixMillis::saturating(4_000_000_000_000));
        let folder = self.a.file("");
        pack.write(&self.relay, &folder, name)
    }
}

fn import(site: &Site, file: &Path, code: i32) -> ImportReport {
    let args = ["bundle".into(), "import".into(), file.to_owned().into_os_string()];
    site.json_call(args).json(code)
}

fn home_check(site: &Site) -> String {
    let report: DoctorReport = site.json(["doctor"]);
    let mut checks = report.checks.into_iter();
    checks
        .find(|check| check.name == "home")
        .expect("it is a check")
        .found
}

#[test]
fn author_replaces_claims_with_lost_bodies() {
    let bench = bench();
    let world = World::new(bench.path(), 0);
    let (a, b) = (&world.a, &world.b);
    let backup = back_up(a, "backup");
    let _ = a.import("mine", &feed("TWO"), &[]);
    // The claims reach a peer, their bodies do not, and the home is lost.
    let thin = world.seal(Pack::read(&a.export("second.zst", &[])), "thin.zst");
    let report = import(b, &thin, 7);
    assert_eq!(report.logs[0].outcome, LogOutcome::Held);
    assert_eq!((held(b, a), b.status().records), ((0, 6), 3));
    put_back(a, &backup);

    // Without a network it waits, and says for what.
    let report = import(a, &thin, 7);
    let told = report.warnings.join("\n");
    assert!(
        told.contains("3 record bodies") && told.contains("mine/TWO-000000"),
        "{told}"
    );
    let restore = a.status().restore.expect("it waits");
    assert_eq!(restore.phase, RestorePhase::Recovering);
    assert!(restore.advice.contains("--alone"), "{restore:?}");
    let report: RestoreReport = a.json(["restore", "--alone", "--yes"]);
    assert_eq!((report.new_epoch, report.restore), (Some(1), None));
    let status = a.status();
    assert!(status.restore.is_none(), "{:?}", status.restore);
    let lost = status.lost_records.expect("it is told for as long as it lasts");
    assert_eq!((lost.went_back, lost.retracted), (0, 3));
    assert_eq!(lost.sources, ["mine"]);
    assert!(lost.what.contains("mine/TWO-000000"), "{lost:?}");
    assert!(home_check(a).contains("--complete"), "{}", home_check(a));
    assert_eq!(held(a, a), (1, 9), "three claims retract what nobody has");
    assert_eq!(status.records, 3);

    // Nobody waits any more.
    let _ = b.import_bundle(&a.export("third.zst", &[]));
    assert_eq!(held(b, a), (1, 9));
    assert_eq!(a.root(), b.root());
    assert!(b.status().positions.iter().all(|at| at.hold_reason.is_none()));

    // The source brings them back, and then nothing is lost.
    let mut both = feed("ONE");
    both.files.extend(feed("TWO").files);
    let _ = a.import("mine", &both, &["--complete"]);
    assert_eq!(a.status().lost_records, None);
    assert_eq!(home_check(a), "in its own place");
    let _ = b.import_bundle(&a.export("fourth.zst", &[]));
    assert_eq!((a.root(), b.status().records), (b.root(), 6));
    for site in [a, b] {
        site.expect_sound();
    }
}

#[test]
fn bodies_that_come_late_end_the_wait() {
    let bench = bench();
    let world = World::new(bench.path(), 0);
    let a = &world.a;
    let backup = back_up(a, "backup");
    let _ = a.import("mine", &feed("TWO"), &[]);
    let whole = a.export("second.zst", &[]);
    let thin = world.seal(Pack::read(&whole), "thin.zst");
    put_back(a, &backup);
    let _ = import(a, &thin, 7);
    assert!(a.status().restore.is_some());
    // The bodies come.
    let b = &world.b;
    let _ = b.import_bundle(&whole);
    a.list(b);
    let report = a.import_bundle(&b.export("back.zst", &[]));
    assert!(
        report.warnings.join("\n").contains("goes on under epoch 1"),
        "{report:?}"
    );
    let status = a.status();
    assert_eq!((status.restore, status.lost_records), (None, None));
    assert_eq!(
        (held(a, a), status.records),
        ((0, 6), 6),
        "nothing had to be said anew"
    );
}

#[test]
fn peers_that_were_asked_in_vain_end_the_wait() {
    let bench = bench();
    let World { mut a, mut b, relay } = World::new(bench.path(), 1);
    let backup = back_up(&a, "backup");
    let _ = a.import("mine", &feed("TWO"), &[]);
    let mut pack = Pack::read(&a.export("second.zst", &[]));
    pack.sealed_at = Some(UnixMillis::saturating(4_000_000_000_000));
    let thin = pack.write(&relay, &a.file(""), "thin.zst");
    let _ = import(&b, &thin, 7);
    put_back(&a, &backup);
    a.cli(["sites", "remove", "relay"]).expect(0);
    b.cli(["sites", "remove", "relay"]).expect(0);
    a.up();
    b.up();
    // The peer already lists it.
    a.list(&b);
    b.until_connected("site-a");
    let status = a.until("the site to go on", |status| status.restore.is_none());
    assert_eq!(status.lost_records.map(|lost| lost.retracted), Some(3));
    // Its repeated claims add nothing to the peer's knowledge, as the positions show.
    let author = a.identity().site;
    b.until("what it said anew", |status| {
        let mut positions = status.positions.iter();
        let at = positions.find(|at| at.site == author);
        at.and_then(|at| at.accepted.as_ref())
            .map_or(0, starling_tests::number_of)
            == 9
    });
    assert_eq!(held(&b, &a), (1, 9));
    let _ = a.import("mine", &feed("TWO"), &[]);
    b.until_equal(&a);
    assert_eq!(b.status().records, 6);
    for site in [&a, &b] {
        site.expect_sound();
    }
}

#[test]
fn head_without_claims_says_what_to_do() {
    let bench = bench();
    let world = World::new(bench.path(), 0);
    let (a, b) = (&world.a, &world.b);
    let backup = back_up(a, "backup");
    let _ = a.import("mine", &feed("TWO"), &[]);
    // The head spreads, and the claims are lost with the home.
    let head = Pack::read(&a.export("second.zst", &[])).without_deltas();
    let head = world.seal(head, "head.zst");
    let _ = import(b, &head, 0);
    put_back(a, &backup);
    a.list(b);
    let report = a.import_bundle(&b.export("back.zst", &[]));
    let told = report.warnings.join("\n");
    assert!(told.contains("claims 4 to 6"), "{told}");
    let restore = a.status().restore.expect("it is held back");
    assert_eq!(restore.phase, RestorePhase::ClaimsMissing);
    for said in ["claims 4 to 6", "site-b has it up to 3", "not heard from: relay"] {
        assert!(restore.waits_for.contains(said), "{said}: {restore:?}");
    }
    for said in [
        "`starling up` reach relay",
        "`starling restore --alone`",
        "claim 3",
    ] {
        assert!(restore.advice.contains(said), "{said}: {restore:?}");
    }
    let report: RestoreReport = a.json(["restore"]);
    assert_eq!(report.restore.unwrap().waits_for, restore.waits_for);
    assert!(home_check(a).contains("claims 4 to 6"));
    assert_eq!(a.refused(["keys", "generate"]).code, ErrorCode::SiteRestored);
    let human = a.cli(["status", "--all"]);
    human.expect(0);
    let human = String::from_utf8(human.stdout).unwrap();
    assert!(
        human.contains("nobody who was heard has its newest claims"),
        "{human}"
    );
    // Then it is lost.
    let report: RestoreReport = a.json(["restore", "--alone", "--yes"]);
    assert_eq!((report.new_epoch, report.restore), (Some(1), None));
    let _ = a.import("mine", &feed("TWO"), &[]);
    let _ = b.import_bundle(&a.export("third.zst", &[]));
    assert_eq!((held(b, a), a.root()), ((1, 6), b.root()));
    for site in [a, b] {
        site.expect_sound();
    }
}

#[test]
fn two_copies_restored_at_once_lose_trust() {
    let bench = bench();
    let world = World::new(bench.path(), 0);
    let (a, b) = (&world.a, &world.b);
    a.list(b);
    let backup = back_up(a, "backup");
    put_back(a, &backup);
    let copy = Site::adopt_home(bench.path(), "site-copy");
    crate::restores::copy(&backup, copy.home());
    // Each copy gets the same bundle, and nothing from the other.
    let back = b.export("back.zst", &[]);
    for site in [a, &copy] {
        let report = site.import_bundle(&back);
        assert!(
            report.warnings.join("\n").contains("goes on under epoch 1"),
            "{report:?}"
        );
        let _ = site.import("mine", &feed(site.name()), &[]);
    }
    let _ = b.import_bundle(&a.export("of-a.zst", &[]));
    let problem = b.refuse_bundle(&copy.export("of-copy.zst", &[]));
    assert_eq!(problem.code, ErrorCode::CertificateConflict);
    let of_a = b
        .status()
        .positions
        .into_iter()
        .find(|at| at.site == a.identity().site);
    let reason = of_a.unwrap().hold_reason.expect("nothing new of it is trusted");
    assert!(reason.contains("two certificates"), "{reason}");
    // Each copy reports it as soon as it learns of the other.
    let problem = a.refuse_bundle(&copy.export("of-copy.zst", &[]));
    assert_eq!(problem.code, ErrorCode::CertificateConflict, "{problem}");
}

#[test]
fn bundle_warns_of_claims_given_up_by_a_certificate() {
    let bench = bench();
    let world = World::new(bench.path(), 0);
    let (a, b) = (&world.a, &world.b);
    let backup = back_up(a, "backup");
    let _ = a.import("mine", &feed("TWO"), &[]);
    let _ = b.import_bundle(&a.export("second.zst", &[]));
    assert_eq!(held(b, a), (0, 6));
    // Nobody is asked: the reader's claims beyond the backup end with the old epoch.
    put_back(a, &backup);
    a.cli(["restore", "--alone", "--yes"]).expect(0);
    let _ = a.import("mine", &feed("THREE"), &[]);
    let report = b.import_bundle(&a.export("third.zst", &[]));
    let told = report.warnings.join("\n");
    assert!(
        told.contains(
            "a new certificate of site-a gives up the claims after 3, up to 6 of which were held here"
        ),
        "{told}"
    );
    assert_eq!(held(b, a), (1, 6));
}
