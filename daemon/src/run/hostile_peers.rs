//! Misbehaving peers, listed and not, over real QUIC, against the parts of a daemon. `starling-sync` tests the
//! consequence of each violation; these tests show that the site itself stays unharmed.

use starling_api::SiteService;
use starling_protocol::{ClaimNumber, Lane, UnixMillis};
use starling_sync::wire::{
    Capabilities, DeltasWanted, FactsWanted, Hello, News, RefusalCode, Request, Response,
};
use tempfile::TempDir;
use tokio::sync::watch;

use super::rogue::{self, Lie, junk};
use super::test_site::{DEADLINE, Running};
use crate::home::Home;
use crate::net::{self, Command, Event, Net, RequestNumber};

const RECORD: &str = r#"{"id":"EX-1","modified":"2025-01-01T00:00:00Z","affected":[{"package":{"ecosystem":"npm","name":"x"}}]}"#;

/// Returns a home that no site lists yet.
fn home_of(name: &str) -> (TempDir, Home) {
    let folder = tempfile::tempdir().unwrap();
    let home = Home::prepare(folder.path(), &name.parse().unwrap(), None, UnixMillis::EPOCH).unwrap();
    home.finish().unwrap();
    (folder, home)
}

/// A client with a key that sends any requests and messages, correctly framed.
struct Rogue {
    net: Net,
    victim: starling_protocol::PublicKey,
    open: u64,
    home: Home,
    _folder: TempDir,
}

impl Rogue {
    fn stranger_to(victim: &Running) -> Self {
        let (folder, home) = home_of("rogue");
        Self {
            net: net::start(&home.operating_key().unwrap(), &[], 128 << 10).unwrap(),
            victim: victim.site.0.key().public(),
            open: 0,
            home,
            _folder: folder,
        }
    }

    async fn listed_by(victim: &Running) -> Self {
        let rogue = Self::stranger_to(victim);
        victim.list("rogue", &rogue.home, Vec::new()).await;
        rogue
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
        self.open += 1;
        let (peer, number) = (self.victim, RequestNumber(self.open));
        self.send(Command::Request { peer, number, bytes }).await;
    }

    async fn tell(&self, bytes: Vec<u8>) {
        let peer = self.victim;
        self.send(Command::Tell { peer, bytes }).await;
    }

    async fn event(&mut self) -> Event {
        let event = tokio::time::timeout(DEADLINE, self.net.events.recv()).await;
        event.unwrap().unwrap()
    }

    /// Waits until each request was answered, failed, or lost its connection; returns the answers.
    async fn settle(&mut self) -> Vec<Response> {
        let mut answers = Vec::new();
        while self.open > 0 {
            match self.event().await {
                Event::Response { bytes, .. } => {
                    self.open -= 1;
                    answers.push(Response::decode(&bytes).unwrap());
                }
                Event::RequestFailed { .. } => self.open -= 1,
                Event::Disconnected { .. } => self.open = 0,
                _ => {}
            }
        }
        answers
    }
}

/// Checks that an honest site gets all of the victim's knowledge, whoever else is connected.
async fn an_honest_site_is_served(victim: &Running, address: String) {
    let honest = Running::start("honest");
    let honest_address = honest.address().await;
    victim
        .list("honest", &honest.site.0.identity.home, vec![honest_address])
        .await;
    honest
        .list("victim", &victim.site.0.identity.home, vec![address])
        .await;
    let goal = victim.status().await.knowledge_root;
    honest
        .until("the victim's knowledge", |status| status.knowledge_root == goal)
        .await;
}

