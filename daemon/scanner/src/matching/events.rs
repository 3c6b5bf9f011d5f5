//! The events of a range as a whole: their places in an order, and what they contradict.

use std::cmp::Ordering;

use super::bound::Bound;
use super::doubt;
use super::range::{Point, begins, order};
use crate::osv::Event;
use crate::version::{Scheme, Version};

/// A version that begins with a number, as most do: a text is read for it.
const NUMBERED: &str = "0";

/// Returns the place of an event's text in an order; `None` if it is not one version, even if the order has a place for it.
/// Names of releases have one for versions that are names, too.
pub(crate) fn placed(scheme: Scheme, text: &str) -> Option<Version> {
    match Bound::of(scheme, text, NUMBERED) {
        Bound::At(version) => Some(version),
        Bound::Near(..) => None,
        Bound::Unread => match Bound::of(scheme, text, text) {
            Bound::At(version) => Some(version).filter(|version| !doubt::is_no_version(text, version)),
            Bound::Near(..) | Bound::Unread => None,
        },
    }
}

/// Returns true if an event's text has a place for versions that are names only.
pub(crate) fn is_name(scheme: Scheme, text: &str) -> bool {
    placed(scheme, text).is_some() && matches!(Bound::of(scheme, text, NUMBERED), Bound::Unread)
}

/// Returns true if a text begins with the numbers of a release and is not a version of Python, such as `2.6.0-NA`: whatever the
/// rest means, other releases come before or after it.
pub(crate) fn is_near(scheme: Scheme, text: &str) -> bool {
    matches!(Bound::of(scheme, text, NUMBERED), Bound::Near(..))
}

fn text_of(event: &Event) -> &str {
    let (Event::Introduced(text) | Event::Fixed(text) | Event::LastAffected(text) | Event::Limit(text)) =
        event;
    text
}

/// A fault of a range's events as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Contradiction {
    /// This version ends what nothing began.
    EndsNothing(String),
    /// It begins and ends at one version.
    Empty,
}

/// Returns true if the events of a range may leave versions undecided.
pub(crate) fn leaves_some_undecided(events: &[Event], scheme: Scheme) -> bool {
    events.iter().any(|event| is_near(scheme, text_of(event)))
        || contradiction_of(events, scheme).is_some_and(|found| found != Contradiction::Empty)
}

/// Returns what is wrong with the events of a range, as far as they are versions.
pub(crate) fn contradiction_of(events: &[Event], scheme: Scheme) -> Option<Contradiction> {
    // Most ranges have this form, which has one meaning.
    if let [Event::Introduced(first), Event::Fixed(_) | Event::LastAffected(_)] = events
        && first.trim() == "0"
    {
        return None;
    }
    let mut points = Vec::with_capacity(events.len());
    for event in events.iter().filter(|event| !matches!(event, Event::Limit(_))) {
        let text = text_of(event);
        let version = match event {
            Event::Introduced(_) if text.trim() == "0" => None,
            _ => match placed(scheme, text) {
                Some(version) => Some(version),
                None => continue,
            },
        };
        points.push(Point { version, event });
    }
    points.sort_by(order);
    let mut is_open = false;
    for turn in turns(&points) {
        if turn.ends() && !is_open {
            let end = turn.0.first().map(|point| text_of(point.event).to_owned());
            return end.map(Contradiction::EndsNothing);
        }
        is_open = !turn.ends();
    }
    let is_empty = turns(&points).next().is_none() && points.iter().any(|point| begins(point.event));
    is_empty.then_some(Contradiction::Empty)
}

/// Events at one place of the order, of which only one kind has an effect.
struct Turn<'p, 'a>(&'p [Point<'a>]);

impl Turn<'_, '_> {
    fn ends(&self) -> bool {
        self.0.iter().any(|point| !begins(point.event))
    }

    /// Returns true if a version has the place of these events behind it. One without a rebuild's suffix (`released`) is not
    /// behind itself as the last affected version.
    fn is_behind(&self, version: &Version, released: Option<&Version>) -> bool {
        self.0.first().is_some_and(|point| {
            let is_release = |at: &Version| {
                matches!(point.event, Event::LastAffected(_))
                    && released.is_some_and(|released| at.compare(released) == Some(Ordering::Equal))
            };
            if point.version.as_ref().is_some_and(is_release) {
                return false;
            }
            let side = point.version.as_ref().map(|at| at.compare(version));
            match side {
                None | Some(Some(Ordering::Less)) => true,
                Some(Some(Ordering::Equal)) => !matches!(point.event, Event::LastAffected(_)),
                Some(_) => false,
            }
        })
    }
}

/// Returns the changes of state of sorted events. Beginnings and ends at one version cancel each other.
fn turns<'p, 'a>(points: &'p [Point<'a>]) -> impl Iterator<Item = Turn<'p, 'a>> {
    let places = points.chunk_by(|one, next| order(one, next).is_eq());
    places
        .filter(|place| {
            place.iter().all(|point| begins(point.event)) || !place.iter().any(|point| begins(point.event))
        })
        .map(Turn)
}

/// Returns true if the events do not tell whether a version outside of all intervals is affected: the next change is an end,
/// although nothing began, as in NVD's lists of versions, which become several last affected ones after one beginning; or the
/// only interval ends before it begins.
pub(super) fn contradicts(points: &[Point<'_>], version: &Version, released: Option<&Version>) -> bool {
    let (mut is_orphan, mut is_begun) = (false, false);
    let mut above = turns(points).skip_while(|turn| {
        let is_behind = turn.is_behind(version, released);
        if is_behind {
            is_begun |= !turn.ends();
            is_orphan |= turn.ends() && !is_begun;
        }
        is_behind
    });
    let Some(next) = above.next() else { return false };
    let is_last = above.all(|turn| !turn.ends());
    next.ends() || (is_last && is_orphan && !is_begun)
}
