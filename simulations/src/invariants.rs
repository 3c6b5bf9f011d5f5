//! The invariants: each is a function, named for what it states.

use std::collections::BTreeMap;

use starling_protocol::{Delta, Lane, SiteId};
use starling_sync::{LogKey, LogPosition};

use crate::stores::SimStore;

/// The result of a check: the violation, if there is one.
type Found = Result<(), String>;

/// Checks that positions only rise, as long as no new epoch of the author resumes from an earlier position, and the held
/// branch of a fork is not the lost one.
pub(crate) fn positions_never_fall(
    before: &BTreeMap<(LogKey, u32), LogPosition>,
    now: &BTreeMap<(LogKey, u32), LogPosition>,
) -> Found {
    for (log, position) in now {
        let Some(before) = before.get(log) else {
            continue;
        };
        let pairs = [
            ("high-water", before.high_water, position.high_water),
            ("held", before.held, position.held),
            ("body-complete", before.body_complete, position.body_complete),
            ("accepted", before.accepted, position.accepted),
        ];
        for (name, was, is) in pairs {
            if is < was {
                return Err(format!("{name} of {} fell from {was} to {is}", position.site));
            }
        }
    }
    Ok(())
}

/// Checks that accepted ≤ held ≤ high-water, and that the accepted part is body-complete.
pub(crate) fn positions_are_in_order(now: &[LogPosition]) -> Found {
    for position in now {
        if position.accepted > position.held || position.held > position.high_water {
            return Err(format!("{position:?}"));
        }
        if position.accepted > position.body_complete {
            return Err(format!("accepted without bodies: {position:?}"));
        }
    }
    Ok(())
}

/// Checks that a log that is accepted to its end lacks no live body.
pub(crate) fn nothing_is_accepted_without_its_bodies(
    store: &dyn SimStore,
    positions: &[LogPosition],
) -> Found {
    for position in positions {
        if position.accepted < position.held {
            continue;
        }
        let none = starling_protocol::ClaimNumber::NONE;
        let missing = store.missing_bodies(&position.site, position.lane, none, 1);
        if let Some(missing) = missing.unwrap_or_default().first() {
            return Err(format!("{} lacks body {}", position.site, missing.hash));
        }
    }
    Ok(())
}

/// Checks that every held delta is, byte for byte, the author's, and verifies against the author's chain.
pub(crate) fn every_delta_is_the_authors(store: &dyn SimStore, author: &dyn SimStore) -> Found {
    let site = author.site();
    let mine = store.log_bytes(&site, Lane::Federation);
    let theirs = author.log_bytes(&site, Lane::Federation);
    if !theirs.starts_with(&mine) {
        return Err(format!("the log of {site} differs from its author's"));
    }
    let Some(chain) = author.chain(&site) else {
        return Ok(());
    };
    let mut rest = &mine[..];
    while !rest.is_empty() {
        let (delta, tail) = Delta::decode_first(rest).map_err(|error| error.to_string())?;
        delta.verify(&chain).map_err(|error| error.to_string())?;
        rest = tail;
    }
    Ok(())
}

/// Checks that two honest sites that could talk hold and know the same.
pub(crate) fn honest_sites_agree(one: &dyn SimStore, other: &dyn SimStore) -> Found {
    if one.held_root() != other.held_root() {
        return Err("the held roots differ".to_owned());
    }
    if one.knowledge_root() != other.knowledge_root() {
        return Err("the knowledge roots differ".to_owned());
    }
    Ok(())
}

/// Checks that the fork of a site is proved to everyone.
pub(crate) fn the_fork_is_known(store: &dyn SimStore, forker: &SiteId) -> Found {
    if store.forks().iter().any(|fork| fork.site() == *forker) {
        return Ok(());
    }
    Err(format!("the fork of {forker} is not known"))
}

/// Checks that no log is frozen: each author has one history, or named one.
pub(crate) fn no_log_is_frozen(positions: &[LogPosition]) -> Found {
    let frozen = positions.iter().find(|position| position.frozen);
    frozen.map_or(Ok(()), |position| Err(format!("{position:?}")))
}

/// Checks that an unlisted site holds nothing of the listed ones, and the reverse.
pub(crate) fn the_unlisted_stay_outside(store: &dyn SimStore, others: &[SiteId]) -> Found {
    let mut known = store.positions().into_iter();
    let leaked = known.find(|position| others.contains(&position.site) && position.held.0 > 0);
    leaked.map_or(Ok(()), |position| {
        Err(format!("it holds claims of {}", position.site))
    })
}
