//! What the fake site answers with: one of each thing.

use starling_api_types::*;

use super::BUNDLE_MAX_BYTES;

pub(crate) fn slug(text: &str) -> SiteSlug {
    SiteSlug::new(text).unwrap()
}

pub(crate) fn now() -> Timestamp {
    Timestamp::from_unix_millis(1_736_937_000_000).unwrap()
}

pub(crate) fn health() -> Health {
    Health {
        work: None,
        status: "ok".to_owned(),
        version: "0".to_owned(),
        site_id: slug("site-a"),
        uptime_ms: 1,
        opening: None,
        parts: Vec::new(),
    }
}

pub(crate) fn site() -> Site {
    Site {
        site_id: slug("site-b"),
        site: SiteId::from_bytes([2; 32]),
        display_name: "B".to_owned(),
        addresses: Vec::new(),
        allowed_sources: vec![SourcePattern::new("*").unwrap()],
        max_bundle_size: BUNDLE_MAX_BYTES,
        enabled: true,
        may_mute: Some(true),
        added_at: now(),
        last_sync_at: None,
        last_cursor: None,
    }
}

/// Returns an id of an event of the fake site.
pub(crate) fn event_id(number: u64) -> EventId {
    EventId::new(number, *b"fakesite")
}

pub(super) fn a_conflict() -> RecordConflict {
    RecordConflict {
        source: SourceName::new("ghsa").unwrap(),
        record: "GHSA-aaaa-bbbb-cccc".to_owned(),
        state: ConflictState::Open,
        claims: Vec::new(),
        decision: None,
    }
}

pub(crate) fn event(id: u64) -> EventRecord {
    let merge_hash = MergeHash::from_bytes([u8::try_from(id).unwrap(); 32]);
    EventRecord {
        id: event_id(id),
        event: SiteEvent::Canonical(CanonicalImported {
            canonical_id: merge_hash,
            cve: Some("CVE-2024-29041".to_owned()),
            affects_key: "pkg:npm/express@4.0.0".to_owned(),
            merge_hash,
            action: EventAction::Created,
            bundle_hash: None,
            site_id: slug("site-b"),
            imported_at: now(),
            redirected_from: None,
            redirected_to: Vec::new(),
        }),
    }
}

pub(crate) fn a_mute() -> Mute {
    Mute {
        id: "0123456789abcdef-1".to_owned(),
        state: MuteState::Active,
        counts: true,
        remark: None,
        vulnerability: "CVE-2024-29041".to_owned(),
        package: Some("pkg:npm/express".to_owned()),
        ecosystem: None,
        sbom: None,
        until: None,
        reason: "not reachable".to_owned(),
        by: "ada".to_owned(),
        created_at: now(),
        proof: ChangeProof {
            site: SiteId::from_bytes([2; 32]),
            site_id: Some(slug("site-b")),
            epoch: 0,
            lane: Lane::Federation,
            cursor: Cursor::new("2025-01-15T10:30:00.000Z#0001").unwrap(),
            delta_hash: ContentHash::from_bytes([3; 32]),
            change_hash: "ab".repeat(32),
            claimed_at: now(),
        },
        removals: Vec::new(),
    }
}

pub(crate) fn a_feed() -> Feed {
    Feed {
        name: FeedName::new("nvd").unwrap(),
        source: "nvd".parse().unwrap(),
        preset: Some("nvd".to_owned()),
        address: None,
        kind: Some("nvd".to_owned()),
        parameter: None,
        schedule: "2h".to_owned(),
        enabled: true,
        complete: true,
        share_fetch: true,
        fetched_by: None,
        has_secret: true,
        rejected: 0,
        state: FeedState::Ok,
        attention: None,
        progress: None,
        last_success_at: Some(now()),
        next_run_at: Some(now()),
        failures: 0,
        counts: FeedCounts::default(),
        last_run: Some(a_feed_run(None)),
        suspect: None,
        history: vec![a_feed_run(None)],
    }
}

/// Returns a run with this outcome; a successful one by default.
pub(crate) fn a_feed_run(outcome: Option<FeedRunOutcome>) -> FeedRun {
    let outcome = outcome.unwrap_or(FeedRunOutcome::Imported);
    let failed = !outcome.is_success();
    FeedRun {
        feed: FeedName::new("nvd").unwrap(),
        source: "nvd".parse().unwrap(),
        trigger: FeedTrigger::Request,
        started_at: now(),
        duration_ms: 1,
        outcome,
        whole: true,
        checked: !failed,
        requests: 2,
        documents: 3,
        bytes: 4_000,
        stored: 5,
        unchanged: 6,
        absent: 0,
        rejected: 0,
        passed_over: 0,
        code: failed.then_some(ErrorCode::FeedUnreachable),
        error: failed.then(|| "nobody answers".to_owned()),
        notes: Vec::new(),
    }
}

pub(super) fn counts() -> ImportCounts {
    ImportCounts {
        canonical_created: 1,
        ..ImportCounts::default()
    }
}

pub(super) fn sizes(factor: u64) -> StoreSizes {
    StoreSizes {
        log_bytes: 1_000_000,
        pack_bytes: factor * 20_000_000,
        engine_bytes: factor * 300_000_000,
    }
}

pub(super) fn vex_entry() -> VexEntry {
    VexEntry {
        hash: VexHash::from_bytes([5; 32]),
        format: "OpenVEX".to_owned(),
        author: Some("supplier".to_owned()),
        statements: 1,
        unusable: 0,
        unusable_by: Vec::new(),
        size_bytes: 2,
        added_at: now(),
        known: false,
    }
}

pub(super) fn status() -> Status {
    Status {
        site_id: slug("site-a"),
        site: SiteId::from_bytes([1; 32]),
        version: "0".to_owned(),
        daemon: true,
        head: None,
        knowledge_root: KnowledgeRoot::from_bytes([3; 32]),
        held_root: KnowledgeRoot::from_bytes([3; 32]),
        records: 0,
        advisories: 0,
        unresolved: 0,
        parts: Vec::new(),
        listen: Vec::new(),
        peers: Vec::new(),
        positions: Vec::new(),
        feeds: vec![FeedStatus {
            source: SourceName::new("ghsa").unwrap(),
            records: 2,
            last_checked: None,
            check_ahead: None,
            last_imported_at: None,
        }],
        fetched_feeds: Vec::new(),
        store: StoreStatus {
            engine: "memory".to_owned(),
            size_bytes: sizes(1).total(),
            log_bytes: sizes(1).log_bytes,
            pack_bytes: sizes(1).pack_bytes,
            engine_bytes: sizes(1).engine_bytes,
            schema: 1,
            known_back_to: None,
            check: None,
        },
        differences: Vec::new(),
        strangers: Vec::new(),
        restore: None,
        lost_records: None,
        lost_claims: Vec::new(),
    }
}
