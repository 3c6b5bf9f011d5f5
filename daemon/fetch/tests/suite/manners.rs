//! How a fetcher behaves towards a server: validators, waits, redirects, keys, stops.

use std::time::Duration;

use starling_fetch::{FetchError, Plan, Wait};

use crate::server::{Reply, Server};
use crate::world::*;

const CATALOGUE: &str = r#"{"catalogVersion":"1","vulnerabilities":[]}"#;

#[tokio::test]
async fn unchanged_document_is_not_sent_again() {
    let server = Server::files(&[("/security.json", CATALOGUE.into())]).await;
    let plan = plan_at("wolfi", &server.base, None);
    let mut world = World::new();
    let first = world.import(&plan).await;
    assert!(first.fetched.whole && !first.fetched.unchanged);
    assert!(first.fetched.documents[0].validator.is_some());
    let second = world.import(&plan).await;
    assert!(second.fetched.unchanged && !second.fetched.whole && second.names().is_empty());
    assert_eq!(second.fetched.bytes, 0);
}

#[tokio::test]
async fn same_bytes_without_a_validator_are_unchanged() {
    let server = Server::start(|_| Reply::ok(CATALOGUE)).await;
    let plan = plan_at("wolfi", &server.base, None);
    let mut world = World::new();
    world.import(&plan).await;
    let second = world.import(&plan).await;
    assert!(second.fetched.unchanged && second.names().is_empty());
}

#[tokio::test]
async fn source_that_ignores_its_etag_is_asked_by_time() {
    let server = Server::start(|asked| {
        assert_eq!(asked.header("if-none-match"), None);
        match asked.header("if-modified-since") {
            Some("Sun, 31 May 2026 00:00:00 GMT") => Reply::new(304, ""),
            _ => Reply::ok(CATALOGUE)
                .header("etag", "\"e\"")
                .header("last-modified", "Sun, 31 May 2026 00:00:00 GMT"),
        }
    })
    .await;
    let plan = plan_at("kev", &server.base, None);
    let mut world = World::new();
    world.import(&plan).await;
    assert!(world.import(&plan).await.fetched.unchanged);
}

#[tokio::test]
async fn position_of_another_plan_is_not_used() {
    let server = Server::files(&[("/security.json", CATALOGUE.into())]).await;
    let mut world = World::new();
    world.import(&plan_at("wolfi", &server.base, None)).await;
    let brought = world.import(&plan_at("chainguard", &server.base, None)).await;
    assert!(
        brought.fetched.whole && brought.notes("was changed"),
        "{:?}",
        brought.fetched.notes
    );
}

#[tokio::test]
async fn retry_after_is_obeyed_and_zero_waits_as_usual() {
    let server = Server::start(|asked| match asked.before {
        0 => Reply::new(429, "").header("retry-after", "90"),
        1 => Reply::new(503, "").header("retry-after", "0"),
        _ => Reply::ok(CATALOGUE),
    })
    .await;
    let mut world = World::new();
    world.import(&plan_at("wolfi", &server.base, None)).await;
    let waits = world.clock.waits(Wait::Retry);
    assert_eq!(waits.len(), 2);
    assert_eq!(waits[0], Duration::from_secs(90));
    assert!(
        waits[1] >= Duration::from_secs(2) && waits[1] <= Duration::from_secs(4),
        "{waits:?}"
    );
}

#[tokio::test]
async fn retry_after_as_a_date_is_obeyed() {
    let server = Server::start(|asked| match asked.before {
        0 => Reply::new(503, "").header("retry-after", "Mon, 01 Jun 2026 00:01:00 GMT"),
        _ => Reply::ok(CATALOGUE),
    })
    .await;
    let mut world = World::new();
    world.import(&plan_at("wolfi", &server.base, None)).await;
    assert_eq!(world.clock.waits(Wait::Retry), [Duration::from_secs(60)]);
}

#[tokio::test]
async fn wait_of_a_year_is_not_waited_but_reported() {
    let server = Server::start(|_| Reply::new(429, "").header("retry-after", "31536000")).await;
    let world = World::new();
    let error = world.fails(&plan_at("wolfi", &server.base, None)).await;
    assert_eq!(error.retry_after(), Some(Duration::from_secs(31_536_000)));
    assert!(error.is_temporary());
    assert!(world.clock.waits(Wait::Retry).is_empty());
}

#[tokio::test]
async fn server_that_stays_down_is_left_after_a_few_attempts() {
    let server = Server::start(|_| Reply::new(500, "")).await;
    let error = World::new().fails(&plan_at("wolfi", &server.base, None)).await;
    assert!(matches!(error, FetchError::Status { status: 500, .. }), "{error}");
    assert_eq!(server.paths().len(), 3);
    let server = Server::start(|_| Reply::hangup()).await;
    let error = World::new().fails(&plan_at("wolfi", &server.base, None)).await;
    assert!(
        matches!(error, FetchError::Unreachable { .. }) && error.is_temporary(),
        "{error}"
    );
}

