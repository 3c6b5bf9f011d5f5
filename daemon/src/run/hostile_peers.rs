//! Peers that are listed and misbehave, over real QUIC, against the parts that a daemon runs. What each
//! offence leads to is tested where it is decided, in `starling-sync`; here, that a site stays what it was.

use std::sync::Arc;
use std::time::{Duration, Instant};

use starling_api::SiteService;
use starling_protocol::{SigningKey, UnixMillis};
use starling_store::engine::MemoryEngine;
use tempfile::TempDir;
use tokio::sync::watch;

use super::start_sync;
use crate::config::Overrides;
use crate::home::Home;
use crate::net::{self, Command, Event, Net, RequestNumber};
use crate::service::Site;

/// How long any state is waited for.
const DEADLINE: Duration = Duration::from_secs(60);

/// A site whose sync runs until this is dropped.
struct Running {
    site: Site,
    _stop: watch::Sender<bool>,
    _home: TempDir,
}

impl Running {
    fn start(name: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::init(folder.path(), &name.parse().unwrap(), None, UnixMillis::EPOCH).unwrap();
        let listen = ("network.listen", r#"["/ip4/127.0.0.1/udp/0/quic-v1"]"#);
        let settings = vec![(listen.0.to_owned(), listen.1.to_owned())];
        let config = home.config(&Overrides { settings }).unwrap();
        let engine = Arc::new(MemoryEngine::new());
        let site = Site::open_on(engine, home, config.clone(), Some(Instant::now())).unwrap();
        site.0.sign_heads().unwrap();
        let (stop, stopped) = watch::channel(false);
        tokio::spawn(start_sync(&site, &config, stopped).unwrap());
        Self {
            site,
            _stop: stop,
            _home: folder,
        }
    }

    async fn status(&self) -> starling_api_types::Status {
        self.site.status().await.unwrap()
    }

    async fn until(&self, what: &str, reached: impl Fn(&starling_api_types::Status) -> bool) {
        let from = Instant::now();
        loop {
            let status = self.status().await;
            if reached(&status) {
                return;
            }
            assert!(from.elapsed() < DEADLINE, "waiting for {what}: {status:?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn address(&self) -> String {
        self.until("an address", |status| !status.listen.is_empty()).await;
        self.status().await.listen.remove(0)
    }

    async fn list(&self, name: &str, home: &Home, addresses: Vec<String>) {
        let added = starling_api_types::SiteAdd {
            site_id: name.parse().unwrap(),
            key: home.identity().certificates,
            display_name: None,
            addresses,
            allowed_sources: vec!["*".parse().unwrap()],
            max_bundle_size: None,
            enabled: None,
        };
        self.site.add_site(added).await.unwrap();
    }

    async fn import(&self, lines: &str) {
        let file = self.site.0.home.path().join("feed.ndjson");
        std::fs::write(&file, lines).unwrap();
        let source = "mine".parse().unwrap();
        let upload = starling_api::Upload::Path(file);
        let report = self
            .site
            .import_feed(source, upload, Default::default())
            .await
            .unwrap();
        assert_eq!(report.rejected, 0);
    }
}

/// A listed site's key in the hands of somebody who says what they like.
struct Rogue {
    net: Net,
    victim: starling_protocol::PublicKey,
    next: u64,
    home: Home,
    _folder: TempDir,
}

impl Rogue {
    async fn listed_by(victim: &Running) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::init(folder.path(), &"rogue".parse().unwrap(), None, UnixMillis::EPOCH).unwrap();
        victim.list("rogue", &home, Vec::new()).await;
        let key: SigningKey = home.operating_key().unwrap();
        Self {
            net: net::start(&key, &[]).unwrap(),
            victim: victim.site.0.key.public(),
            next: 0,
            home,
            _folder: folder,
        }
    }

    async fn connect(&mut self, address: &str) {
        let addresses = vec![address.parse().unwrap()];
        self.send(Command::Dial {
            peer: None,
            addresses,
        })
        .await;
        while !matches!(self.event().await, Event::Connected { .. }) {}
    }

    async fn send(&self, command: Command) {
        self.net.commands.send(command).await.unwrap();
    }

    async fn request(&mut self, bytes: Vec<u8>) {
        self.next += 1;
        let (peer, number) = (self.victim, RequestNumber(self.next));
        self.send(Command::Request { peer, number, bytes }).await;
    }

    async fn tell(&self, bytes: Vec<u8>) {
        self.send(Command::Tell {
            peer: self.victim,
            bytes,
        })
        .await;
    }

    async fn event(&mut self) -> Event {
        tokio::time::timeout(DEADLINE, self.net.events.recv())
            .await
            .unwrap()
            .unwrap()
    }

    /// Waits until each request was answered, failed, or the connection went.
    async fn settle(&mut self) {
        let mut open = self.next;
        while open > 0 {
            match self.event().await {
                Event::Response { .. } | Event::RequestFailed { .. } => open -= 1,
                Event::Disconnected { .. } => return,
                _ => {}
            }
        }
        self.next = 0;
    }
}

/// Bytes without meaning, the same in every run.
fn junk(seed: u8, length: usize) -> Vec<u8> {
    blake3_stream(seed).take(length).collect()
}

fn blake3_stream(seed: u8) -> impl Iterator<Item = u8> {
    (0_u32..).flat_map(move |block| {
        let mut input = vec![seed];
        input.extend_from_slice(&block.to_le_bytes());
        *starling_protocol::ContentHash::of(&input).as_bytes()
    })
}

const RECORD: &str = r#"{"id":"EX-1","modified":"2025-01-01T00:00:00Z","affected":[{"package":{"ecosystem":"npm","name":"x"}}]}"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn junk_of_a_listed_peer_ends_its_session_and_harms_nobody_else() {
    let victim = Running::start("victim");
    let address = victim.address().await;
    victim.import(RECORD).await;
    let mut rogue = Rogue::listed_by(&victim).await;
    rogue.connect(&address).await;
    for seed in 0..40 {
        rogue.request(junk(seed, 1 + 97 * usize::from(seed))).await;
        rogue.tell(junk(seed, 500)).await;
    }
    rogue.settle().await;
    victim
        .until("the rogue to be parted with", |status| {
            let rogue = status.peers.iter().find(|peer| peer.site_id.as_str() == "rogue");
            rogue.is_some_and(|peer| !peer.connected && peer.last_error.is_some())
        })
        .await;
    let status = victim.status().await;
    assert_eq!(status.records, 1);
    assert!(
        status
            .positions
            .iter()
            .all(|at| at.site != rogue.home.chain().site().into() || at.held.is_none())
    );

    // Meanwhile a site that keeps to the rules is served as ever.
    let honest = Running::start("honest");
    let honest_address = honest.address().await;
    victim
        .list("honest", &honest.site.0.home, vec![honest_address])
        .await;
    honest.list("victim", &victim.site.0.home, vec![address]).await;
    let goal = victim.status().await.knowledge_root;
    honest
        .until("the victim's knowledge", |status| status.knowledge_root == goal)
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_longer_than_allowed_is_not_read_and_the_site_goes_on() {
    let victim = Running::start("victim");
    let address = victim.address().await;
    let mut rogue = Rogue::listed_by(&victim).await;
    rogue.connect(&address).await;
    rogue
        .request(vec![7; starling_sync::limits::MAX_REQUEST_BYTES + 1])
        .await;
    rogue.settle().await;
    // A stream that ends in the middle of a message, again and again: the connection is cut at once.
    for seed in 0..8 {
        rogue.request(junk(seed, 10_000)).await;
        rogue.send(Command::Disconnect { peer: rogue.victim }).await;
        while !matches!(rogue.event().await, Event::Disconnected { .. }) {}
        rogue.next = 0;
        rogue.connect(&address).await;
    }
    victim.import(RECORD).await;
    assert_eq!(victim.status().await.records, 1);
}
