//! The store's size on disk, and compaction.

use serde_json::{Value, json};
use starling_api_types::{CompactReport, DoctorRequest, StoreStatus};

use crate::bench::{Bench, Site, advisory};

/// Returns a record with a text that compression cannot make much smaller than half.
fn large(number: u32) -> Value {
    let mut noise = blake3::Hasher::new();
    noise.update(&number.to_le_bytes());
    let mut bytes = vec![0; 150_000];
    noise.finalize_xof().fill(&mut bytes);
    let mut record = small(number);
    record["details"] = json!(hex::encode(bytes));
    record
}

fn small(number: u32) -> Value {
    advisory(&format!("EX-{number}"), "express", &format!("4.{number}.0"))
}

fn store(site: &Site<'_>) -> StoreStatus {
    site.wait(site.service.status()).unwrap().store
}

fn compact(site: &Site<'_>) -> CompactReport {
    site.wait(site.service.compact_store()).unwrap()
}

#[test]
fn status_sizes_add_up_to_the_total() {
    let bench = Bench::new();
    let site = bench.site("site-a");
    site.feed("mine", &[small(1)]);
    let store = store(&site);
    assert!(store.log_bytes > 0 && store.pack_bytes > 0 && store.engine_bytes > 0);
    assert_eq!(
        store.size_bytes,
        store.log_bytes + store.pack_bytes + store.engine_bytes
    );
}

#[test]
fn compaction_drops_replaced_bodies_and_keeps_the_rest() {
    let bench = Bench::new();
    let config = bench.site("site-a").home.config_path();
    let text = "[store]\nengine = \"redb\"\nretention = \"1s\"\nretention_bytes = \"0B\"\n";
    std::fs::write(config, text).unwrap();
    let site = bench.open("site-a");
    let records = |record: fn(u32) -> Value| (1..=12).map(record).collect::<Vec<_>>();
    site.feed("mine", &records(large));
    site.feed("mine", &records(small));
    let root = site.status().knowledge_root;
    let report = compact(&site);
    assert!(report.packs_rewritten > 0, "{report:?}");
    assert!(report.engine_rebuilt, "{report:?}");
    assert!(
        report.after.pack_bytes < report.before.pack_bytes / 2,
        "{report:?}"
    );
    assert!(report.after.log_bytes >= report.before.log_bytes, "{report:?}");
    let store = store(&site);
    assert_eq!(report.after.total(), store.size_bytes);
    assert_eq!(site.status().knowledge_root, root);
    assert_eq!(site.get("EX-7").unwrap().advisories.len(), 1);
    let doctor = site.wait(site.service.doctor(DoctorRequest::default())).unwrap();
    assert!(doctor.ok, "{doctor:?}");
    // Nothing is left to compact, and moved bodies are found after the next start too.
    assert_eq!(compact(&site).packs_rewritten, 0);
    drop(site);
    assert_eq!(bench.open("site-a").get("EX-7").unwrap().advisories.len(), 1);
}
