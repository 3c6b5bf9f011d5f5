//! Which feeds are due: decided from two clocks, so that neither a set clock nor a sleeping machine matters.
//!
//! Waits are counted by a steady clock. When the machine slept, that clock stood still and the wall clock did not:
//! the difference is taken off every wait. After a downtime, what is overdue begins one after the other.

use std::collections::BTreeMap;

use starling_api_types::FeedName;

/// By how much the wall clock has to run ahead of the steady one to be taken for a sleep, in milliseconds.
const SLEPT_MS: u64 = 30_000;
/// Distance between the first runs of feeds that are overdue at the start, in milliseconds.
const SPREAD_MS: u64 = 5_000;
/// Longest wait that is believed beyond a feed's schedule, in milliseconds: the wall clock may have been set back.
const BEYOND_MS: u64 = 3_600_000;

/// A moment by both clocks, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Moment {
    /// The machine's clock. It may be set.
    pub(super) wall: u64,
    /// A clock that never goes back, and stands still while the machine sleeps.
    pub(super) steady: u64,
}

/// A feed that is to be run now and then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// The interval.
    pub(crate) every_ms: u64,
    /// The time of the next run, by the machine's clock; `None` if it was never run.
    pub(crate) next_ms: Option<u64>,
    /// It runs now.
    pub(crate) is_running: bool,
}

/// The schedule of one feed.
#[derive(Debug, Clone, Copy)]
struct Slot {
    /// The values from which it was computed.
    next_ms: Option<u64>,
    every_ms: u64,
    /// By the steady clock.
    due: u64,
}

/// The times of all feeds.
#[derive(Debug, Default)]
pub(super) struct Timetable {
    slots: BTreeMap<FeedName, Slot>,
    last: Option<Moment>,
}

/// The next action.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Due {
    /// Feeds that are due, the longest overdue first.
    pub(super) now: Vec<FeedName>,
    /// Milliseconds until the next run; `None` if no run is scheduled.
    pub(super) wait_ms: Option<u64>,
}

impl Timetable {
    /// Looks at the clocks. `wanted` are all feeds as they are now; `random` gives random numbers.
    pub(super) fn look(
        &mut self,
        wanted: &BTreeMap<FeedName, Wanted>,
        now: Moment,
        random: &mut dyn FnMut() -> u64,
    ) -> Due {
        let is_first = self.last.is_none();
        self.notice_sleep(now);
        self.slots.retain(|name, _| wanted.contains_key(name));
        let mut overdue = Vec::new();
        for (name, feed) in wanted {
            let known = self.slots.get(name);
            if known.is_some_and(|slot| slot.next_ms == feed.next_ms && slot.every_ms == feed.every_ms) {
                continue;
            }
            let left = feed.next_ms.map_or(0, |next| next.saturating_sub(now.wall));
            let left = left.min(feed.every_ms.saturating_add(BEYOND_MS));
            if left == 0 {
                overdue.push((feed.next_ms.unwrap_or(0), name.clone()));
            }
            let slot = Slot {
                next_ms: feed.next_ms,
                every_ms: feed.every_ms,
                due: now.steady.saturating_add(left),
            };
            self.slots.insert(name.clone(), slot);
        }
        if is_first {
            self.spread(overdue, random);
        }
        self.due(wanted, now)
    }

    /// Takes the time that the machine slept off every wait.
    fn notice_sleep(&mut self, now: Moment) {
        if let Some(last) = self.last {
            let by_wall = now.wall.saturating_sub(last.wall);
            let slept = by_wall.saturating_sub(now.steady.saturating_sub(last.steady));
            if slept >= SLEPT_MS {
                for slot in self.slots.values_mut() {
                    slot.due = slot.due.saturating_sub(slept);
                }
            }
        }
        self.last = Some(now);
    }

    /// Lets what is overdue at the start begin one after the other.
    fn spread(&mut self, mut overdue: Vec<(u64, FeedName)>, random: &mut dyn FnMut() -> u64) {
        overdue.sort();
        let mut later = 0;
        for (_, name) in overdue {
            if let Some(slot) = self.slots.get_mut(&name) {
                slot.due = slot.due.saturating_add(later);
            }
            later += SPREAD_MS / 2 + random() % (SPREAD_MS + 1);
        }
    }

