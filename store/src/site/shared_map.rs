//! An ordered map that is cheap to copy: the published state is a copy, made after every change.

use std::collections::BTreeMap;
use std::collections::btree_map;
use std::sync::Arc;

use starling_protocol::{ClaimNumber, ContentHash};

/// A key of a [`SharedMap`].
pub(crate) trait Parted: Ord + Clone {
    /// Returns the part of the map that holds the key. Rises with the key, so that the parts are in key order.
    fn part(&self) -> u64;
}

impl Parted for ClaimNumber {
    fn part(&self) -> u64 {
        self.0 >> 8
    }
}

impl Parted for ContentHash {
    fn part(&self) -> u64 {
        let [first, second, ..] = *self.as_bytes();
        u64::from(u16::from_be_bytes([first, second]) >> 6)
    }
}

/// A map in parts that copies share until one of them changes a part: a copy costs one pointer per part, and a
/// change after it the entries of one part.
#[derive(Debug, Clone)]
pub(crate) struct SharedMap<K, V> {
    /// No part is empty.
    parts: BTreeMap<u64, Arc<BTreeMap<K, V>>>,
    len: usize,
}

impl<K, V> Default for SharedMap<K, V> {
    fn default() -> Self {
        Self {
            parts: BTreeMap::new(),
            len: 0,
        }
    }
}

impl<K: Parted, V: Clone> SharedMap<K, V> {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(crate) fn get(&self, key: &K) -> Option<&V> {
        self.parts.get(&key.part())?.get(key)
    }

    pub(crate) fn contains_key(&self, key: &K) -> bool {
        self.get(key).is_some()
    }

    /// Returns the value of a key for a change; creates it if there is none.
    pub(crate) fn entry_or_default(&mut self, key: K) -> &mut V
    where
        V: Default,
    {
        let part = Arc::make_mut(self.parts.entry(key.part()).or_default());
        match part.entry(key) {
            btree_map::Entry::Occupied(entry) => entry.into_mut(),
            btree_map::Entry::Vacant(entry) => {
                self.len += 1;
                entry.insert(V::default())
            }
        }
    }

    pub(crate) fn insert(&mut self, key: K, value: V) -> Option<V> {
        let before = Arc::make_mut(self.parts.entry(key.part()).or_default()).insert(key, value);
        self.len += usize::from(before.is_none());
        before
    }

    pub(crate) fn remove(&mut self, key: &K) -> Option<V> {
        let part = self.parts.get_mut(&key.part())?;
        if !part.contains_key(key) {
            return None;
        }
        let part = Arc::make_mut(part);
        let removed = part.remove(key);
        if part.is_empty() {
            self.parts.remove(&key.part());
        }
        self.len -= usize::from(removed.is_some());
        removed
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &V> {
        self.iter().map(|(_, value)| value)
    }

    /// Returns the greatest key.
    pub(crate) fn last_key(&self) -> Option<&K> {
        self.parts
            .last_key_value()?
            .1
            .last_key_value()
            .map(|(key, _)| key)
    }

    /// Entries by rising key.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.parts.values().flat_map(|part| part.iter())
    }

    /// Returns the entries whose keys come after `key`, by rising key.
    pub(crate) fn after(&self, key: &K) -> impl Iterator<Item = (&K, &V)> {
        let key = key.clone();
        self.parts
            .range(key.part()..)
            .flat_map(|(_, part)| part.iter())
            .skip_while(move |(found, _)| **found <= key)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn shared_map_equals_a_map_and_copies_are_independent(
            steps in proptest::collection::vec((0_u64..2_000, any::<bool>(), any::<u8>()), 0..200),
            copy_after in 0_usize..200,
        ) {
            let mut map = SharedMap::default();
            let mut model = BTreeMap::new();
            let mut copies = None;
            for (index, (number, is_put, value)) in steps.into_iter().enumerate() {
                let key = ClaimNumber(number);
                if is_put {
                    prop_assert_eq!(map.insert(key, value), model.insert(key, value));
                } else {
                    prop_assert_eq!(map.remove(&key), model.remove(&key));
                }
                prop_assert_eq!(map.len(), model.len());
                if index == copy_after {
                    copies = Some((map.clone(), model.clone()));
                }
            }
            let all = |map: &SharedMap<ClaimNumber, u8>| map.iter().map(|(k, v)| (*k, *v)).collect::<Vec<_>>();
            let expected = |model: &BTreeMap<ClaimNumber, u8>| model.iter().map(|(k, v)| (*k, *v)).collect::<Vec<_>>();
            prop_assert_eq!(all(&map), expected(&model));
            for from in [ClaimNumber(0), ClaimNumber(255), ClaimNumber(256), ClaimNumber(1_999)] {
                let after: Vec<_> = map.after(&from).map(|(key, _)| *key).collect();
                let wanted: Vec<_> = model.keys().filter(|key| **key > from).copied().collect();
                prop_assert_eq!(after, wanted);
            }
            if let Some((map, model)) = copies {
                prop_assert_eq!(all(&map), expected(&model));
            }
        }
    }
}
