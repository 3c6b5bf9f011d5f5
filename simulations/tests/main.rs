//! Runs scenarios with a few seeds; the binary `simulate` runs more of them, and the world of a thousand sites.

// Helper functions of tests are outside test functions; a failing helper is a failing test.
#![allow(clippy::unwrap_used)]

use starling_simulations::{Scenario, run, run_twice};

/// Runs a scenario with some seeds and demands that nothing was broken.
fn passes(text: &str, seeds: std::ops::Range<u64>) {
    let scenario = Scenario::parse(text).unwrap();
    for seed in seeds {
        let report = run(&scenario, seed).unwrap();
        println!("{report}");
        assert!(report.passed(), "{report}");
    }
}

macro_rules! scenarios {
    ($($name:ident, $file:literal, $seeds:expr;)*) => {$(
        #[test]
        fn $name() {
            passes(include_str!(concat!("../scenarios/", $file)), $seeds);
        }
    )*};
}

scenarios! {
    relays_carry_what_the_ends_write, "relay-line.toml", 1..4;
    rough_weather_loses_nothing, "rough-weather.toml", 1..4;
    rough_weather_loses_nothing_in_the_real_store, "rough-weather-store.toml", 1..3;
    slow_disks_delay_nothing_for_good, "slow-disks.toml", 1..4;
    hostile_sites_do_not_stop_the_others, "hostile.toml", 1..3;
    a_fork_becomes_known_everywhere, "fork.toml", 1..4;
    nobody_is_blamed_for_the_other_history, "slow-fork.toml", 1..3;
    resolved_forks_are_forgotten, "resolved-fork.toml", 1..6;
    resolved_forks_are_forgotten_in_the_real_store, "resolved-fork-store.toml", 1..4;
    restored_authors_are_followed_and_lagging_relays_not_blamed, "restores.toml", 1..3;
    lost_homes_go_on_and_nobody_waits_for_their_bodies, "lost-homes.toml", 1..4;
    one_site_fetches_for_all, "one-fetch.toml", 1..4;
    strangers_stay_outside, "strangers.toml", 1..3;
}

#[test]
fn claims_with_lost_bodies_are_replaced_in_some_world() {
    let scenario = Scenario::parse(include_str!("../scenarios/lost-homes.toml")).unwrap();
    let restated = (1..4).map(|seed| run(&scenario, seed).unwrap().notices["Restated"]);
    assert!(restated.sum::<u64>() > 0, "else the scenario shows nothing");
}

#[test]
fn equal_seeds_give_equal_runs() {
    let scenario = Scenario::parse(include_str!("../scenarios/rough-weather.toml")).unwrap();
    let report = run_twice(&scenario, 11).unwrap();
    assert!(report.passed(), "{report}");
    assert_ne!(
        run(&scenario, 12).unwrap().digest,
        report.digest,
        "the seed must matter"
    );
}
