//! Lists the missing bodies of a log page by page, and ends a pass over the list.

use starling_protocol::{ClaimNumber, SiteId};

use crate::LogKey;
use crate::clock::later;
use crate::engine::{Context, SyncEngine};
use crate::limits::{MAX_PAGE_BODIES, MAX_UNAVAILABLE};
use crate::notice::Notice;
use crate::replica::MissingBody;

/// Missing bodies of one log that are listed ahead.
const LIST_AHEAD: usize = 2 * MAX_PAGE_BODIES;

/// Fruitless passes after which the pause no longer doubles: 16 minutes, by default.
const MOST_DOUBLINGS: u32 = 4;

impl SyncEngine {
    /// Notes that something else changed the held part of a log, so that other bodies may be missing.
    pub(crate) fn look_at_bodies(&mut self, cx: &Context<'_>, log: LogKey) {
        let listed = self.bodies.logs.get(&log).map(|bodies| bodies.chain_length);
        if listed.is_some_and(|length| length != chain_length(cx, &log.0)) {
            self.bodies.start_anew(log);
        } else {
            self.bodies.look_at(log);
        }
    }

    /// Postpones bodies that nobody could give to the next pass, and reports them.
    pub(super) fn give_up(&mut self, cx: &mut Context<'_>, (site, lane): LogKey, numbers: &[ClaimNumber]) {
        let Some(bodies) = self.bodies.logs.get_mut(&(site, lane)) else {
            return;
        };
        let given_up = numbers.iter().filter_map(|number| bodies.queue.remove(number));
        for MissingBody { number, hash, .. } in given_up {
            if self.bodies.named.len() < MAX_UNAVAILABLE && self.bodies.named.insert(hash) {
                cx.notice(Notice::BodyUnavailable {
                    site,
                    lane,
                    number,
                    hash,
                });
            }
        }
    }

    /// Fills the queue of a log. Returns true if there is something to do now.
    pub(super) fn list_bodies(&mut self, cx: &mut Context<'_>, log: LogKey) -> bool {
        let Some(bodies) = self.bodies.logs.get_mut(&log) else {
            return false;
        };
        if bodies.retry_at.is_some_and(|time| time <= cx.now) {
            bodies.start_over(ClaimNumber::NONE);
            bodies.asked_to.clear();
            bodies.retry_at = None;
        }
        if bodies.not_before > cx.now {
            return false;
        }
        if !bodies.listed_all && bodies.queue.len() < MAX_PAGE_BODIES {
            bodies.chain_length = chain_length(cx, &log.0);
            let listed = cx
                .replica
                .missing_bodies(&log.0, log.1, bodies.listed_to, LIST_AHEAD);
            match listed {
                Ok(listed) => {
                    bodies.listed_all = listed.len() < LIST_AHEAD;
                    bodies.listed_to = listed.last().map_or(bodies.listed_to, |last| last.number);
                    bodies
                        .queue
                        .extend(listed.into_iter().map(|wanted| (wanted.number, wanted)));
                }
                Err(error) => {
                    self.store_failed(cx, &error);
                    return false;
                }
            }
        }
        // Bodies in flight for another log need no second request; the next pass checks whether they came.
        let in_flight = &self.bodies.in_flight;
        if let Some(bodies) = self.bodies.logs.get_mut(&log) {
            bodies.queue.retain(|_, wanted| !in_flight.contains(&wanted.hash));
        }
        true
    }

    /// Ends a pass with an empty queue: either all bodies are here, or the rest is tried again later.
    pub(super) fn finish_pass(&mut self, cx: &mut Context<'_>, log: LogKey) {
        let Some(bodies) = self.bodies.logs.get_mut(&log) else {
            return;
        };
        if bodies.open > 0 || !bodies.listed_all || bodies.pass_done {
            return;
        }
        match cx.replica.missing_bodies(&log.0, log.1, ClaimNumber::NONE, 1) {
            Ok(left) if left.is_empty() => {
                self.bodies.logs.remove(&log);
                if self.bodies.logs.is_empty() {
                    // Reported bodies that never came were superseded.
                    self.bodies.named.clear();
                }
            }
            Ok(_) => {
                bodies.pass_done = true;
                // News of more bodies may begin an extra pass; the time of the next full pass stays.
                if bodies.retry_at.is_none() {
                    let pause = self.settings.body_retry * (1 << bodies.vain_passes.min(MOST_DOUBLINGS));
                    bodies.retry_at = Some(later(cx.now, pause));
                    bodies.vain_passes = bodies.vain_passes.saturating_add(1);
                }
            }
            Err(error) => self.store_failed(cx, &error),
        }
    }
}

fn chain_length(cx: &Context<'_>, site: &SiteId) -> usize {
    cx.replica
        .chain(site)
        .map_or(0, |chain| chain.certificates().len())
}
