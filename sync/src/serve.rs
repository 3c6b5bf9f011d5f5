//! Answers peers: deltas and bodies of logs that the peer may read, in bounded pages.

use starling_protocol::{ClaimNumber, ContentHash, Delta, Lane, PublicKey};

use crate::LogKey;
use crate::engine::{Context, SyncEngine};
use crate::event::{Effect, RequestId};
use crate::limits::{
    MAX_BASES_BYTES, MAX_BODIES_PAGE_BYTES, MAX_DELTAS_OPENED, MAX_DELTAS_PAGE_BYTES, MAX_REFUSAL_TEXT_BYTES,
};
use crate::notice::Violation;
use crate::replica::ReplicaError;
use crate::wire::{
    BodiesPage, BodiesWanted, Capabilities, DeltasPage, DeltasWanted, Refusal, RefusalCode, Request,
    Response, WireFault, bitmap, pack,
};

/// Bytes of deltas to read at once while looking for the claims that name bodies.
const LOOK_UP_BYTES: usize = 256 * 1024;
/// The wait imposed on a peer that requests too much, in milliseconds.
const BUSY_MILLIS: u32 = 1_000;

impl SyncEngine {
    pub(crate) fn asked(&mut self, cx: &mut Context<'_>, key: PublicKey, id: RequestId, bytes: &[u8]) {
        let (per_second, burst) = (self.settings.inbound_per_second, self.settings.inbound_burst);
        let Some(peer) = self.peers.get_mut(&key) else {
            // The peer was disconnected while this was in flight.
            return self.refuse(cx, key, id, RefusalCode::NotGreeted, "");
        };
        if !peer.requests.take(cx.now, per_second, burst) {
            self.refuse(cx, key, id, RefusalCode::Busy, "");
            return self.record_violation(cx, key, Violation::Flood);
        }
        let request = match Request::decode(bytes) {
            Ok(request) => request,
            // An older or newer site commits no violation; it receives the reason and disconnects.
            Err(fault @ WireFault::Version { .. }) => {
                return self.refuse(cx, key, id, RefusalCode::Version, &fault.to_string());
            }
            Err(fault) => {
                self.refuse(cx, key, id, RefusalCode::Malformed, &fault.to_string());
                return self.record_violation(cx, key, Violation::Malformed(fault.to_string()));
            }
        };
        // It sent more than the store can take.
        if matches!(request, Request::Hello(_) | Request::News(_)) && !self.inbox.has_room(key) {
            return self.refuse(cx, key, id, RefusalCode::Busy, "");
        }
        let request = match request {
            Request::Hello(hello) => return self.hello_came(cx, key, Some(id), hello),
            other => other,
        };
        // The transport proved the key, and it is a listed site's key: that is enough to be answered. The
        // peer's hello, or the answer to ours, may still be in flight, because streams overtake one another.
        let said = self.peers.get(&key).and_then(crate::peer::Peer::site);
        let authorised = cx.replica.authorised(&key);
        if authorised.is_none() || (said.is_some() && said != authorised) {
            return self.refuse(cx, key, id, RefusalCode::NotGreeted, "");
        }
        match request {
            Request::Hello(_) => {}
            Request::News(news) => self.news_asked(cx, key, id, news),
            Request::Facts(wanted) => self.facts_asked(cx, key, id, &wanted),
            Request::Tips(tips) => self.tips_asked(cx, key, id, &tips),
            Request::Deltas(wanted) => self.deltas_asked(cx, key, id, wanted),
            Request::Bodies(wanted) => self.bodies_asked(cx, key, id, &wanted),
        }
    }

    fn deltas_asked(&mut self, cx: &mut Context<'_>, key: PublicKey, id: RequestId, wanted: DeltasWanted) {
        let log = (wanted.site, wanted.lane);
        if !self.may_read(cx, key, id, log) {
            return;
        }
        let most = (wanted.max_bytes as usize).min(MAX_DELTAS_PAGE_BYTES);
        match cx.replica.deltas(&wanted.site, wanted.lane, wanted.after, most) {
            Ok(page) => {
                let header = DeltasPage {
                    last: page.last,
                    more: page.more,
                };
                self.respond(cx, key, id, &Response::Deltas(header, page.bytes));
            }
            Err(error) => self.failed(cx, key, id, &error),
        }
    }

    fn bodies_asked(&mut self, cx: &mut Context<'_>, key: PublicKey, id: RequestId, wanted: &BodiesWanted) {
        let log = (wanted.site, wanted.lane);
        if !self.may_read(cx, key, id, log) {
            return;
        }
        let with_bases = self
            .peers
            .get(&key)
            .is_some_and(|peer| peer.has(Capabilities::BASES));
        match self.page_of_bodies(cx, wanted, with_bases) {
            Ok(response) => self.respond(cx, key, id, &response),
            Err(error) => self.failed(cx, key, id, &error),
        }
    }

