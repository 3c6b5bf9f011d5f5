//! Links between sites: their state, and the connection to which each message in flight belongs.

use std::collections::BTreeMap;

use crate::scenario::{Scenario, Topology};

/// Two sites, the lesser first.
pub(crate) type Pair = (usize, usize);

/// Returns the pair of two sites.
pub(crate) fn pair(one: usize, other: usize) -> Pair {
    (one.min(other), one.max(other))
}

/// One link.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Link {
    pub(crate) up: bool,
    /// True if the scenario cut it: nobody reconnects before it heals.
    pub(crate) cut: bool,
    /// The number of the connection: a message belongs to the connection on which it was sent.
    pub(crate) generation: u64,
}

/// All links that the topology has.
#[derive(Debug, Default)]
pub(crate) struct Network {
    pub(crate) links: BTreeMap<Pair, Link>,
    neighbours: Vec<Vec<usize>>,
}

impl Network {
    pub(crate) fn new(scenario: &Scenario, rng: &mut fastrand::Rng) -> Self {
        let mut links = BTreeMap::new();
        let count = scenario.sites;
        let mut add = |one: usize, other: usize| {
            if one != other {
                links.insert(pair(one, other), Link::default());
            }
        };
        match scenario.topology {
            Topology::Mesh => (0..count).for_each(|one| (0..one).for_each(|other| add(one, other))),
            Topology::Line => (1..count).for_each(|one| add(one - 1, one)),
            Topology::Ring => (0..count).for_each(|one| add(one, (one + 1) % count)),
            Topology::Star => (1..count).for_each(|one| add(0, one)),
            Topology::Random => {
                for one in 1..count {
                    // One link to an earlier site connects it; the others are shortcuts.
                    add(one, rng.usize(0..one));
                    (1..scenario.degree).for_each(|_| add(one, rng.usize(0..count)));
                }
            }
        }
        let mut neighbours = vec![Vec::new(); count];
        for &(one, other) in links.keys() {
            neighbours[one].push(other);
            neighbours[other].push(one);
        }
        Self { links, neighbours }
    }

    /// Returns the sites that a site is or could be linked to.
    pub(crate) fn neighbours(&self, site: usize) -> &[usize] {
        &self.neighbours[site]
    }

    /// Returns the generation of the link between two sites, if it is up.
    pub(crate) fn generation(&self, one: usize, other: usize) -> Option<u64> {
        self.links
            .get(&pair(one, other))
            .filter(|link| link.up)
            .map(|link| link.generation)
    }
}