#[tokio::test]
async fn refusal_is_not_repeated_unless_the_source_throttles_so() {
    let server = Server::start(|_| Reply::new(403, "")).await;
    let error = World::new().fails(&plan_at("wolfi", &server.base, None)).await;
    assert!(matches!(error, FetchError::Status { status: 403, .. }), "{error}");
    assert_eq!(server.paths().len(), 1);
    server.forget();
    World::new().fails(&plan_at("nvd", &server.base, None)).await;
    assert_eq!(server.paths().len(), 3);
}

#[tokio::test]
async fn silent_server_is_left() {
    let server = Server::start(|_| Reply::ok(CATALOGUE).stall()).await;
    let mut world = World::hearing(server.is_silent.clone());
    world.settings.limits.max_attempts = 1;
    let error = world.fails(&plan_at("wolfi", &server.base, None)).await;
    assert!(matches!(error, FetchError::Stalled { .. }), "{error}");
    assert!(error.to_string().contains("no byte came for 60 s"), "{error}");
}

#[tokio::test]
async fn server_that_drips_is_left() {
    let server = Server::start(|_| Reply::ok(CATALOGUE)).await;
    let mut world = World::new();
    world.settings.limits.max_attempts = 1;
    world.clock.tick(200_000);
    let error = world.fails(&plan_at("wolfi", &server.base, None)).await;
    assert!(matches!(error, FetchError::Stalled { .. }), "{error}");
    assert!(error.to_string().contains("less than 64 a second"), "{error}");
}

#[tokio::test]
async fn document_and_run_have_an_end() {
    let server = Server::start(|_| Reply::ok(CATALOGUE)).await;
    let plan = plan_at("wolfi", &server.base, None);
    let mut world = World::new();
    world.clock.tick(1_000);
    world.settings.limits.max_document_time = Duration::ZERO;
    let error = world.fails(&plan).await;
    assert!(error.to_string().contains("and not the whole"), "{error}");
    world.settings.limits.max_document_time = Duration::from_secs(3600);
    world.settings.limits.max_run_time = Duration::from_secs(1);
    let error = world.fails(&plan).await;
    assert!(matches!(error, FetchError::Stalled { .. }), "{error}");
    assert!(
        error.to_string().contains("the run takes longer than 1 s"),
        "{error}"
    );
}

#[tokio::test]
async fn stopped_run_ends_in_the_middle_of_a_document() {
    let server = Server::start(|_| Reply::ok(CATALOGUE).stall()).await;
    let world = World::new();
    let mut is_silent = server.is_silent.clone();
    let plan = plan_at("wolfi", &server.base, None);
    let (error, ()) = tokio::join!(world.fails(&plan), async {
        is_silent
            .wait_for(|is_silent| *is_silent)
            .await
            .expect("a server");
        world.stop.cancel();
    });
    assert!(matches!(error, FetchError::Stopped), "{error}");
}

#[tokio::test]
async fn redirects_are_followed_and_counted() {
    let server = Server::start(|asked| match asked.path.as_str() {
        "/security.json" => Reply::redirect("/one"),
        "/one" => Reply::redirect("two/../three"),
        "/three" => Reply::ok(CATALOGUE),
        _ => Reply::redirect(&asked.path),
    })
    .await;
    let brought = World::new()
        .run(&plan_at("wolfi", &server.base, None))
        .await
        .expect("a good run");
    assert_eq!(brought.names(), ["security.json"]);
    let address = format!("{}/loop", server.base);
    let error = World::new()
        .fails(&Plan::of_address(None, &address).expect("a plan"))
        .await;
    assert!(error.to_string().contains("more than 5 redirects"), "{error}");
}

#[tokio::test]
async fn redirect_into_the_sites_network_is_not_followed() {
    let other = Server::files(&[("/secret", b"{}".to_vec())]).await;
    for target in [
        format!("{}/secret", other.base),
        "http://169.254.169.254/latest".to_owned(),
        "file:///etc/passwd".to_owned(),
    ] {
        let server = Server::start(move |_| Reply::redirect(&target)).await;
        let error = World::new().fails(&plan_at("wolfi", &server.base, None)).await;
        assert!(matches!(error, FetchError::Forbidden { .. }), "{error}");
    }
    assert!(other.paths().is_empty());
}

