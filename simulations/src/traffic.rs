//! Messages on their way: sent, lost, tampered with, delivered, and passed on.

use starling_protocol::PublicKey;
use starling_sync::{Event, FailureReason, RequestId};

use crate::mischief::Tampered;
use crate::world::{PlannedEvent, World};

impl World {
    pub(crate) fn deliver(&mut self, from: usize, to: usize, generation: u64, event: Event) {
        if self.network.generation(from, to) != Some(generation) {
            return;
        }
        if self.sites[to].stalled_until > self.now {
            let delay = self.sites[to].stalled_until.as_millis() - self.now.as_millis();
            return self.plan(
                delay,
                PlannedEvent::Deliver {
                    from,
                    to,
                    generation,
                    event,
                },
            );
        }
        self.counts.messages += 1;
        match &event {
            Event::Gossip { bytes, .. } | Event::Request { bytes, .. } | Event::Response { bytes, .. } => {
                self.counts.bytes += bytes.len() as u64;
            }
            _ => {}
        }
        self.feed(to, event);
    }

    pub(crate) fn gossip(&mut self, from: usize, sender: Option<PublicKey>, bytes: &[u8]) {
        let engine = self.sites[from].engine.as_ref();
        let peers: Vec<PublicKey> = engine.map_or_else(Vec::new, |engine| engine.gossip_to(sender).collect());
        let peer = self.sites[from].key;
        for to in peers {
            let to = self.keys[&to];
            self.send(
                from,
                to,
                bytes.to_vec(),
                |bytes| Event::Gossip { peer, bytes },
                None,
            );
        }
    }

    /// Sends a message, unless it is lost or its sender is malicious. The loss of a request or response is
    /// reported to the requester, as a transport does.
    pub(crate) fn send(
        &mut self,
        from: usize,
        to: usize,
        bytes: Vec<u8>,
        wrap: impl Fn(Vec<u8>) -> Event,
        asker: Option<(usize, usize, RequestId)>,
    ) {
        let Some(generation) = self.network.generation(from, to) else {
            return;
        };
        let (bytes, times) = match self.tamper(from, bytes) {
            Tampered::Send(bytes, times) => (bytes, times),
            Tampered::Drop => return,
        };
        if self.rng.u32(0..1_000) < self.scenario.faults.loss_per_mille && !self.is_calm() {
            if let Some((asker, asked, id)) = asker {
                let event = Event::RequestFailed {
                    peer: self.sites[asked].key,
                    id,
                    reason: FailureReason::Transport,
                };
                let delay = self.scenario.latency_millis.draw(&mut self.rng);
                self.plan(
                    delay,
                    PlannedEvent::Deliver {
                        from: asked,
                        to: asker,
                        generation,
                        event,
                    },
                );
            }
            return;
        }
        for _ in 0..times {
            let delay = self.scenario.latency_millis.draw(&mut self.rng);
            let event = wrap(bytes.clone());
            self.plan(
                delay,
                PlannedEvent::Deliver {
                    from,
                    to,
                    generation,
                    event,
                },
            );
        }
    }

    pub(crate) fn tamper(&mut self, from: usize, bytes: Vec<u8>) -> Tampered {
        let site = &mut self.sites[from];
        let Some(byzantine) = &site.byzantine else {
            return Tampered::Send(bytes, 1);
        };
        if self.rng.u32(0..100) >= byzantine.percent {
            site.earlier.clone_from(&bytes);
            return Tampered::Send(bytes, 1);
        }
        byzantine.mischief.tamper(bytes, &site.earlier, &mut self.rng)
    }
}
