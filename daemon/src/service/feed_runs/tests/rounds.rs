//! A successor reads a shared source in several runs: it collects the records, and states the absences at the end.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::future::BoxFuture;
use starling_fetch::{Clock, Fetcher, Limits, Run, Wait};

use async_trait::async_trait;

use super::sharing::{PATIENCE, meet, pair};
use super::*;
use crate::service::feed_runs::fetching::{FetchJob, Fetching};

/// Returns an answer with a position after it.
fn moved(answer: Answer) -> Answer {
    let position = || starling_fetch::Position::from_json(br#"{"version":1,"until_ms":{"a":1}}"#).unwrap();
    Answer::Changed(
        Box::new(answer),
        Box::new(move |brought| brought.position = position()),
    )
}

/// Returns the note of a run about the reason for a full fetch.
fn anew(run: &FeedRun) -> Option<&str> {
    let is_it = |note: &&String| note.contains("everything is fetched");
    run.notes.iter().find(is_it).map(String::as_str)
}

/// Returns an answer with one part of a source that is read in several runs. The last part ends the source.
fn in_parts(records: Vec<Value>, is_last: bool) -> Answer {
    Answer::Changed(
        Box::new(Answer::Part(records)),
        Box::new(move |brought| {
            brought.position =
                starling_fetch::Position::from_json(br#"{"version":1,"until_ms":{"a":1}}"#).unwrap();
            (brought.read_to_end, brought.more, brought.from_start) = (is_last, !is_last, is_last);
        }),
    )
}

/// Same, with a page instead of files.
fn page(records: &Value, is_last: bool) -> Answer {
    in_parts(
        vec![json!({ "id": "page", "page": records.to_string() })],
        is_last,
    )
}

#[tokio::test]
async fn successor_states_absences_after_the_last_part() {
    for is_empty in [false, true] {
        let worlds = pair().await;
        meet(worlds.each_ref(), 0);
        let [a, b] = &worlds;
        a.run(Answer::Whole(records(0..5))).await;
        b.take(a);
        let checked = b.checked_at().await.unwrap();
        // The source dropped its first record meanwhile. A later part could still contain it.
        let part = b.run(in_parts(records(1..4), false)).await;
        assert_eq!((part.code, part.absent, part.checked), (None, 0, false));
        assert!(
            part.notes
                .iter()
                .any(|note| note.contains("3 of its records were seen")),
            "{:?}",
            part.notes
        );
        assert_eq!((b.count().await, b.checked_at().await), (5, Some(checked)));
        if is_empty {
            b.run(in_parts(records(4..6), false)).await;
        }
        let rest = if is_empty { 0..0 } else { 4..6 };
        let last = b.run(in_parts(records(rest), true)).await;
        assert_eq!(
            (last.code, last.absent, last.checked),
            (None, 1, true),
            "{last:?}"
        );
        assert_eq!(b.count().await, 5);
        assert!(b.checked_at().await.unwrap() > checked);
        let kept = fs::read_to_string(b.path("feeds/mine/position.json")).unwrap();
        assert!(!kept.contains("EX-") && !kept.contains("in_parts"), "{kept}");
        let next = b.run(moved(Answer::Unchanged)).await;
        assert_eq!((next.checked, next.code, anew(&next)), (true, None, None));
        a.take(b);
        assert_eq!(a.count().await, 5);
        // A third site uses the check, because it has all statements on which the check builds.
        assert!(b.own_offer().unwrap().rests_on.contains_key(&a.id()));
    }
}

#[tokio::test]
async fn nothing_is_absent_before_the_last_part_was_read() {
    let worlds = pair().await;
    meet(worlds.each_ref(), 0);
    let [a, b] = &worlds;
    a.run(Answer::Whole(records(0..5))).await;
    b.take(a);
    for numbers in [0..1, 1..2] {
        let part = b.run(in_parts(records(numbers), false)).await;
        assert_eq!((part.absent, part.checked), (0, false));
    }
    let failed = b.run(Answer::Fails(unreachable())).await;
    assert_eq!(failed.outcome, FeedRunOutcome::Failed);
    // Records of the parts before a failure are still known.
    let last = b.run(in_parts(records(2..4), true)).await;
    assert_eq!((last.absent, last.checked), (1, true), "{last:?}");
    assert_eq!(b.count().await, 4);
}

#[tokio::test]
async fn round_with_an_unknown_record_makes_nothing_absent() {
    let worlds = pair().await;
    meet(worlds.each_ref(), 0);
    let [a, b] = &worlds;
    a.run(Answer::Whole(records(0..5))).await;
    b.take(a);
    // An entry without an id may be any of the records.
    b.run(page(&json!([record(1), { "id": 7, "affected": 7 }]), false))
        .await;
    let last = b.run(in_parts(records(2..4), true)).await;
    assert_eq!((last.absent, last.checked), (0, false));
    let why = last.error.unwrap();
    assert!(why.contains("nothing tells which record it held"), "{why}");
    assert_eq!(b.count().await, 5);
    // It stays listed while the source has nothing new.
    let next = b.run(moved(Answer::Unchanged)).await;
    assert_eq!(
        (next.checked, next.code),
        (false, Some(ErrorCode::FeedFetchFailed))
    );
    let whole = b.run(moved(Answer::Whole(records(1..6)))).await;
    assert_eq!((whole.checked, whole.absent, whole.code), (true, 1, None));
}

/// A document that was listed but always missing made every round inconclusive.
#[tokio::test]
async fn document_that_is_missing_in_three_rounds_counts_as_dropped() {
    let worlds = pair().await;
    meet(worlds.each_ref(), 0);
    let [a, b] = &worlds;
    a.run(Answer::Whole(records(0..5))).await;
    b.take(a);
    let round = async |is_missing: bool| {
        b.run(in_parts(records(1..3), false)).await;
        let last = Answer::Part(records(3..5)).changed(move |brought| {
            brought.position = position();
            brought.from_start = true;
            if is_missing {
                brought.passed_over = 1;
                brought.dead = ["EX-0.json".to_owned()].into();
            }
        });
        let run = b.run(last).await;
        // A month later the next round begins.
        let path = b.path("feeds/mine/position.json");
        let mut kept: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        if kept.get("round").is_some() {
            kept["round"]["ended_at"] = json!("2020-01-01T00:00:00.000Z");
            fs::write(&path, kept.to_string()).unwrap();
        }
        run
    };
    for _ in 0..3 {
        let run = round(true).await;
        assert_eq!((run.absent, run.checked), (0, false), "{run:?}");
        assert!(
            run.error
                .unwrap()
                .contains("1 rows or documents of it cannot be read")
        );
    }
    let run = round(true).await;
    assert_eq!((run.absent, run.checked), (1, true), "{run:?}");
    let note = run
        .notes
        .iter()
        .find(|note| note.starts_with("EX-0.json is listed"));
    assert!(
        note.unwrap()
            .ends_with("in 3 rounds: it counts as dropped by the source")
    );
    assert_eq!(b.count().await, 4);
}

#[tokio::test]
async fn rejected_entry_of_a_part_keeps_the_record_that_it_names() {
    let worlds = pair().await;
    meet(worlds.each_ref(), 0);
    let [a, b] = &worlds;
    a.run(Answer::Whole(records(0..5))).await;
    b.take(a);
    let broken = json!({ "id": "EX-1", "modified": 7, "affected": 7 });
    b.run(page(&json!([broken, record(2)]), false)).await;
    let last = b.run(in_parts(records(3..5), true)).await;
    assert_eq!((last.absent, last.rejected), (1, 0), "{last:?}");
    assert_eq!(b.count().await, 4, "the rejected one stays as it was");
}

#[tokio::test]
async fn round_begins_again_when_another_site_states_something() {
    let [a, b] = pair().await;
    let worlds = [a, b];
    meet(worlds.each_ref(), 0);
    let [a, b] = worlds.map(Arc::new);
    a.run(Answer::Whole(records(0..5))).await;
    b.take(&a);
    b.run(in_parts(records(1..3), false)).await;
    // While the last part is fetched, the other site states a record that the source added to a part already read.
    a.run(Answer::Whole(records(0..7))).await;
    let (from, to) = (Arc::clone(&a), Arc::clone(&b));
    let Answer::Changed(answer, change) = in_parts(records(3..5), true) else {
        panic!("it is changed")
    };
    let meanwhile = move |brought: &mut Brought| {
        to.take(&from);
        change(brought);
    };
    let last = b.run(Answer::Changed(answer, Box::new(meanwhile))).await;
    assert_eq!((last.absent, last.checked), (0, false), "{last:?}");
    assert!(last.error.unwrap().contains("meanwhile"));
    assert_eq!(b.count().await, 7);
    let first = b.run(in_parts(records(1..4), false)).await;
    assert!(anew(&first).unwrap().contains("another site stated"), "{first:?}");
    let last = b.run(in_parts(records(4..7), true)).await;
    assert_eq!((last.absent, last.checked, anew(&last)), (1, true, None));
}

#[tokio::test]
async fn position_without_a_round_starts_from_the_beginning() {
    let worlds = pair().await;
    meet(worlds.each_ref(), 0);
    let [a, b] = &worlds;
    a.run(Answer::Whole(records(0..5))).await;
    b.take(a);
    b.run(in_parts(records(1..3), false)).await;
    // As an earlier version wrote it.
    let path = b.path("feeds/mine/position.json");
    let mut kept: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    assert!(kept.as_object_mut().unwrap().remove("round").is_some());
    fs::write(&path, kept.to_string()).unwrap();
    let next = b.run(in_parts(records(3..5), true)).await;
    assert!(
        anew(&next).unwrap().contains("did not keep what it saw"),
        "{next:?}"
    );
}

#[tokio::test]
async fn many_absences_at_the_end_wait_for_approval() {
    let worlds = pair().await;
    meet(worlds.each_ref(), 0);
    let [a, b] = &worlds;
    a.run(Answer::Whole(records(0..40))).await;
    b.take(a);
    b.run(in_parts(records(0..10), false)).await;
    let last = b.run(in_parts(records(10..20), true)).await;
    assert_eq!((last.outcome, last.absent), (FeedRunOutcome::Suspect, 0));
    assert_eq!(b.count().await, 40);
    let run = b
        .site
        .approve_feed(&name(), FeedApprove::default())
        .await
        .unwrap();
    assert_eq!((run.absent, run.checked), (20, true), "{run:?}");
    assert_eq!(b.count().await, 20);
}

#[tokio::test]
async fn source_that_is_read_in_parts_by_one_site_alone_is_checked() {
    for is_empty in [false, true] {
        let worlds = pair().await;
        meet(worlds.each_ref(), 0);
        let [a, b] = &worlds;
        // No other site states anything about the source.
        a.run(in_parts(records(0..3), false)).await;
        assert!(a.run(in_parts(records(3..6), true)).await.checked);
        b.take(a);
        b.run(moved(Answer::Whole(records(0..7)))).await;
        assert!(!b.own_offer().unwrap().rests_on.is_empty());
        // The other site withdrew its offer: the source is read from the beginning, in parts.
        a.site.remove_feed(&name()).await.unwrap();
        a.look(1);
        b.take(a);
        b.look(PATIENCE);
        b.run(in_parts(records(0..4), false)).await;
        assert!(
            !b.own_offer().unwrap().rests_on.is_empty(),
            "not all of it was read"
        );
        let mut rest = records(4..7);
        if is_empty {
            b.run(in_parts(std::mem::take(&mut rest), false)).await;
        }
        let last = b.run(in_parts(rest, true)).await;
        assert_eq!((last.checked, last.code), (true, None));
        assert!(b.own_offer().unwrap().rests_on.is_empty());
        let slug = a.chain().slug().clone();
        b.site.0.data.store.unlist_site(&slug).unwrap();
        assert!(b.checked_at().await.is_some(), "all of it is its own");
        assert_eq!(b.count().await, 7);
    }
}

/// A server with the NVD's API. Each record has the month of 2025 in which it changed.
struct Nvd {
    address: String,
}

impl Nvd {
    fn start(records: Vec<(u32, &'static str)>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}/", listener.local_addr().unwrap());
        // It ends with the process.
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                answer(stream.unwrap(), &records);
            }
        });
        Self { address }
    }
}

