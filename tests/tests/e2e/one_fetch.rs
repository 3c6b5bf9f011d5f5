//! One fetch for a federation: three daemons with one feed, of which one fetches, dies, and is followed by the next.

use std::time::{Duration, Instant};

use starling_api_types::{Feed, FeedState, FetchReason};
use starling_tests::feed::advisory;
use starling_tests::http::Request;
use starling_tests::server::Server;
use starling_tests::{Site, link};

use crate::{bench, sample_feed};

/// Longest time for a take-over: three intervals of the shortest schedule, which is a minute, and some reserve.
const DEADLINE: Duration = Duration::from_secs(420);

/// Set where tests may take minutes.
const LONG_TESTS: &str = "STARLING_LONG_TESTS";

fn feed(site: &mut Site) -> Feed {
    site.daemon().expect_running();
    site.call(&Request::get("/feeds/mine")).json(200)
}

/// Waits until a site's feed is as `reached` says.
fn until(site: &mut Site, awaited: &str, reached: impl Fn(&Feed) -> bool) -> Feed {
    let from = Instant::now();
    loop {
        let found = feed(site);
        if reached(&found) {
            println!("{awaited}: {:?}", from.elapsed());
            return found;
        }
        assert!(from.elapsed() < DEADLINE, "waiting for {awaited}: {found:#?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn stands_by(feed: &Feed, leader: &str) -> bool {
    let by = feed.fetched_by.as_ref();
    feed.state == FeedState::StandingBy && by.is_some_and(|by| !by.here && by.site_id.to_string() == leader)
}

fn fetches(feed: &Feed, why: FetchReason) -> bool {
    feed.fetched_by
        .as_ref()
        .is_some_and(|by| by.here && by.reason == why)
}

fn has(site: &Site, id: &str) -> bool {
    String::from_utf8_lossy(&site.dump("mine")).contains(id)
}

#[test]
fn one_of_three_sites_fetches_and_the_next_takes_over() {
    // The shortest schedule is a minute, and a take-over waits for three.
    if std::env::var_os(LONG_TESTS).is_none() {
        println!("skipped: takes four minutes; `.ci/run soak` sets {LONG_TESTS}");
        return;
    }
    let bench = bench();
    let mut folder = sample_feed();
    let server = Server::of(folder.tar_zst());
    let mut sites: Vec<Site> = ["site-a", "site-b", "site-c"]
        .map(|name| Site::init(bench.path(), name))
        .into();
    sites.sort_by_key(|site| site.status().site.to_string());
    let [mut first, mut second, mut third] = <[Site; 3]>::try_from(sites).ok().unwrap();
    for site in [&mut first, &mut second, &mut third] {
        site.up();
    }
    link(&mut first, &mut second);
    link(&mut second, &mut third);
    link(&mut first, &mut third);
    for site in [&first, &second, &third] {
        let url = server.url("mine.tar.zst");
        let args = [
            "feeds",
            "add",
            &url,
            "--source",
            "mine",
            "--proxy",
            "none",
            "--schedule",
            "60s",
        ];
        let _: Feed = site.json(args);
    }
    let leader = first.name().to_owned();
    until(&mut first, "the first fetches", |feed| {
        fetches(feed, FetchReason::First)
    });
    let waiting = until(&mut third, "the third stands by", |feed| stands_by(feed, &leader));
    let before = until(&mut second, "the second stands by", |feed| {
        stands_by(feed, &leader)
    });
    let shown = third.cli(["feeds", "status"]);
    shown.expect(0);
    let said = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(said.contains("standing by") && said.contains(&leader), "{said}");

    // The source changes, and the first dies before it sees that.
    first.kill();
    folder.put(
        "EX-2026-0001.json",
        &advisory("EX-2026-0001", "left-pad", "1.3.0", "2026-01-01T00:00:00Z"),
    );
    server.publish(folder.tar_zst());
    let taken = until(&mut second, "the second takes over", |feed| {
        fetches(feed, FetchReason::Overdue) && feed.counts != before.counts
    });
    assert_eq!(taken.last_run.unwrap().stored, 1, "what differs, and no more");
    third.until_equal(&second);
    assert!(has(&second, "EX-2026-0001") && has(&third, "EX-2026-0001"));
    let name = second.name().to_owned();
    let still = until(&mut third, "the third follows the second", |feed| {
        stands_by(feed, &name)
    });
    assert_eq!(still.counts, waiting.counts, "it fetched nothing");

    // The first returns, and fetches again.
    first.up();
    until(&mut first, "the first fetches again", |feed| {
        fetches(feed, FetchReason::First)
    });
    until(&mut second, "the second stands by again", |feed| {
        stands_by(feed, &leader)
    });
    first.until_equal(&third);
    for site in [&first, &second, &third] {
        assert!(has(site, "EX-2026-0001"));
    }
}