#[tokio::test]
async fn requests_keep_their_distance_with_and_without_a_key() {
    let page = |asked: &crate::server::Asked| {
        let agent = asked.header("user-agent").expect("an agent");
        assert!(agent.starts_with("starling/"), "{agent}");
        Reply::ok(r#"{"totalResults":1,"vulnerabilities":[{}]}"#)
    };
    let server = Server::start(page).await;
    let plan = plan_at("nvd", &server.base, None);
    let mut world = World::new();
    world.import(&plan).await;
    let waits = world.clock.waits(Wait::Pace);
    assert!(
        !waits.is_empty() && waits.iter().all(|wait| *wait == Duration::from_secs(6)),
        "{waits:?}"
    );
    assert!(server.log().iter().all(|asked| asked.header("apikey").is_none()));
}

#[tokio::test]
async fn key_goes_to_the_base_alone_and_into_no_message() {
    let folder = tempfile::tempdir().expect("a folder");
    let key = folder.path().join("key");
    std::fs::write(&key, "s3cret\n").expect("written");
    let server = Server::start(|asked| match asked.header("apikey") {
        Some("s3cret") => Reply::new(401, "s3cret is not valid"),
        other => panic!("{other:?}"),
    })
    .await;
    let mut world = World::new();
    world.settings.api_key_file = Some(key);
    let fetcher = starling_fetch::Fetcher::new(world.settings.clone()).expect("a fetcher");
    assert!(!format!("{fetcher:?} {:?}", world.settings).contains("s3cret"));
    let error = world.fails(&plan_at("nvd", &server.base, None)).await;
    assert!(matches!(error, FetchError::Status { status: 401, .. }), "{error}");
    assert!(!format!("{error:?} {error}").contains("s3cret"));
    // A source that takes no key gets none.
    let server = Server::start(|asked| {
        assert!(!asked.headers.values().any(|value| value.contains("s3cret")));
        Reply::ok(CATALOGUE)
    })
    .await;
    let brought = world
        .run(&plan_at("wolfi", &server.base, None))
        .await
        .expect("a good run");
    assert!(brought.notes("takes no key"), "{:?}", brought.fetched.notes);
}

#[tokio::test]
async fn folder_that_is_not_empty_is_not_used() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("old"), "x").expect("written");
    let world = World::new();
    let fetcher = starling_fetch::Fetcher::new(world.settings.clone()).expect("a fetcher");
    let run = starling_fetch::Run {
        free: &|| None,
        into: folder.path(),
        clock: &world.clock,
        random: &|| 7,
        progress: &|_| {},
        stop: &world.stop,
    };
    let plan = Plan::of_address(None, "/media/usb").expect("a plan");
    let error = fetcher
        .run(&plan, &world.position, run)
        .await
        .expect_err("a used folder");
    assert!(error.to_string().contains("is not empty"), "{error}");
}

#[tokio::test]
async fn progress_counts_documents_and_bytes() {
    let server = Server::files(&[("/security.json", CATALOGUE.into())]).await;
    let brought = World::new()
        .run(&plan_at("wolfi", &server.base, None))
        .await
        .expect("a good run");
    assert_eq!(brought.fetched.bytes, CATALOGUE.len() as u64);
    assert_eq!(brought.fetched.requests, 1);
    assert_eq!(brought.fetched.documents[0].at_ms, NOW_MS);
}

#[tokio::test]
async fn secret_in_the_plans_address_is_never_returned() {
    let server = Server::start(|asked| match asked.parameter("token") {
        Some("s3cret") if asked.before < 1 => Reply::ok(r#"{"a":[1,]}"#),
        _ => Reply::new(401, ""),
    })
    .await;
    let plan = Plan::of_address(None, &format!("{}/feed.json?token=s3cret", server.base)).expect("a plan");
    assert!(!format!("{plan:?} {} {}", plan.title(), plan.address()).contains("s3cret"));
    let world = World::new();
    let brought = world.run(&plan).await.expect("a good run");
    assert_eq!(brought.names(), ["feed.json"]);
    assert!(brought.notes("not valid JSON"));
    let fetched = &brought.fetched;
    let shown = format!("{:?} {:?} {:?}", fetched.documents, fetched.notes, fetched.gone);
    assert!(!shown.contains("s3cret"), "{shown}");
    let error = world.fails(&plan).await;
    assert!(matches!(error, FetchError::Status { status: 401, .. }), "{error}");
    assert!(!format!("{error} {error:?}").contains("s3cret"), "{error}");
}

#[tokio::test]
async fn secret_in_an_address_from_a_server_is_never_returned() {
    for (status, to) in [
        (301, "/moved.json?X-Signature=s3cret"),
        (302, "/gone.json?token=s3cret"),
        (302, "http://me:s3cret@127.0.0.1/"),
        (302, "http://10.0.0.1/?token=s3cret"),
        (302, "ftp://files.example/?token=s3cret#s3cret"),
    ] {
        let server = Server::start(move |asked| match asked.path.as_str() {
            "/security.json" => Reply::new(status, "").header("location", to),
            path if path.starts_with("/moved.json") => Reply::ok(CATALOGUE),
            _ => Reply::new(401, ""),
        })
        .await;
        let shown = match World::new().run(&plan_at("wolfi", &server.base, None)).await {
            Ok(brought) => format!("{:?}", brought.fetched.notes),
            Err(error) => format!("{error} {error:?}"),
        };
        assert!(!shown.contains("s3cret"), "{shown}");
        assert!(shown.contains("http://"), "{shown}");
    }
}