fn answer(mut stream: TcpStream, records: &[(u32, &str)]) {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
    let asked = lines.next().unwrap().unwrap();
    while lines.next().is_some_and(|line| !line.unwrap().is_empty()) {}
    let parameter = |name: &str| {
        let (_, rest) = asked.split_once(&format!("{name}=")).unwrap();
        rest.get(..10).unwrap().to_owned()
    };
    let (from, until) = (parameter("lastModStartDate"), parameter("lastModEndDate"));
    let within = records.iter().filter_map(|(month, id)| {
        let day = format!("2025-{month:02}-15");
        let entry = json!({ "cve": {
            "id": id, "published": "2025-01-01T00:00:00.000", "lastModified": format!("{day}T00:00:00.000"),
            "vulnStatus": "Analyzed", "descriptions": [{ "lang": "en", "value": "A flaw." }], "references": [],
        }});
        (from <= day && day < until).then_some(entry)
    });
    let within: Vec<Value> = within.collect();
    let body = json!({
        "resultsPerPage": within.len(), "startIndex": 0, "totalResults": within.len(), "format": "NVD_CVE",
        "version": "2.0", "timestamp": "2026-01-01T00:00:00.000", "vulnerabilities": within,
    });
    let body = body.to_string();
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
}

/// The real fetcher with a clock whose waits end at once, and with a limit for each run.
struct Bounded(u64);

