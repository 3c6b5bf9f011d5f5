//! The event stream.

use axum::http::StatusCode;
use starling_api_types::{CanonicalImported, ErrorCode, Problem, SiteEvent};

use crate::fake::{World, event, event_id, get, send};

/// Parses the fields of each event in a stream, by name.
fn parse(body: &[u8]) -> Vec<Vec<(String, String)>> {
    let text = std::str::from_utf8(body).unwrap();
    text.split("\n\n")
        .filter(|block| !block.is_empty())
        .map(|block| {
            let fields = block.lines().filter_map(|line| line.split_once(": "));
            fields
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect()
        })
        .collect()
}

fn field<'a>(event: &'a [(String, String)], name: &str) -> &'a str {
    event
        .iter()
        .find(|(key, _)| key == name)
        .map_or("", |(_, value)| value)
}

#[tokio::test]
async fn stream_resumes_after_the_last_event_seen() {
    let world = World::new();
    *world.site.events.lock().unwrap() = (1..=5).map(event).collect();
    let mut request = get("/events");
    request
        .headers_mut()
        .insert("last-event-id", event_id(3).to_string().parse().unwrap());
    let answer = send(world.local(), request).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.header("content-type"), "text/event-stream");
    let events = parse(&answer.body);
    let ids: Vec<_> = events.iter().map(|event| field(event, "id")).collect();
    assert_eq!(ids, [&event_id(4).to_string(), &event_id(5).to_string(), ""]);
    assert_eq!(world.asked(), format!("events {:?}", Some(event_id(3))));
    assert_eq!(field(&events[0], "event"), "canonical-imported");
    let data: CanonicalImported = serde_json::from_str(field(&events[0], "data")).unwrap();
    assert_eq!(SiteEvent::Canonical(data), event(4).event);
}

#[tokio::test]
async fn event_ids_are_read_from_query_and_header() {
    let world = World::new();
    for (after, asked) in [
        (event_id(3).to_string(), event_id(3)),
        ("3".to_owned(), "3".parse().unwrap()),
    ] {
        let answer = send(world.local(), get(&format!("/events?after={after}"))).await;
        assert_eq!(answer.status, StatusCode::OK);
        assert_eq!(world.asked(), format!("events {:?}", Some(asked)));
    }
}

#[tokio::test]
async fn event_data_has_the_documented_fields() {
    let world = World::new();
    *world.site.events.lock().unwrap() = vec![event(1)];
    let answer = send(world.local(), get("/events?after=0")).await;
    let data: serde_json::Value = serde_json::from_str(field(&parse(&answer.body)[0], "data")).unwrap();
    let names: Vec<_> = data.as_object().unwrap().keys().map(String::as_str).collect();
    let documented = [
        "action",
        "affects_key",
        "bundle_hash",
        "canonical_id",
        "cve",
        "imported_at",
        "merge_hash",
        "site_id",
    ];
    let mut names = names;
    names.sort_unstable();
    assert_eq!(names, documented);
    assert_eq!(data["action"], "Created");
}

#[tokio::test]
async fn problem_ends_the_stream_as_an_event() {
    let world = World::new();
    let answer = send(world.local(), get("/events?after=0")).await;
    let events = parse(&answer.body);
    assert_eq!(events.len(), 1);
    assert_eq!(field(&events[0], "event"), "problem");
    let problem: Problem = serde_json::from_str(field(&events[0], "data")).unwrap();
    assert_eq!(problem.code, ErrorCode::ShuttingDown);
}

#[tokio::test]
async fn expired_and_malformed_event_ids_are_refused() {
    let world = World::new();
    let mut request = get("/events");
    request
        .headers_mut()
        .insert("last-event-id", "abc".parse().unwrap());
    assert_eq!(
        send(world.local(), request).await.problem().code,
        ErrorCode::BadRequest
    );
    *world.site.problem.lock().unwrap() = Some(Problem::new(ErrorCode::EventsExpired, "resuming after 1"));
    let answer = send(world.local(), get("/events?after=1")).await;
    assert_eq!(
        (answer.status, answer.problem().code),
        (StatusCode::GONE, ErrorCode::EventsExpired)
    );
}

#[tokio::test]
async fn open_stream_ends_when_the_site_stops() {
    let world = World::new();
    *world.site.events_stay_open.lock().unwrap() = true;
    *world.site.events.lock().unwrap() = vec![event(1)];
    let router = world.local();
    let reading = tokio::spawn(send(router, get("/events?after=0")));
    world.stop.cancel();
    let answer = tokio::time::timeout(std::time::Duration::from_secs(60), reading)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(answer.status, StatusCode::OK);
}
