//! One engine against a peer whose messages the test chooses.

use std::time::Duration;

use starling_protocol::{ClaimNumber, Lane};
use starling_sync::model::ModelReplica;
use starling_sync::wire::{
    BodiesWanted, Capabilities, DeltasPage, DeltasWanted, Hello, LogNote, News, RefusalCode, Request,
    Response,
};
use starling_sync::{
    DisconnectReason, Effect, Event, Notice, Replica, RequestId, Violation, WritableReplica, Write, WriteId,
    drive,
};

use crate::net::{Net, Site, record, source, start};

/// One engine, and a peer whose messages the test chooses.
pub(crate) struct Duel {
    pub(crate) now: starling_protocol::UnixMillis,
    pub(crate) site: Site,
    pub(crate) peer: ModelReplica,
    pub(crate) inbound: u64,
}

impl Duel {
    /// Returns a site and a listed peer that has published something, connected and greeted.
    pub(crate) fn new() -> Self {
        let mut duel = Self::strangers();
        let (peer, chain) = (duel.peer.site(), duel.peer.own_chain().clone());
        duel.site.replica.list(peer);
        duel.site.replica.learn_chain(&chain).unwrap();
        duel.peer
            .publish(Lane::Federation, &source(), &[record("P-1", "text")], start())
            .unwrap();
        duel.event(Event::Connected {
            peer: duel.peer.key(),
        });
        let greeting = duel.hello(News::default());
        let answer = duel.ask(&Request::Hello(greeting));
        assert!(matches!(answer, Response::Hello(_)), "{answer:?}");
        duel
    }

    /// Returns a site and a peer that it does not list.
    pub(crate) fn strangers() -> Self {
        let site = Net::site(0, 77);
        let mut peer = Net::site(1, 77).replica;
        peer.list(site.replica.site());
        Self {
            now: start(),
            site,
            peer,
            inbound: 0,
        }
    }

    pub(crate) fn event(&mut self, event: Event) -> Vec<Effect> {
        drive(&mut self.site.engine, self.now, event, &mut self.site.replica)
    }

    /// Handles an event, but carries out no write.
    pub(crate) fn step(&mut self, event: Event) -> Vec<Effect> {
        self.site.engine.handle(self.now, event, &self.site.replica)
    }

    /// Carries out a write, and whatever else follows from it.
    pub(crate) fn carry_out(&mut self, (id, write): (WriteId, Write)) -> Vec<Effect> {
        let outcome = write.carry_out(&mut self.site.replica);
        self.event(Event::Written { id, outcome })
    }

    /// Has the peer answer, but carries out no write. Returns the write that follows.
    pub(crate) fn answer_before_write(&mut self, id: RequestId, response: &Response) -> (WriteId, Write) {
        let (peer, bytes) = (self.peer.key(), response.encode());
        let effects = self.step(Event::Response { peer, id, bytes });
        write_of(&effects).expect("it writes")
    }

    pub(crate) fn tick_after(&mut self, time: Duration) -> Vec<Effect> {
        self.now = self.now.plus_millis(u64::try_from(time.as_millis()).unwrap());
        self.event(Event::Tick)
    }

    pub(crate) fn ask_bytes(&mut self, bytes: Vec<u8>) -> Vec<Effect> {
        self.inbound += 1;
        let id = RequestId(self.inbound);
        self.event(Event::Request {
            peer: self.peer.key(),
            id,
            bytes,
        })
    }

    pub(crate) fn ask(&mut self, request: &Request) -> Response {
        let effects = self.ask_bytes(request.encode());
        let answer = effects.iter().find_map(|effect| match effect {
            Effect::Respond { bytes, .. } => Some(Response::decode(bytes).unwrap()),
            _ => None,
        });
        answer.expect("every request is answered")
    }

    pub(crate) fn answer(&mut self, id: RequestId, response: &Response) -> Vec<Effect> {
        let bytes = response.encode();
        self.event(Event::Response {
            peer: self.peer.key(),
            id,
            bytes,
        })
    }

    pub(crate) fn hello(&self, news: News) -> Hello {
        Hello {
            capabilities: Capabilities::OWN,
            chain: self.peer.own_chain().to_bytes(),
            news,
        }
    }

    /// Returns the peer's true position in its log.
    pub(crate) fn note(&self) -> LogNote {
        let position = self.peer.position(&self.peer.site(), Lane::Federation).unwrap();
        LogNote {
            site: self.peer.site(),
            lane: Lane::Federation,
            chain_length: 1,
            forked: false,
            head_epoch: 0,
            head_number: ClaimNumber::NONE,
            head_issued_at: starling_protocol::UnixMillis::EPOCH,
            held: position.held,
            body_complete: position.body_complete,
        }
    }

    /// Tells the site that the peer has its log, and returns the request for its deltas that follows.
    pub(crate) fn tell(&mut self) -> (RequestId, DeltasWanted) {
        let news = News {
            notes: vec![self.note()],
            ..News::default()
        };
        let effects = self.ask_bytes(Request::News(news).encode());
        deltas_request(&effects).expect("it asks for the deltas")
    }

    pub(crate) fn page(&self) -> Response {
        let page = self
            .peer
            .deltas(&self.peer.site(), Lane::Federation, ClaimNumber::NONE, 1 << 20)
            .unwrap();
        let header = DeltasPage {
            last: page.last,
            more: false,
        };
        Response::Deltas(header, page.bytes)
    }
}

pub(crate) fn requests(effects: &[Effect]) -> Vec<(RequestId, Request)> {
    let requests = effects.iter().filter_map(|effect| match effect {
        Effect::Request { id, bytes, .. } => Some((*id, Request::decode(bytes).unwrap())),
        _ => None,
    });
    requests.collect()
}

pub(crate) fn deltas_request(effects: &[Effect]) -> Option<(RequestId, DeltasWanted)> {
    requests(effects)
        .into_iter()
        .find_map(|(id, request)| match request {
            Request::Deltas(wanted) => Some((id, wanted)),
            _ => None,
        })
}

pub(crate) fn bodies_request(effects: &[Effect]) -> Option<(RequestId, BodiesWanted)> {
    requests(effects)
        .into_iter()
        .find_map(|(id, request)| match request {
            Request::Bodies(wanted) => Some((id, wanted)),
            _ => None,
        })
}

pub(crate) fn write_of(effects: &[Effect]) -> Option<(WriteId, Write)> {
    effects.iter().find_map(|effect| match effect {
        Effect::Write { id, write } => Some((*id, write.clone())),
        _ => None,
    })
}

pub(crate) fn parted(effects: &[Effect]) -> Option<&DisconnectReason> {
    effects.iter().find_map(|effect| match effect {
        Effect::Disconnect { reason, .. } => Some(reason),
        _ => None,
    })
}

pub(crate) fn violation(effects: &[Effect]) -> Option<&Violation> {
    effects.iter().find_map(|effect| match effect {
        Effect::Notice(Notice::Violation { violation, .. }) => Some(violation),
        _ => None,
    })
}

/// Returns true if a peer did not answer in time.
pub(crate) fn is_silent(effects: &[Effect]) -> bool {
    let mut effects = effects.iter();
    effects.any(|effect| matches!(effect, Effect::Notice(Notice::Silent { .. })))
}

pub(crate) fn refusal(response: &Response) -> Option<RefusalCode> {
    match response {
        Response::Refusal(refusal) => Some(refusal.code),
        _ => None,
    }
}
