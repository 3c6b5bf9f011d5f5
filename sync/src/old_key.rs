//! Handles a site that connects with an operating key that its own certificates replaced: its home was restored
//! from a backup, or another copy of it is running.
//!
//! It may not take part. It is sent the proof, its own newer certificates and head, which are not secret, and
//! can then begin an epoch that its peers know.

use starling_protocol::{CertificateChain, Lane, OfferedChain, PublicKey};

use crate::clock::later;
use crate::engine::{Context, SyncEngine};
use crate::event::RequestId;
use crate::peer::Stage;
use crate::telling::note_of;
use crate::wire::{Capabilities, Hello, News, Response};

impl SyncEngine {
    /// Answers the hello of a listed site's earlier key with what the site does not know about itself. Returns
    /// true if it was such a hello. The session ends soon after: a peer with only that key gets nothing else.
    pub(crate) fn tell_old_key(
        &mut self,
        cx: &mut Context<'_>,
        key: PublicKey,
        id: RequestId,
        hello: &Hello,
    ) -> bool {
        let Some(known) = newer_chain(cx, &key, hello) else {
            return false;
        };
        let (site, own) = (known.site(), cx.replica.site());
        let log = (site, Lane::Federation);
        let head = cx.replica.head(&site, Lane::Federation);
        let news = News {
            chains: vec![known.to_bytes()],
            heads: head.iter().map(|head| head.as_bytes().to_vec()).collect(),
            notes: vec![note_of(cx.replica, log)],
            ..News::default()
        };
        let chain = cx.replica.chain(&own);
        let answer = Response::Hello(Hello {
            capabilities: Capabilities::OWN,
            chain: chain.map_or_else(Vec::new, |chain| chain.to_bytes()),
            news,
        });
        self.respond(cx, key, id, &answer);
        let ends = later(cx.now, self.settings.hello_patience);
        if let Some(peer) = self.peers.get_mut(&key) {
            peer.stage = Stage::Greeting {
                deadline: ends,
                greet_at: None,
            };
        }
        true
    }
}

/// Returns the known chain of the site that sent the hello, if the key is of an earlier epoch of it.
fn newer_chain(cx: &Context<'_>, key: &PublicKey, hello: &Hello) -> Option<CertificateChain> {
    let offered = OfferedChain::decode(&hello.chain).ok()?;
    let site = offered.site();
    if site == cx.replica.site() || !cx.replica.is_listed(&site) {
        return None;
    }
    let known = cx.replica.chain(&site)?;
    let mut earlier = known.certificates().iter().rev().skip(1);
    let is_earlier = earlier.any(|certificate| certificate.body().operating_key == *key);
    (is_earlier && offered.is_part_of(&known)).then_some(known)
}