struct QuickClock(AtomicU64);

impl Clock for QuickClock {
    fn now_ms(&self) -> u64 {
        // 2026-01-01
        1_767_225_600_000 + self.0.load(Ordering::SeqCst)
    }

    fn steady_ms(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }

    fn wait(&self, span: Duration, why: Wait) -> BoxFuture<'_, ()> {
        if why == Wait::Silence {
            return Box::pin(std::future::pending());
        }
        let span = u64::try_from(span.as_millis()).unwrap();
        self.0.fetch_add(span, Ordering::SeqCst);
        Box::pin(std::future::ready(()))
    }
}

#[async_trait]
impl Fetching for Bounded {
    async fn fetch(&self, job: FetchJob<'_>) -> Result<Brought, FetchError> {
        let mut settings = job.spec.settings(job.home);
        settings.limits = Limits {
            max_run_bytes: self.0,
            ..Limits::default()
        };
        let clock = QuickClock(AtomicU64::new(0));
        let run = Run {
            into: job.into,
            free: &|| None,
            clock: &clock,
            random: &|| 7,
            progress: job.progress,
            stop: job.stop,
        };
        let fetched = Fetcher::new(settings)?
            .run(&job.spec.plan, job.position, run)
            .await?;
        Ok(fetched.into())
    }
}

