//! The election, by hand and by properties.

use proptest::prelude::*;
use starling_protocol::{FeedOffer, OfferInput, RestsOn, SiteId, Source, UnixMillis};

use super::*;

const HOUR: u64 = 3_600_000;
const YEAR: u64 = 365 * 24 * HOUR;

fn site(number: u8) -> SiteId {
    SiteId::from_bytes([number; 32])
}

fn candidate(number: u8, quiet_ms: u64) -> Candidate {
    Candidate {
        site: site(number),
        every_ms: HOUR,
        is_healthy: true,
        quiet_ms,
        silent_ms: 0,
    }
}

fn stands_by_for(role: Role, leader: u8) -> bool {
    matches!(role, Role::StandBy { leader: found, .. } if found == site(leader))
}

#[test]
fn least_id_fetches_and_the_rest_stand_by() {
    let all = [candidate(1, 5), candidate(2, 9 * HOUR), candidate(3, 9 * HOUR)];
    assert_eq!(elect(&all[0], &all), Role::Fetch(Reason::First));
    assert!(stands_by_for(elect(&all[1], &all), 1));
    assert!(stands_by_for(elect(&all[2], &all), 1));
    assert_eq!(elect(&all[2], &all[2..]), Role::Fetch(Reason::Alone));
}

#[test]
fn shorter_schedule_comes_before_a_lesser_id() {
    let mut all = [candidate(1, 0), candidate(2, 0)];
    all[0].every_ms = 24 * HOUR;
    assert_eq!(elect(&all[1], &all), Role::Fetch(Reason::First));
    assert!(stands_by_for(elect(&all[0], &all), 2));
}

#[test]
fn each_successor_gets_three_intervals() {
    let overdue = |quiet| {
        [
            candidate(1, quiet),
            candidate(2, 90 * HOUR),
            candidate(3, 90 * HOUR),
        ]
    };
    let before = overdue(3 * HOUR - 1);
    assert!(stands_by_for(elect(&before[1], &before), 1));
    let at = overdue(3 * HOUR);
    assert_eq!(elect(&at[1], &at), Role::Fetch(Reason::Overdue(site(1))));
    let third = elect(&at[2], &at);
    assert!(stands_by_for(third, 2), "its turn has just begun");
    assert!(matches!(third, Role::StandBy { overdue: Some(first), .. } if first == site(1)));
    assert!(matches!(
        elect(&before[2], &before),
        Role::StandBy { overdue: None, .. }
    ));
    let later = overdue(6 * HOUR);
    assert_eq!(elect(&later[2], &later), Role::Fetch(Reason::Overdue(site(1))));
    // The first one never gives up its own turn.
    assert_eq!(elect(&later[0], &later), Role::Fetch(Reason::First));
}

#[test]
fn schedule_without_end_does_not_stop_the_others() {
    for every_ms in [u64::MAX, 1 << 63, YEAR] {
        // All name the same one; the first is never heard of.
        let mut all = [candidate(1, 90 * 24 * HOUR), candidate(2, 0)];
        for candidate in &mut all {
            candidate.every_ms = every_ms;
        }
        assert_eq!(elect(&all[1], &all), Role::Fetch(Reason::Overdue(site(1))));
        all[0].quiet_ms -= 1;
        assert!(stands_by_for(elect(&all[1], &all), 1));
    }
}

#[test]
fn silent_sites_have_no_turn() {
    let mut all = [
        candidate(1, 30 * HOUR),
        candidate(2, 30 * HOUR),
        candidate(3, 30 * HOUR),
    ];
    all[1].silent_ms = 30 * HOUR;
    all[0].quiet_ms = 3 * HOUR;
    assert_eq!(elect(&all[2], &all), Role::Fetch(Reason::Overdue(site(1))));
}

