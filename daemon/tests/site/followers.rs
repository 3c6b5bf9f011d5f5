//! Subscribers that resume with the id of their last event.

use futures::StreamExt;
use starling_api_types::{ErrorCode, EventId};

use crate::bench::{Bench, Site, advisory};

/// Imports a record and returns the id of its event.
fn event_of(site: &Site<'_>, id: &str) -> EventId {
    site.wait(async {
        let mut events = site.service.events(None).await.unwrap();
        let input = tempfile::NamedTempFile::with_suffix(".json").unwrap();
        std::fs::write(input.path(), advisory(id, "express", "4.18.0").to_string()).unwrap();
        let upload = starling_api::Upload::Path(input.path().to_owned());
        let source = "mine".parse().unwrap();
        site.service
            .import_feed(source, upload, Default::default())
            .await
            .unwrap();
        events.next().await.unwrap().unwrap().id
    })
}

/// Returns the id of the first event after another.
fn next_after(site: &Site<'_>, after: EventId) -> Result<EventId, ErrorCode> {
    site.wait(async {
        let events = site.service.events(Some(after)).await;
        let mut events = events.map_err(|problem| problem.code)?;
        let event = events.next().await.unwrap();
        event.map(|event| event.id).map_err(|problem| problem.code)
    })
}

#[test]
fn event_id_from_before_a_rebuild_is_refused() {
    let bench = Bench::new();
    let site = bench.site("site-a");
    let first = event_of(&site, "EX-1");
    let second = event_of(&site, "EX-2");
    assert_eq!(next_after(&site, first), Ok(second));
    drop(site);
    // A normal start continues the stream.
    let site = bench.open("site-a");
    assert_eq!(next_after(&site, first), Ok(second));
    drop(site);
    std::fs::remove_dir_all(bench.home("site-a").join("store")).unwrap();
    let site = bench.open("site-a");
    let after = event_of(&site, "EX-3");
    assert_eq!(after.number, first.number);
    for stale in [first, second] {
        assert_eq!(next_after(&site, stale), Err(ErrorCode::EventsExpired), "{stale}");
    }
    let plain = EventId {
        generation: None,
        ..first
    };
    assert_eq!(next_after(&site, plain), Err(ErrorCode::EventsExpired));
    let newest = event_of(&site, "EX-4");
    assert_eq!(next_after(&site, after), Ok(newest));
}

#[test]
fn compaction_keeps_event_ids() {
    let bench = Bench::new();
    let site = bench.site("site-a");
    let (first, second) = (event_of(&site, "EX-1"), event_of(&site, "EX-2"));
    assert!(site.wait(site.service.compact_store()).unwrap().engine_rebuilt);
    assert_eq!(next_after(&site, first), Ok(second));
}

#[test]
fn open_stream_ends_when_its_generation_does() {
    let bench = Bench::new();
    let site = bench.site("site-a");
    event_of(&site, "EX-1");
    let rebuild = starling_api_types::DoctorRequest {
        rebuild: true,
        repair: false,
    };
    site.wait(async {
        let mut events = site.service.events(None).await.unwrap();
        assert!(site.service.doctor(rebuild).await.unwrap().ok);
        let problem = events.next().await.unwrap().unwrap_err();
        assert_eq!(problem.code, ErrorCode::EventsExpired);
    });
}