    fn due(&self, wanted: &BTreeMap<FeedName, Wanted>, now: Moment) -> Due {
        let rests = |name: &FeedName| wanted.get(name).is_some_and(|feed| !feed.is_running);
        let mut due: Vec<(u64, &FeedName)> = Vec::new();
        let mut wait_ms: Option<u64> = None;
        for (name, slot) in self.slots.iter().filter(|(name, _)| rests(name)) {
            let left = slot.due.saturating_sub(now.steady);
            if left == 0 {
                due.push((slot.due, name));
            } else {
                wait_ms = Some(wait_ms.map_or(left, |wait| wait.min(left)));
            }
        }
        due.sort();
        Due {
            now: due.into_iter().map(|(_, name)| name.clone()).collect(),
            wait_ms,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: u64 = 60_000;
    const HOUR: u64 = 60 * MINUTE;
    /// A day in 2026, so that a clock can be set back.
    const START: u64 = 1_795_000_000_000;

    fn name(text: &str) -> FeedName {
        FeedName::new(text).unwrap()
    }

    fn names(due: &Due) -> Vec<&str> {
        due.now.iter().map(FeedName::as_str).collect()
    }

    /// A machine whose two clocks a test sets.
    struct World {
        table: Timetable,
        wanted: BTreeMap<FeedName, Wanted>,
        now: Moment,
        seed: u64,
    }

    impl World {
        fn new(feeds: &[(&str, Option<u64>)]) -> Self {
            let feed = |(text, next_ms): &(&str, Option<u64>)| {
                let wanted = Wanted {
                    every_ms: 2 * HOUR,
                    next_ms: *next_ms,
                    is_running: false,
                };
                (name(text), wanted)
            };
            Self {
                table: Timetable::default(),
                wanted: feeds.iter().map(feed).collect(),
                now: Moment {
                    wall: START,
                    steady: 50,
                },
                seed: 7,
            }
        }

        fn pass(&mut self, millis: u64) {
            self.now.wall += millis;
            self.now.steady += millis;
        }

        fn look(&mut self) -> Due {
            let Self {
                table,
                wanted,
                now,
                seed,
            } = self;
            table.look(wanted, *now, &mut || {
                *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                *seed >> 33
            })
        }

        fn set(&mut self, text: &str, next_ms: Option<u64>, is_running: bool) {
            let feed = self.wanted.get_mut(&name(text)).unwrap();
            feed.next_ms = next_ms;
            feed.is_running = is_running;
        }
    }

    #[test]
    fn feed_is_due_when_its_time_comes_and_not_while_it_runs() {
        let mut world = World::new(&[("a", Some(START + HOUR))]);
        let due = world.look();
        assert_eq!((names(&due), due.wait_ms), (vec![], Some(HOUR)));
        world.pass(HOUR);
        assert_eq!(names(&world.look()), ["a"]);
        world.set("a", Some(START + HOUR), true);
        assert_eq!(
            world.look(),
            Due {
                now: vec![],
                wait_ms: None
            }
        );
        world.set("a", Some(START + 3 * HOUR), false);
        assert_eq!(world.look().wait_ms, Some(2 * HOUR));
    }

    #[test]
    fn overdue_feeds_begin_one_after_the_other() {
        let before = |hours: u64| Some(START - hours * HOUR);
        let mut world = World::new(&[("a", before(1)), ("b", before(9)), ("c", None), ("d", before(3))]);
        // The one that was never run first.
        assert_eq!(names(&world.look()), ["c"]);
        let mut begun = vec![name("c")];
        world.set("c", Some(START + HOUR), true);
        let mut took = 0;
        while begun.len() < 4 {
            let wait = world.look().wait_ms.unwrap();
            assert!((SPREAD_MS / 2..=2 * SPREAD_MS).contains(&wait), "{wait}");
            world.pass(wait);
            took += wait;
            for next in world.look().now {
                world.set(next.as_str(), Some(START + HOUR), true);
                begun.push(next);
            }
        }
        assert_eq!(begun, ["c", "b", "d", "a"].map(name));
        assert!(took <= 3 * 2 * SPREAD_MS, "{took}");
    }

    #[test]
    fn new_feed_is_due_at_once() {
        let mut world = World::new(&[("a", Some(START + HOUR))]);
        world.look();
        let added = Wanted {
            every_ms: HOUR,
            next_ms: None,
            is_running: false,
        };
        world.wanted.insert(name("b"), added);
        assert_eq!(names(&world.look()), ["b"]);
        world.wanted.remove(&name("b"));
        assert_eq!(names(&world.look()), [""; 0]);
    }

    #[test]
    fn sleep_of_the_machine_is_included() {
        let mut world = World::new(&[("a", Some(START + HOUR)), ("b", Some(START + 3 * HOUR))]);
        world.look();
        // The steady clock stands still meanwhile.
        world.now.wall += 2 * HOUR;
        world.pass(10);
        let due = world.look();
        assert_eq!((names(&due), due.wait_ms), (vec!["a"], Some(HOUR - 10)));
    }

    #[test]
    fn clock_that_is_set_does_not_stop_or_repeat_a_feed() {
        let mut world = World::new(&[("a", Some(START + HOUR))]);
        world.look();
        // The wall clock is set back by a day; the steady clock continues.
        world.now.wall -= 24 * HOUR;
        world.pass(HOUR);
        assert_eq!(names(&world.look()), ["a"]);
        // After a start with a clock that is behind, a feed waits for its schedule at most.
        let mut world = World::new(&[("a", Some(START + 900 * HOUR))]);
        assert_eq!(world.look().wait_ms, Some(3 * HOUR));
    }

    #[test]
    fn shorter_schedule_applies_at_once() {
        let mut world = World::new(&[("a", Some(START + 2 * HOUR))]);
        assert_eq!(world.look().wait_ms, Some(2 * HOUR));
        let feed = world.wanted.get_mut(&name("a")).unwrap();
        feed.every_ms = MINUTE;
        feed.next_ms = Some(START + MINUTE);
        assert_eq!(world.look().wait_ms, Some(MINUTE));
    }
}