#[test]
fn unhealthy_site_gives_way_and_probes() {
    let mut all = [candidate(1, 0), candidate(2, 0)];
    all[0].is_healthy = false;
    assert_eq!(elect(&all[1], &all), Role::Fetch(Reason::First));
    assert!(matches!(elect(&all[0], &all), Role::Probe { leader, .. } if leader == site(2)));
    all[1].quiet_ms = 3 * HOUR;
    let role = elect(&all[0], &all);
    assert_eq!(
        role,
        Role::Fetch(Reason::Overdue(site(2))),
        "the other one says that it can"
    );
    all[1].is_healthy = false;
    for own in &all {
        assert_eq!(elect(own, &all), Role::Fetch(Reason::NobodyHealthy));
    }
}

#[test]
fn one_failure_changes_nothing_and_a_suspect_input_does() {
    assert!(is_healthy(0, false) && is_healthy(1, false));
    assert!(!is_healthy(2, false) && !is_healthy(0, true));
}

fn source() -> Source {
    "nvd".parse().unwrap()
}

fn seen(number: u8, check: Option<u64>) -> OfferSeen {
    OfferSeen {
        site: site(number),
        source: source(),
        offer: FeedOffer {
            is_offered: true,
            is_healthy: true,
            every_ms: HOUR,
            input: OfferInput::of(&["nvd"]),
            rests_on: RestsOn::new(),
        },
        is_whole: true,
        check: check.map(UnixMillis::saturating),
        sign: (0, 1, check.unwrap_or(0)),
    }
}

fn own(number: u8) -> OwnFeed {
    OwnFeed {
        site: site(number),
        source: source(),
        input: OfferInput::of(&["nvd"]),
        every_ms: HOUR,
        is_healthy: true,
    }
}

#[test]
fn only_an_advance_on_the_own_clock_is_used() {
    let mut watch = Watch::default();
    let mut at = |now, check| {
        let seen = [seen(1, Some(check))];
        watch.look(&seen, now);
        watch.role(&own(2), &seen, now)
    };
    // Years ahead, years back: each is an advance, and none is a time.
    assert!(stands_by_for(at(0, 90 * YEAR), 1));
    assert!(stands_by_for(at(2 * HOUR, 7), 1));
    assert!(stands_by_for(at(5 * HOUR - 1, 7), 1));
    assert_eq!(at(5 * HOUR, 7), Role::Fetch(Reason::Overdue(site(1))));
    assert!(stands_by_for(at(5 * HOUR + 1, 8), 1), "it returned");
}

#[test]
fn waiting_continues_after_a_restart_until_an_advance() {
    let mut watch = Watch::default();
    let offers = [seen(1, Some(7))];
    watch.look(&offers, 0);
    let waited = watch.waited(2 * HOUR);
    let role = |offers: &[OfferSeen], now| {
        let mut again = Watch::resume(waited.clone());
        again.look(offers, 0);
        again.look(offers, now);
        again.role(&own(2), offers, now)
    };
    assert!(stands_by_for(role(&offers, HOUR - 1), 1));
    assert_eq!(role(&offers, HOUR), Role::Fetch(Reason::Overdue(site(1))));
    assert!(stands_by_for(role(&[seen(1, Some(8))], 2 * HOUR), 1));
}

#[test]
fn offers_of_other_inputs_and_parts_are_no_alternatives() {
    let mut others = [seen(1, None), seen(1, None), seen(1, None), seen(1, None)];
    others[0].offer.input = OfferInput::of(&["osv", "npm"]);
    others[1].offer.is_offered = false;
    others[2].is_whole = false;
    others[3].source = "osv".parse().unwrap();
    for other in others {
        let seen = [other];
        let mut watch = Watch::default();
        watch.look(&seen, 0);
        assert_eq!(
            watch.role(&own(2), &seen, 0),
            Role::Fetch(Reason::Alone),
            "{seen:?}"
        );
    }
}

fn any_candidate(number: u8) -> impl Strategy<Value = Candidate> {
    let every = prop_oneof![Just(HOUR), 1..100 * HOUR, Just(u64::MAX)];
    let span = prop_oneof![0..20 * HOUR, any::<u64>()];
    (every, any::<bool>(), span.clone(), span).prop_map(move |(every_ms, is_healthy, quiet_ms, silent_ms)| {
        Candidate {
            site: site(number),
            every_ms,
            is_healthy,
            quiet_ms,
            silent_ms,
        }
    })
}

