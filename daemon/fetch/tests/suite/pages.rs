//! Pages: read to the last, which each source states in its own way.

use starling_fetch::FetchError;

use crate::server::{Asked, Reply, Server};
use crate::windows::nvd_total;
use crate::world::*;

fn items(count: usize, from: usize) -> String {
    let items: Vec<String> = (from..from + count)
        .map(|n| format!(r#"{{"id":"EUVD-2030-{n}"}}"#))
        .collect();
    format!(r#"{{"items":[{}],"total":250}}"#, items.join(","))
}

fn euvd(asked: &Asked) -> Reply {
    let page: usize = asked
        .parameter("page")
        .and_then(|text| text.parse().ok())
        .expect("a page");
    Reply::ok(items(250_usize.saturating_sub(page * 100).min(100), page * 100))
}

#[tokio::test]
async fn pages_end_at_the_empty_one() {
    let server = Server::start(euvd).await;
    let plan = plan_at("euvd", &server.base, None);
    let mut world = World::new();
    let brought = world.import(&plan).await;
    assert!(brought.fetched.whole);
    assert_eq!(
        brought.names(),
        ["search-000001.json", "search-000002.json", "search-000003.json"]
    );
    assert_eq!(server.paths().len(), 4);
    // Later runs ask for what was changed, and some days more.
    server.forget();
    world.clock.set(NOW_MS + DAY_MS);
    let later = world.import(&plan).await;
    assert!(!later.fetched.whole);
    assert_eq!(server.log()[0].parameter("fromUpdatedDate"), Some("2026-05-30"));
}

#[tokio::test]
async fn short_page_in_the_middle_is_an_error() {
    let server = Server::start(|asked| match asked.parameter("page") {
        Some("1") => Reply::ok(items(99, 100)),
        _ => euvd(asked),
    })
    .await;
    let error = World::new().fails(&plan_at("euvd", &server.base, None)).await;
    assert!(matches!(error, FetchError::Inconsistent { .. }), "{error}");
}

#[tokio::test]
async fn page_that_comes_twice_is_an_error() {
    let server = Server::start(|_| Reply::ok(items(100, 0))).await;
    let error = World::new().fails(&plan_at("euvd", &server.base, None)).await;
    assert!(error.to_string().contains("same page"), "{error}");
}

#[tokio::test]
async fn list_without_any_entry_is_an_error() {
    let server = Server::start(|_| Reply::ok(items(0, 0))).await;
    let error = World::new().fails(&plan_at("euvd", &server.base, None)).await;
    assert!(error.to_string().contains("hold 0 of 250 entries"), "{error}");
    let server = Server::start(|_| Reply::ok(r#"{"items":[]}"#)).await;
    let error = World::new().fails(&plan_at("euvd", &server.base, None)).await;
    assert!(error.to_string().contains("no entry at all"), "{error}");
}

#[tokio::test]
async fn links_to_the_next_page_are_followed_on_the_same_server() {
    let page = |next: &str, name: &str| {
        format!(r#"{{"advisories":[{{"name":"{name}"}}],"links":{{"next":{next}}}}}"#)
    };
    let server = Server::start(move |asked| match asked.parameter("page") {
        Some("1") => Reply::ok(page(r#""/api/v3/advisories/?page=2&size=100""#, "RLSA-1")),
        _ => Reply::ok(page("null", "RLSA-2")),
    })
    .await;
    let plan = plan_at("rocky", &server.base, None);
    let mut world = World::new();
    let brought = world.import(&plan).await;
    assert!(brought.fetched.whole);
    assert_eq!(brought.names().len(), 2);
    // The same pages again are nothing new.
    let again = world.import(&plan).await;
    assert!(again.fetched.unchanged && again.names().is_empty());

    let server = Server::start(move |_| Reply::ok(page(r#""http://169.254.169.254/""#, "RLSA-1"))).await;
    let error = World::new().fails(&plan_at("rocky", &server.base, None)).await;
    assert!(matches!(error, FetchError::Forbidden { .. }), "{error}");
    let server = Server::start(move |asked| {
        let next = format!("\"{}\"", asked.path);
        Reply::ok(page(&next, "RLSA-1"))
    })
    .await;
    let error = World::new().fails(&plan_at("rocky", &server.base, None)).await;
    assert!(
        error.to_string().contains("its next page is one that was read"),
        "{error}"
    );
}

#[tokio::test]
async fn pages_without_a_stated_end_are_refused() {
    let items = |count: usize| {
        let items: Vec<String> = (0..count).map(|n| format!(r#"{{"name":"RLSA-{n}"}}"#)).collect();
        items.join(",")
    };
    // One name of a member is enough to lose all pages but the first.
    let cases = [
        (
            100,
            r#""total":3000,"links":{"nextPage":"/x"}"#,
            "says no links.next",
        ),
        (
            100,
            r#""total":3000,"links":{"next":null}"#,
            "hold 100 of 3000 entries",
        ),
        (
            7,
            r#""total":3000,"links":{"next":null}"#,
            "hold 7 of 3000 entries",
        ),
        (100, r#""links":{"next":null}"#, "the page is full"),
        (100, r#""links":{"next":""}"#, "the page is full"),
        (7, r#""links":{"next":7}"#, "links.next is not an address"),
        (7, r#""links":null"#, "says no links.next"),
    ];
    for (count, rest, words) in cases {
        let page = format!(r#"{{"advisories":[{}],{rest}}}"#, items(count));
        let server = Server::start(move |_| Reply::ok(page.clone())).await;
        let error = World::new().fails(&plan_at("rocky", &server.base, None)).await;
        assert!(matches!(error, FetchError::Inconsistent { .. }), "{error}");
        assert!(error.to_string().contains(words), "{rest}: {error}");
    }
    // A member after very many others is an error, never the end of the list.
    let many: String = (0..80).map(|n| format!(r#""m{n}":{n},"#)).collect();
    let page = format!(r#"{{{many}"advisories":[{{}}],"links":{{"next":null}}}}"#);
    let server = Server::start(move |_| Reply::ok(page.clone())).await;
    assert!(
        World::new()
            .fails(&plan_at("rocky", &server.base, None))
            .await
            .to_string()
            .contains("advisories")
    );
}

#[tokio::test]
async fn full_page_without_a_link_header_is_not_the_last() {
    let page = |at: usize| {
        let items: Vec<String> = (0..100)
            .map(|n| format!(r#"{{"ghsa_id":"GHSA-{at}-{n}"}}"#))
            .collect();
        format!("[{}]", items.join(","))
    };
    let server = Server::start(move |asked| match asked.parameter("page") {
        None => Reply::ok(page(1))
            .header("link", "<https://cdn.example/>; rel=preconnect")
            .header("link", "</advisories?page=2>; rel='next'"),
        Some("2") => Reply::ok(page(2)).header("link", "</advisories?page=1>; rel=prev"),
        Some(_) => Reply::missing(),
    })
    .await;
    let plan = plan_at("ghsa-api", &server.base, None);
    let brought = World::new()
        .run(&plan)
        .await
        .expect("its last page names the one before");
    assert_eq!(brought.names().len(), 2);
    let server = Server::start(move |_| Reply::ok(page(1))).await;
    let error = World::new().fails(&plan_at("ghsa-api", &server.base, None)).await;
    assert!(
        error.to_string().contains("no Link header names another"),
        "{error}"
    );
}

#[tokio::test]
async fn full_last_page_is_recognised_with_another_page_size() {
    for total in [100_usize, 300] {
        // As servers do that name no page before: none is named behind the last one, either.
        let server = Server::start(move |asked| {
            let number = |name: &str| asked.parameter(name).and_then(|text| text.parse::<usize>().ok());
            let (size, page) = (number("per_page").expect("a size"), number("page").unwrap_or(0));
            let items: Vec<String> = (page * size..total.min((page + 1) * size))
                .map(|n| format!(r#"{{"ghsa_id":"GHSA-{n}"}}"#))
                .collect();
            let reply = Reply::ok(format!("[{}]", items.join(",")));
            match (page + 1) * size < total {
                true => {
                    let next = format!("</advisories?per_page={size}&page={}>; rel=\"next\"", page + 1);
                    reply.header("link", &next)
                }
                false => reply,
            }
        })
        .await;
        let brought = World::new()
            .run(&plan_at("ghsa-api", &server.base, None))
            .await
            .expect("all of it was read");
        assert!(brought.fetched.whole, "{total}");
        let pages = brought.names();
        let items: usize = pages
            .iter()
            .map(|name| brought.content(name).matches("ghsa_id").count())
            .sum();
        assert_eq!((items, pages.len()), (total, total / 99 + 1));
    }
}

#[tokio::test]
async fn link_header_leads_through_the_pages() {
    let server = Server::start(|asked| match asked.parameter("after") {
        None => Reply::ok(r#"[{"ghsa_id":"GHSA-1"}]"#).header("link", "</advisories?after=2>; rel=\"next\""),
        Some(_) => Reply::ok(r#"[{"ghsa_id":"GHSA-2"}]"#),
    })
    .await;
    let plan = plan_at("ghsa-api", &server.base, None);
    let mut world = World::new();
    let brought = world.import(&plan).await;
    assert_eq!(brought.names(), ["reviewed-000001.json", "reviewed-000002.json"]);
    assert_eq!(server.log()[0].parameter("type"), Some("reviewed"));
    server.forget();
    world.clock.set(NOW_MS + DAY_MS);
    world.import(&plan).await;
    assert_eq!(server.log()[0].parameter("modified"), Some("2026-05-31.."));
}

#[tokio::test]
async fn pages_by_number_end_at_the_last() {
    let page = |count: usize, pages: usize| {
        let updates: Vec<String> = (0..count)
            .map(|n| format!(r#"{{"alias":"FEDORA-{n}-{count}"}}"#))
            .collect();
        format!(
            r#"{{"updates":[{}],"pages":{pages},"rows_per_page":100}}"#,
            updates.join(",")
        )
    };
    let server = Server::start(move |asked| match asked.parameter("page") {
        Some("1") => Reply::ok(page(100, 2)),
        _ => Reply::ok(page(7, 2)),
    })
    .await;
    let brought = World::new()
        .run(&plan_at("fedora", &server.base, Some("F43,F42")))
        .await
        .expect("a good run");
    assert_eq!(brought.names().len(), 2);
    assert_eq!(server.log()[0].parameter("releases"), Some("F43,F42"));
    let server = Server::start(move |_| Reply::ok(page(7, 2))).await;
    let error = World::new().fails(&plan_at("fedora", &server.base, None)).await;
    assert!(error.to_string().contains("holds 7 of 100"), "{error}");
}

#[tokio::test]
async fn run_at_its_limit_continues_in_the_next_run() {
    let server = Server::start(|asked| nvd_total(asked, 1)).await;
    let plan = plan_at("nvd", &server.base, None);
    let mut world = World::new();
    world.settings.limits.max_run_bytes = 1_000;
    let mut runs = 0;
    loop {
        let brought = world.import(&plan).await;
        assert!(brought.fetched.unfinished.is_none() && !brought.fetched.whole);
        runs += 1;
        if !brought.fetched.more {
            break;
        }
        assert!(
            brought.notes("more than 1000 bytes"),
            "{:?}",
            brought.fetched.notes
        );
        assert!(runs < 40, "each run gets further");
    }
    assert!(runs > 2, "{runs}");
}
