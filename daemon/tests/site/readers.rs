//! Every call of the service during writes: no call waits forever, and no answer mixes two states.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::StreamExt;
use serde_json::{Value, json};
use starling_api::{ScanDocuments, SiteService};
use starling_api_types::{
    AdvisoryListQuery, AdvisoryQuery, DoctorRequest, DumpQuery, ErrorCode, ExplainQuery, ExportRequest,
    FeedApprove, FeedChange, FeedName, FeedRunOutcome, MuteListQuery, Problem, RawQuery, ScanParams,
};

use crate::bench::{Bench, advisory};

/// Packages, each with an advisory that every round of the writer changes.
const PACKAGES: usize = 40;
const ROUNDS: usize = 25;

fn records(round: usize) -> Vec<Value> {
    let record = |number| {
        advisory(
            &format!("R-{number}"),
            &format!("package-{number}"),
            &format!("2.{round}.0"),
        )
    };
    (0..PACKAGES).map(record).collect()
}

fn sbom() -> ScanDocuments {
    let component = |number| {
        let name = format!("package-{number}");
        json!({"type": "library", "name": name, "version": "1.0.0", "purl": format!("pkg:npm/{name}@1.0.0")})
    };
    let components: Vec<Value> = (0..PACKAGES).map(component).collect();
    let sbom = json!({"bomFormat": "CycloneDX", "specVersion": "1.5", "components": components});
    ScanDocuments {
        sbom: sbom.to_string().into(),
        ..ScanDocuments::default()
    }
}

/// Returns the rounds in a text, from the fixed versions.
fn rounds(text: &str) -> BTreeSet<usize> {
    let ends = text.match_indices(".0\"").map(|(at, _)| &text[..at]);
    let versions = ends.filter_map(|before| before.rsplit_once("\"2."));
    versions.filter_map(|(_, round)| round.parse().ok()).collect()
}

/// Repeats a call that was refused because too much changed at once; any other refusal is an error.
fn answered<T>(result: Result<T, Problem>) -> Option<T> {
    match result {
        Ok(answer) => Some(answer),
        Err(problem) if problem.code == ErrorCode::Busy => None,
        Err(problem) => panic!("{problem}"),
    }
}

async fn scans(site: &dyn SiteService) -> Option<usize> {
    let verdict = answered(site.scan(sbom(), ScanParams::default()).await)?;
    let found = rounds(verdict.verdict.as_str());
    assert_eq!(found.len(), 1, "a verdict is of one round: {found:?}");
    found.first().copied()
}

/// Makes every reading call once.
async fn reads(site: &dyn SiteService) {
    answered(site.health().await);
    answered(site.status().await);
    answered(site.sync_status().await);
    let one = answered(site.advisory("R-7", AdvisoryQuery::default()).await);
    if let Some(one) = one {
        let found = rounds(&serde_json::to_string(&one).unwrap());
        assert_eq!(found.len(), 1, "an advisory is of one round: {found:?}");
    }
    let raw = site.advisory_raw("R-7", RawQuery::default()).await;
    assert_eq!(raw.err().map(|problem| problem.code), Some(ErrorCode::RawNotKept));
    let page = answered(site.advisories(AdvisoryListQuery::default()).await);
    if let Some(page) = page {
        assert_eq!(page.advisories.len(), PACKAGES);
    }
    if let Some(mut dump) = answered(site.dump(DumpQuery::default()).await) {
        while let Some(chunk) = dump.next().await {
            if answered(chunk).is_none() {
                break;
            }
        }
    }
    let query: ExplainQuery =
        serde_json::from_value(json!({"purl": "pkg:npm/package-3@1.0.0", "id": "R-3"})).unwrap();
    answered(site.explain(query).await);
    answered(site.vex().await);
    answered(site.sites().await);
    answered(site.mutes(MuteListQuery::default()).await);
    answered(site.doctor(DoctorRequest::default()).await);
    feeds(site).await;
    if let Some(mut bundle) = answered(site.export_bundle(ExportRequest::default()).await) {
        while let Some(chunk) = bundle.bytes.next().await {
            chunk.unwrap();
        }
    }
    drop(answered(site.events(None).await));
}

/// Every call about feeds, once; the folder of the feed is gone when it is fetched.
async fn feeds(site: &dyn SiteService) {
    let name = FeedName::new("nowhere").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let add = json!({"name": "nowhere", "source": "nowhere", "address": folder.path(), "enabled": false});
    site.add_feed(serde_json::from_value(add).unwrap()).await.unwrap();
    let on = FeedChange {
        enabled: Some(true),
        ..FeedChange::default()
    };
    assert!(site.change_feed(&name, on).await.unwrap().enabled);
    drop(folder);
    let run = site.run_feed(&name).await.unwrap();
    assert_eq!(run.outcome, FeedRunOutcome::Failed);
    let approved = site.approve_feed(&name, FeedApprove::default()).await;
    assert_eq!(approved.unwrap_err().code, ErrorCode::FeedNotSuspect);
    assert_eq!(site.feed(&name).await.unwrap().failures, 1);
    assert_eq!(site.feeds().await.unwrap().feeds.len(), 1);
    site.remove_feed(&name).await.unwrap();
}

#[test]
fn calls_during_writes_show_one_state() {
    let bench = Bench::new();
    let site = bench.site("site-a");
    site.feed("mine", &records(0));
    let done = AtomicBool::new(false);
    let service: &Arc<dyn SiteService> = &site.service;
    std::thread::scope(|threads| {
        let reader = |what: &'static str, all: bool| {
            let done = &done;
            threads.spawn(move || {
                let runtime = tokio::runtime::Runtime::new().unwrap();
                let (mut last, mut turns) = (0, 0);
                while !done.load(Ordering::SeqCst) || turns == 0 {
                    let turn = async {
                        if all {
                            reads(service.as_ref()).await;
                            return None;
                        }
                        scans(service.as_ref()).await
                    };
                    // Far longer than a turn: a call that waits forever fails here, with its name.
                    let turn = runtime
                        .block_on(async { tokio::time::timeout(Duration::from_secs(120), turn).await });
                    let round = turn.unwrap_or_else(|_| panic!("{what} is never answered"));
                    if let Some(round) = round {
                        assert!(round >= last, "a scan saw round {round} after {last}");
                        last = round;
                    }
                    turns += 1;
                }
            })
        };
        let readers = [reader("a scan", false), reader("a call that reads", true)];
        for round in 1..=ROUNDS {
            site.feed("mine", &records(round));
            // A call after the import's answer sees its result.
            let seen = site.wait(scans(service.as_ref()));
            assert!(seen.is_none_or(|seen| seen == round), "{seen:?} after {round}");
        }
        done.store(true, Ordering::SeqCst);
        for reader in readers {
            reader.join().unwrap();
        }
    });
}
