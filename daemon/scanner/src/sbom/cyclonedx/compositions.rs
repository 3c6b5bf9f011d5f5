//! What a document says about its own completeness.

use std::marker::PhantomData;

use serde::{Deserialize, Deserializer};

use super::super::Place;
use super::super::collect::Collector;
use crate::lenient::{AnyText, Entries, Fields};

/// The first aggregate of a document's compositions that says that parts are missing.
#[derive(Default)]
pub(super) struct Incomplete(Option<String>);

impl<'de> Deserialize<'de> for Incomplete {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut found = Self::default();
        deserializer.deserialize_any(Entries(
            |Composition(aggregate)| found.take(&aggregate.0),
            PhantomData,
        ))?;
        Ok(found)
    }
}

/// A composition's aggregate; empty if it has another form.
struct Composition<'a>(AnyText<'a>);

impl<'de> Deserialize<'de> for Composition<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut aggregate = AnyText::default();
        deserializer.deserialize_any(Fields(|key: &str, value: AnyText<'de>| {
            if key == "aggregate" {
                aggregate = value;
            }
        }))?;
        Ok(Self(aggregate))
    }
}

impl Incomplete {
    /// Adds an aggregate: `incomplete`, `incomplete_first_party_only` and others say that parts are missing.
    pub(super) fn take(&mut self, aggregate: &str) {
        let aggregate = aggregate.trim();
        if self.0.is_none() && aggregate.starts_with("incomplete") {
            self.0 = Some(aggregate.to_owned());
        }
    }

    /// Notes it.
    pub(super) fn note(&self, place: &Place, collector: &mut Collector) {
        if let Some(aggregate) = &self.0 {
            let text =
                format!("the document says that it is {aggregate}; what it leaves out was not checked");
            collector.note(place, text);
        }
    }
}