#[tokio::test]
async fn successor_reads_a_source_over_its_bound_in_rounds() {
    const ALL: [(u32, &str); 4] = [
        (1, "CVE-2025-1001"),
        (4, "CVE-2025-1002"),
        (7, "CVE-2025-1003"),
        (10, "CVE-2025-1004"),
    ];
    let mut worlds = ["site-a", "site-b"].map(|name| World::builder().named(name).build());
    worlds.sort_by_key(World::id);
    let [a, b] = &worlds;
    a.list(b);
    b.list(a);
    // The source dropped its second record before the other site took over.
    let (before, after) = (
        Nvd::start(ALL.to_vec()),
        Nvd::start([ALL[0], ALL[2], ALL[3]].to_vec()),
    );
    for (world, bytes, at) in [(a, 1 << 20, &before), (b, 2_000, &after)] {
        let add = json!({
            "name": "mine", "preset": "nvd", "source": "mine", "address": at.address, "schedule": "2h",
        });
        world
            .site
            .add_feed(serde_json::from_value(add).unwrap())
            .await
            .unwrap();
        *world.site.0.live.feeds.fetching.write().unwrap() = Arc::new(Bounded(bytes));
    }
    meet(worlds.each_ref(), 0);
    let [a, b] = &worlds;
    let run = a.site.run_feed(&name()).await.unwrap();
    assert_eq!((run.stored, run.checked, run.whole), (4, true, true), "{run:?}");
    b.take(a);
    b.look(0);
    b.look(PATIENCE);
    let checked = b.checked_at().await.unwrap();
    let mut parts = 0;
    let last = loop {
        let run = b.site.run_feed(&name()).await.unwrap();
        assert_eq!(run.code, None, "{run:?}");
        if run.checked {
            break run;
        }
        assert_eq!((run.absent, b.count().await), (0, 4));
        assert_eq!(b.checked_at().await, Some(checked));
        parts += 1;
        assert!(parts < 40, "each run gets further");
    };
    assert!(parts > 2 && !last.whole, "{parts}");
    assert_eq!((last.absent, b.count().await), (1, 3), "{last:?}");
    a.take(b);
    assert_eq!(a.count().await, 3);
}
