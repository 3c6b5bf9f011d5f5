//! The components of a document, held in parts: those of a large document are never moved, and never held twice.

use std::ops::Index;

use super::Component;

/// Components in one part: 1 MB.
const PART: usize = 4_096;

/// The components of a document, in its order.
#[derive(Debug, Clone, Default)]
pub struct Components {
    /// None is empty.
    parts: Vec<Vec<Component>>,
    len: usize,
}

impl Components {
    /// Returns the number of components.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Returns true if there are no components.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns the components in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Component> {
        self.parts.iter().flatten()
    }

    /// Returns the component at an index.
    pub fn get(&self, index: usize) -> Option<&Component> {
        let mut index = index;
        for part in &self.parts {
            match index.checked_sub(part.len()) {
                None => return part.get(index),
                Some(rest) => index = rest,
            }
        }
        None
    }

    /// Returns the last component.
    pub fn last(&self) -> Option<&Component> {
        self.parts.last()?.last()
    }

    /// Adds a component at the end. `expected` further ones get memory at once, as many as one part holds.
    pub(super) fn push(&mut self, component: Component, expected: usize) {
        match self.parts.last_mut() {
            Some(part) if part.len() < PART => part.push(component),
            _ => {
                let mut part = Vec::with_capacity(expected.clamp(1, PART));
                part.push(component);
                self.parts.push(part);
            }
        }
        self.len += 1;
    }

    /// Adds all of another document part's, without moving them.
    pub(super) fn append(&mut self, next: Self) {
        self.parts.extend(next.parts);
        self.len += next.len;
    }

    /// Removes all but the first `len`.
    pub(super) fn truncate(&mut self, len: usize) {
        let mut left = len;
        self.parts.retain_mut(|part| {
            part.truncate(left);
            left -= part.len();
            !part.is_empty()
        });
        self.len = self.len.min(len);
    }

    /// Returns consecutive runs of `size` components each, the last one shorter; each is a list of slices.
    pub(crate) fn runs(&self, size: usize) -> Vec<Vec<&[Component]>> {
        let size = size.max(1);
        let mut runs: Vec<Vec<&[Component]>> = Vec::new();
        let mut room = 0;
        for part in &self.parts {
            let mut rest = part.as_slice();
            while !rest.is_empty() {
                if room == 0 {
                    runs.push(Vec::new());
                    room = size;
                }
                let (taken, after) = rest.split_at(room.min(rest.len()));
                if let Some(run) = runs.last_mut() {
                    run.push(taken);
                }
                room -= taken.len();
                rest = after;
            }
        }
        runs
    }
}

impl Index<usize> for Components {
    type Output = Component;

    #[expect(
        clippy::expect_used,
        reason = "an index out of bounds panics, as that of a slice"
    )]
    fn index(&self, index: usize) -> &Component {
        self.get(index).expect("an index within the components")
    }
}

impl PartialEq for Components {
    fn eq(&self, other: &Self) -> bool {
        self.len == other.len && self.iter().eq(other.iter())
    }
}

impl Eq for Components {}

impl FromIterator<Component> for Components {
    fn from_iter<I: IntoIterator<Item = Component>>(components: I) -> Self {
        let components = components.into_iter();
        let expected = components.size_hint().0;
        let mut all = Self::default();
        for component in components {
            all.push(component, expected.saturating_sub(all.len));
        }
        all
    }
}

impl From<Vec<Component>> for Components {
    fn from(components: Vec<Component>) -> Self {
        Self {
            len: components.len(),
            parts: Vec::from_iter((!components.is_empty()).then_some(components)),
        }
    }
}

impl IntoIterator for Components {
    type Item = Component;
    type IntoIter = std::iter::Flatten<std::vec::IntoIter<Vec<Component>>>;

    fn into_iter(self) -> Self::IntoIter {
        self.parts.into_iter().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sbom::{ComponentKind, Place};

    fn component(number: usize) -> Component {
        Component {
            name: number.to_string(),
            version: None,
            purl: None,
            cpes: None,
            origin: None,
            kind: ComponentKind::Package,
            place: Place::root(),
        }
    }

    fn numbers(components: &Components) -> Vec<usize> {
        let numbers = components.iter().map(|one| one.name.parse().unwrap());
        numbers.collect()
    }

    #[test]
    fn order_stays_over_the_ends_of_parts() {
        let many = 3 * PART + 5;
        let mut all: Components = (0..PART + 7).map(component).collect();
        all.append((PART + 7..many).map(component).collect());
        assert_eq!(all.len(), many);
        assert_eq!(numbers(&all), (0..many).collect::<Vec<_>>());
        assert_eq!(all[PART + 7].name, (PART + 7).to_string());
        assert_eq!(all.get(many), None);
        assert_eq!(all.last().unwrap().name, (many - 1).to_string());
        let whole: Components = (0..many).map(component).collect();
        assert_eq!(all, whole, "however they came");
        all.truncate(PART + 1);
        assert_eq!(numbers(&all), (0..=PART).collect::<Vec<_>>());
    }

    #[test]
    fn runs_are_consecutive_and_complete() {
        let all: Components = (0..2 * PART + 100).map(component).collect();
        for size in [1, 99, PART, PART + 1, 10 * PART] {
            let runs = all.runs(size);
            let of = |run: &Vec<&[Component]>| run.iter().map(|slice| slice.len()).sum::<usize>();
            let (last, full) = runs.split_last().unwrap();
            assert!(full.iter().all(|run| of(run) == size) && of(last) <= size);
            let again = runs.concat().concat();
            assert_eq!(Components::from(again), all);
        }
        assert!(Components::default().runs(5).is_empty());
    }
}
