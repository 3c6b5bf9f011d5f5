//! A site whose key changes while its peers are away, over real QUIC: they dial it as before and find it again.

use starling_api::SiteService as _;

use super::test_site::Running;

fn record(number: u32) -> String {
    format!(
        r#"{{"id":"EX-{number}","modified":"2025-01-01T00:00:00Z","affected":[{{"package":{{"ecosystem":"npm","name":"x"}}}}]}}"#
    )
}

/// Returns a site that must be dialled, and one that dials it; both have the same knowledge.
async fn pair() -> (Running, String, Running) {
    let a = Running::start("site-a");
    let b = Running::start("site-b");
    let address = a.address().await;
    a.list("site-b", &b.site.0.identity.home, Vec::new()).await;
    b.list("site-a", &a.site.0.identity.home, vec![address.clone()])
        .await;
    a.import(&record(1)).await;
    same(&a, &b).await;
    (a, address, b)
}

async fn same(a: &Running, b: &Running) {
    let goal = a.status().await.knowledge_root;
    b.until("the same knowledge", |status| status.knowledge_root == goal)
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_site_that_is_dialled_is_found_again_after_its_key_changed() {
    let (a, address, b) = pair().await;
    let before = a.site.0.key().public();
    let stopped = a.stop().await;
    stopped.rotate();
    let a = stopped.start(&address).await;
    assert_ne!(a.site.0.key().public(), before);
    a.import(&[record(1), record(2)].join("\n")).await;
    same(&a, &b).await;
    let status = b.status().await;
    assert_eq!(status.records, 2);
    let peer = &status.peers[0];
    assert!(peer.connected && peer.last_error.is_none(), "{peer:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connected_peer_is_shown_with_its_byte_counts() {
    let (a, _, b) = pair().await;
    let first = b.status().await.peers[0].clone();
    // No further messages are sent between them.
    b.until("the peer to be seen later", |status| {
        status.peers[0].last_seen_at > first.last_seen_at
    })
    .await;
    let (at_a, at_b) = (a.status().await.peers.remove(0), b.status().await.peers.remove(0));
    assert!(at_b.connected && at_b.last_error.is_none());
    // At least a delta and a body went from a to b, and b's requests went to a.
    assert!(at_b.bytes_received > 250 && at_b.bytes_sent > 50, "{at_b:?}");
    assert!(at_a.bytes_sent > 250 && at_a.bytes_received > 50, "{at_a:?}");
}

/// Returns when a site last exchanged data with its only peer.
async fn synced(site: &Running) -> Option<starling_api_types::Timestamp> {
    site.site.sites().await.unwrap().sites[0].last_sync_at
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn giving_is_an_exchange_and_its_time_outlives_a_restart() {
    let (a, address, b) = pair().await;
    // Nothing ever came to a from b: a authored all.
    assert!(synced(&a).await.is_some() && synced(&b).await.is_some());
    drop(b.stop().await);
    let before = synced(&a).await;
    let a = a.stop().await.start(&address).await;
    assert!(synced(&a).await >= before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_site_at_an_address_is_reported_until_right_one_returns() {
    let (a, address, b) = pair().await;
    let a = a.stop().await;
    let impostor = Running::start("site-a").stop().await.start(&address).await;
    impostor.list("site-b", &b.site.0.identity.home, Vec::new()).await;
    impostor.import(&record(9)).await;
    b.until("the other key to be said", |status| {
        let error = status.peers[0].last_error.as_deref().unwrap_or_default();
        error.contains("answered with another key") && error.contains("not on the allow-list")
    })
    .await;
    let status = b.status().await;
    assert!(!status.peers[0].connected);
    assert_eq!((status.records, status.peers.len()), (1, 1));
    drop(impostor.stop().await);

    a.rotate();
    let a = a.start(&address).await;
    a.import(&[record(1), record(2)].join("\n")).await;
    same(&a, &b).await;
    assert_eq!(b.status().await.peers[0].last_error, None);
}