    fn page_of_bodies(
        &self,
        cx: &Context<'_>,
        wanted: &BodiesWanted,
        with_bases: bool,
    ) -> Result<Response, ReplicaError> {
        let names = names_of(cx, wanted)?;
        let found: Vec<ContentHash> = names.iter().flatten().copied().collect();
        let mut bodies = cx.replica.bodies(&found, MAX_BODIES_PAGE_BYTES)?.into_iter();
        let mut answers = Vec::with_capacity(names.len());
        for name in names {
            match name {
                None => answers.push(None),
                // The page is full: the rest is not answered.
                Some(_) => match bodies.next() {
                    None => break,
                    Some(body) => answers.push(body),
                },
            }
        }
        let offered = if with_bases { &wanted.bases[..] } else { &[] };
        let mut room = MAX_BASES_BYTES;
        let bases = cx.replica.bodies(offered, MAX_BASES_BYTES)?;
        // A single body may be longer than the whole context may be.
        let mut fits = |base: &Vec<u8>| {
            let fits = base.len() <= room;
            room -= if fits { base.len() } else { 0 };
            fits
        };
        let bases: Vec<Option<Vec<u8>>> = bases.into_iter().map(|base| base.filter(&mut fits)).collect();
        let used = bitmap(wanted.bases.len(), |index| {
            bases.get(index).is_some_and(Option::is_some)
        });
        let bases: Vec<Vec<u8>> = bases.into_iter().flatten().collect();
        let packed = pack(&answers, &bases, wanted.bulk, self.settings.compression)
            // A store that respects the requested bounds cannot cause this.
            .map_err(|fault| ReplicaError::Storage {
                attempted: format!("packing a page of bodies of {}", wanted.site),
                source: Box::new(fault),
            })?;
        let page = BodiesPage {
            sizes: packed.sizes,
            bases_used: used,
        };
        Ok(Response::Bodies(page, packed.frame))
    }

    /// Returns true if a peer may read a log; otherwise refuses the request.
    ///
    /// Every listed site may read every federation log of listed sites. A direct lane is read at its author
    /// only.
    fn may_read(
        &mut self,
        cx: &mut Context<'_>,
        key: PublicKey,
        id: RequestId,
        (site, lane): LogKey,
    ) -> bool {
        let allowed = cx.replica.is_listed(&site) && (lane == Lane::Federation || site == cx.replica.site());
        if !allowed {
            self.refuse(cx, key, id, RefusalCode::NotAuthorised, "");
            self.record_violation(cx, key, Violation::Trespass);
        }
        allowed
    }

    fn failed(&mut self, cx: &mut Context<'_>, key: PublicKey, id: RequestId, error: &ReplicaError) {
        self.store_failed(cx, error);
        self.refuse(cx, key, id, RefusalCode::Failed, "");
    }

    pub(crate) fn respond(
        &mut self,
        cx: &mut Context<'_>,
        peer: PublicKey,
        id: RequestId,
        response: &Response,
    ) {
        let bytes = response.encode();
        cx.out.push(Effect::Respond { peer, id, bytes });
    }

    pub(crate) fn refuse(
        &mut self,
        cx: &mut Context<'_>,
        peer: PublicKey,
        id: RequestId,
        code: RefusalCode,
        text: &str,
    ) {
        let retry_after_millis = match code {
            RefusalCode::Busy | RefusalCode::Failed => BUSY_MILLIS,
            _ => 0,
        };
        let mut end = text.len().min(MAX_REFUSAL_TEXT_BYTES);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let refusal = Refusal {
            code,
            text: text[..end].to_owned(),
            retry_after_millis,
        };
        self.respond(cx, peer, id, &Response::Refusal(refusal));
    }
}

/// Returns the content that each wanted claim names, in order; `None` if the claim is not held or names none.
///
/// Returns fewer entries if more than [`MAX_DELTAS_OPENED`] deltas would have to be opened.
fn names_of(cx: &Context<'_>, wanted: &BodiesWanted) -> Result<Vec<Option<ContentHash>>, ReplicaError> {
    let Some(chain) = cx.replica.chain(&wanted.site) else {
        return Ok(wanted.numbers().map(|_| None).collect());
    };
    let held = cx
        .replica
        .position(&wanted.site, wanted.lane)
        .map_or(ClaimNumber::NONE, |at| at.held);
    let mut names = Vec::new();
    let mut numbers = wanted.numbers().peekable();
    let mut opened = 0;
    while let Some(&number) = numbers.peek() {
        if number > held {
            names.extend(numbers.map(|_| None));
            break;
        }
        if opened >= MAX_DELTAS_OPENED {
            break;
        }
        let page = cx.replica.deltas(
            &wanted.site,
            wanted.lane,
            ClaimNumber(number.0 - 1),
            LOOK_UP_BYTES,
        )?;
        let mut rest = &page.bytes[..];
        // A delta of this store that does not open is damage, which `doctor` finds; here it counts as having no
        // bodies.
        while let Ok((delta, tail)) = Delta::decode_first(rest) {
            rest = tail;
            let last = delta.header().last();
            if numbers.peek().is_none_or(|next| *next > last) {
                continue;
            }
            if opened >= MAX_DELTAS_OPENED {
                break;
            }
            opened += 1;
            let claims = delta.verify(&chain).ok();
            let mut claims = claims
                .iter()
                .flat_map(starling_protocol::VerifiedDelta::claims)
                .peekable();
            while let Some(next) = numbers.next_if(|next| *next <= last) {
                while claims.next_if(|(number, _)| *number < next).is_some() {}
                let claim = claims.next_if(|(number, _)| *number == next);
                names.push(claim.and_then(|(_, claim)| claim.content()).map(|(hash, _)| hash));
            }
        }
        // No progress: the page holds none of the expected claims.
        if numbers.peek() == Some(&number) {
            numbers.next();
            names.push(None);
        }
    }
    Ok(names)
}