fn nothing_is_held_of(rogue: &Home, status: &starling_api_types::Status) -> bool {
    let rogue = rogue.chain().site().into();
    let mut positions = status.positions.iter();
    positions.all(|at| at.site != rogue || at.held.is_none())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn junk_from_a_listed_peer_ends_only_its_session() {
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
    assert!(nothing_is_held_of(&rogue.home, &status));
    an_honest_site_is_served(&victim, address).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_sizes_stalls_and_answers_change_nothing() {
    let victim = Running::start("victim");
    let address = victim.address().await;
    victim.import(RECORD).await;
    let before = victim.status().await;
    let mut rogues = Vec::new();
    for (number, lie) in Lie::ALL.into_iter().enumerate() {
        let name = format!("rogue-{number}");
        let (folder, home) = home_of(&name);
        victim.list(&name, &home, Vec::new()).await;
        let (told, lies) = watch::channel(0);
        let task = tokio::spawn(rogue::run(home.clone(), address.parse().unwrap(), lie, told));
        rogues.push((lie, name, home, lies, task, folder));
    }
    // All violations run at the same time, and honest peers are still served.
    an_honest_site_is_served(&victim, address).await;
    for (lie, name, home, lies, task, _folder) in &mut rogues {
        let told = tokio::time::timeout(DEADLINE, lies.wait_for(|told| *told > 0)).await;
        assert!(told.is_ok_and(|told| told.is_ok()), "{lie:?} was never asked");
        // The rogue is either disconnected, or gets a pause and is asked again: nobody waits for it.
        let lies = lies.clone();
        victim
            .until(&format!("the end of {lie:?}"), |status| {
                let mut peers = status.peers.iter();
                let peer = peers.find(|peer| peer.site_id.as_str() == *name);
                *lies.borrow() > 1 || peer.is_some_and(|peer| peer.last_error.is_some())
            })
            .await;
        assert!(nothing_is_held_of(home, &victim.status().await), "{lie:?}");
        task.abort();
    }
    let after = victim.status().await;
    assert_eq!(after.records, before.records);
    assert_eq!(after.knowledge_root, before.knowledge_root);
    assert_eq!(after.held_root, before.held_root);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connection_cut_within_a_message_leaves_nothing_behind() {
    let victim = Running::start("victim");
    let address = victim.address().await;
    let mut rogue = Rogue::listed_by(&victim).await;
    rogue.connect(&address).await;
    for seed in 0..8 {
        rogue.request(junk(seed, 100_000)).await;
        rogue.send(Command::Disconnect { peer: rogue.victim }).await;
        while !matches!(rogue.event().await, Event::Disconnected { .. }) {}
        rogue.open = 0;
        rogue.connect(&address).await;
    }
    victim.import(RECORD).await;
    assert_eq!(victim.status().await.records, 1);
    an_honest_site_is_served(&victim, address).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stranger_is_refused_for_every_request_and_learns_nothing() {
    let victim = Running::start("victim");
    let address = victim.address().await;
    victim.import(RECORD).await;
    let mut stranger = Rogue::stranger_to(&victim);
    stranger.connect(&address).await;
    let site = victim.site.0.identity.home.chain().site();
    let deltas = Request::Deltas(DeltasWanted {
        site,
        lane: Lane::Federation,
        after: ClaimNumber::NONE,
        max_bytes: 1_000_000,
    });
    let facts = Request::Facts(FactsWanted {
        chains: vec![site],
        ..FactsWanted::default()
    });
    let news = Request::News(News::default());
    for request in [deltas, facts, news] {
        stranger.request(request.encode()).await;
        let answers = stranger.settle().await;
        assert!(
            matches!(&answers[..], [Response::Refusal(refusal)] if refusal.code == RefusalCode::NotGreeted),
            "{answers:?}"
        );
    }
    let hello = Request::Hello(Hello {
        capabilities: Capabilities::OWN,
        chain: stranger.home.chain().to_bytes(),
        news: News::default(),
    });
    stranger.request(hello.encode()).await;
    // The connection may be closed before the refusal is read.
    let answers = stranger.settle().await;
    let refused = |answer: &Response| matches!(answer, Response::Refusal(refusal) if refusal.code == RefusalCode::NotListed);
    assert!(answers.iter().all(refused), "{answers:?}");
    let status = victim.site.status().await.unwrap();
    assert_eq!((status.records, status.peers.len()), (1, 0));
    assert!(nothing_is_held_of(&stranger.home, &status));
}