fn any_candidates() -> impl Strategy<Value = Vec<Candidate>> {
    (1_u8..8).prop_flat_map(|count| (0..count).map(any_candidate).collect::<Vec<_>>())
}

/// Returns the sites that fetch, if all see the same.
fn fetching(all: &[Candidate]) -> Vec<SiteId> {
    let fetches = |own: &&Candidate| matches!(elect(own, all), Role::Fetch(_));
    all.iter().filter(fetches).map(|own| own.site).collect()
}

proptest! {
    #[test]
    fn equal_sights_elect_one(mut all in any_candidates()) {
        // Nobody is quiet for long: then it does not matter who looks.
        for candidate in &mut all {
            let every_ms = candidate.every_ms.min(30 * 24 * HOUR);
            candidate.quiet_ms = candidate.quiet_ms.min(every_ms * 2);
            candidate.silent_ms = 0;
        }
        let found = fetching(&all);
        let least = all.iter().filter(|one| one.is_healthy).min_by_key(|one| (one.every_ms, one.site));
        match least {
            Some(least) => prop_assert_eq!(found, vec![least.site]),
            None => prop_assert_eq!(found.len(), all.len(), "each tries"),
        }
    }

    #[test]
    fn whoever_is_followed_believes_it_fetches(all in any_candidates()) {
        for own in &all {
            match elect(own, &all) {
                Role::StandBy { leader, .. } | Role::Probe { leader, .. } => {
                    let leader = all.iter().find(|one| one.site == leader).unwrap();
                    prop_assert!(matches!(elect(leader, &all), Role::Fetch(_)));
                }
                Role::Fetch(_) => {}
            }
        }
        prop_assert!(!fetching(&all).is_empty(), "never nobody");
    }

    #[test]
    fn order_of_the_offers_does_not_matter(all in any_candidates()) {
        let mut other = all.clone();
        other.reverse();
        for own in &all {
            prop_assert_eq!(elect(own, &all), elect(own, &other));
        }
    }

    /// Sites die at any time, and the rest never see a check of theirs again: some site that lives fetches within
    /// three intervals for each dead one before it, and within three in all if their heads fall silent too.
    #[test]
    fn somebody_alive_fetches_in_bounded_time(count in 2_u8..7, dead in any::<u8>(), heads in any::<bool>()) {
        let is_dead = |number: u8| dead & (1 << number) != 0;
        prop_assume!((0..count).any(|number| !is_dead(number)));
        let patience = if heads { 18 } else { 3 };
        let dead_before = (0..count).take_while(|number| is_dead(*number)).count() as u64;
        let quiet = if heads { patience } else { patience * dead_before.max(1) } * HOUR;
        let all: Vec<Candidate> = (0..count)
            .map(|number| Candidate {
                quiet_ms: quiet,
                silent_ms: if is_dead(number) && heads { quiet } else { 0 },
                ..candidate(number, 0)
            })
            .collect();
        let living = all.iter().filter(|one| !is_dead(one.site.as_bytes()[0]));
        let fetches = |own: &&Candidate| matches!(elect(own, &all), Role::Fetch(_));
        prop_assert!(living.clone().any(|own| fetches(&own)));
    }

    /// No offer, whatever it says, keeps a healthy site from fetching for longer than three of its own intervals for
    /// each site before it.
    #[test]
    fn no_offer_blocks_for_ever(all in any_candidates()) {
        let mut all = all;
        for one in &mut all {
            one.quiet_ms = HOUR * INTERVALS * 100 * 8;
        }
        for own in all.iter().filter(|one| one.is_healthy && one.every_ms <= 100 * HOUR) {
            prop_assert!(matches!(elect(own, &all), Role::Fetch(_)), "{own:?}");
        }
    }
}
