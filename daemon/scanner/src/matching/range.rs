//! One range of an entry: the places of its events in the order, and the subject's place between them.

use std::cmp::Ordering;

use super::doubt::{self, Doubt, begins_with, in_epoch_of};
use super::{Subject, WhyNot, git};
use crate::osv::{Event, Range, RangeKind};
use crate::version::{Scheme, Version};

/// A range's statement about a subject in it.
pub(super) struct Inside {
    pub(super) introduced: Option<String>,
    pub(super) until: Option<Event>,
    pub(super) fixed: Vec<(Version, String)>,
}

/// A place in the order where the state changes; `None` is before all versions.
#[derive(Clone)]
struct Point<'a> {
    version: Option<Version>,
    event: &'a Event,
}

pub(super) type Outside = (WhyNot, Vec<(Version, String)>);

/// Evaluates a subject against one range of an entry.
///
/// # Errors
/// [`Outside`]: why the range does not include the subject, and the fixes above it, as far as they are known.
pub(super) fn evaluate_range(range: &Range, subject: &Subject) -> Result<Inside, Outside> {
    let bare = |why| (why, Vec::new());
    if is_of_all_versions(range) || (subject.is_commit() && is_without_end(range)) {
        return Ok(Inside {
            introduced: Some("0".to_owned()),
            until: None,
            fixed: Vec::new(),
        });
    }
    if range.kind == RangeKind::Git {
        return git::evaluate(range, subject.commit(), subject.is_commit());
    }
    let Some(version) = subject.for_range(&range.kind) else {
        return Err(bare(why_without_version(range, subject)));
    };
    let places = Places::of(range, version).map_err(bare)?;
    let fixed_above = places.fixed_above(version);
    if places.is_near_an_end(subject, version) {
        return Err((WhyNot::EventsUnreadable, fixed_above));
    }
    let released = subject
        .released
        .as_ref()
        .filter(|_| range.kind == RangeKind::Ecosystem);
    let state = walk(&places.points, version, released);
    let is_before_limits = places.is_before_limits(version);
    if !is_before_limits || state.opened_by.is_none() {
        let doubt = is_before_limits
            .then(|| places.doubt(range, subject, version, released))
            .flatten();
        let why = doubt.unwrap_or_else(|| WhyNot::Outside {
            closed_by: state.closed_by.cloned(),
            next_introduced: state.next_introduced,
        });
        return Err((why, fixed_above));
    }
    let fixed = match &state.until {
        Some(Event::Fixed(text)) => fixed_above
            .into_iter()
            .filter(|(_, candidate)| candidate == text)
            .take(1)
            .collect(),
        _ => Vec::new(),
    };
    Ok(Inside {
        introduced: state.opened_by.map(str::to_owned),
        until: state.until.cloned(),
        fixed,
    })
}

/// Returns why a subject has no version that the range's order knows.
fn why_without_version(range: &Range, subject: &Subject) -> WhyNot {
    let is_known = match range.kind {
        RangeKind::SemVer => true,
        RangeKind::Ecosystem => subject.scheme.is_some(),
        RangeKind::Git | RangeKind::Other(_) => false,
    };
    if is_known {
        WhyNot::VersionUnreadable
    } else {
        WhyNot::NoOrder
    }
}

/// The events of a range that can be read, in the order of versions.
struct Places<'a> {
    points: Vec<Point<'a>>,
    limits: Vec<Version>,
    /// True if a version at which the range begins cannot be read.
    unread_introduced: bool,
    /// The numbers with which ends begin that are not versions.
    near: Vec<(Version, &'a str)>,
}

impl<'a> Places<'a> {
    /// Reads and sorts the events of a range, all of which must be comparable with `version`.
    fn of(range: &'a Range, version: &Version) -> Result<Self, WhyNot> {
        let mut places = Self {
            points: Vec::with_capacity(range.events.len()),
            limits: Vec::new(),
            unread_introduced: false,
            near: Vec::new(),
        };
        for event in &range.events {
            places.add(event, version);
        }
        let points = &mut places.points;
        if points.is_empty() {
            return Err(if range.events.is_empty() {
                WhyNot::NoBeginning
            } else {
                WhyNot::EventsUnreadable
            });
        }
        let has_place = |point: &Point<'_>| {
            let at = point.version.as_ref();
            at.is_none_or(|at| at.compare(version).is_some())
        };
        if !points.iter().all(has_place) {
            return Err(WhyNot::VersionUnreadable);
        }
        points.sort_by(order);
        Ok(places)
    }

    fn add(&mut self, event: &'a Event, version: &Version) {
        let (Event::Introduced(text) | Event::Fixed(text) | Event::LastAffected(text) | Event::Limit(text)) =
            event;
        match event {
            Event::Introduced(_) if text.trim() == "0" => self.points.push(Point { version: None, event }),
            Event::Limit(_) if text.trim() == "*" => {}
            _ => match placed(version.scheme(), text) {
                None => self.add_unplaced(event, version),
                Some(limit) if matches!(event, Event::Limit(_)) => self.limits.push(limit),
                Some(at) => self.points.push(Point {
                    version: Some(at),
                    event,
                }),
            },
        }
    }

    /// Adds an event that is not a version: an end at its numbers, if it begins with some.
    fn add_unplaced(&mut self, event: &'a Event, version: &Version) {
        match near(version.scheme(), text_of(event)) {
            _ if begins(event) => self.unread_introduced = true,
            Some((at, numbers)) if !matches!(event, Event::Limit(_)) => {
                self.near.push((at.clone(), numbers));
                self.points.push(Point {
                    version: Some(at),
                    event,
                });
            }
            _ => {}
        }
    }

    /// Returns true if a version has the numbers of an end that is not a version itself.
    fn is_near_an_end(&self, subject: &Subject, version: &Version) -> bool {
        self.near.iter().any(|(at, numbers)| {
            version.compare(at) == Some(Ordering::Equal) || begins_with(subject.text(), numbers)
        })
    }

    /// Returns the fixes at higher versions, the lowest first.
    fn fixed_above(&self, version: &Version) -> Vec<(Version, String)> {
        self.points
            .iter()
            .filter_map(|point| match (point.event, &point.version) {
                (Event::Fixed(text), Some(at)) if at.compare(version) == Some(Ordering::Greater) => {
                    Some((at.clone(), text.clone()))
                }
                _ => None,
            })
            .collect()
    }

    /// Returns true if the range's limits, if it has any, do not exclude a version.
    fn is_before_limits(&self, version: &Version) -> bool {
        self.limits.is_empty()
            || self
                .limits
                .iter()
                .any(|limit| version.compare(limit) == Some(Ordering::Less))
    }

    /// Returns why a version outside all intervals is not certainly unaffected; `None` if it is. Without an end more
    /// versions are affected, without a beginning fewer.
    fn doubt(
        &self,
        range: &Range,
        subject: &Subject,
        version: &Version,
        released: Option<&Version>,
    ) -> Option<WhyNot> {
        if self.unread_introduced {
            Some(WhyNot::EventsUnreadable)
        } else if !range.events.iter().any(begins) && !is_behind_all_ends(&self.points, version, released) {
            Some(WhyNot::NoBeginning)
        } else if is_in_doubt(range, subject, &self.points) {
            Some(WhyNot::VersionUnreadable)
        } else if contradicts(&self.points, version) {
            Some(WhyNot::EventsContradict)
        } else if self.is_open_without_prefixes(subject, version) {
            Some(WhyNot::EventsUnreadable)
        } else {
            None
        }
    }

    /// Returns true if a version without a text before its numbers is affected if the events have none either: `v2.0`
    /// comes before all numbers in some orders.
    fn is_open_without_prefixes(&self, subject: &Subject, version: &Version) -> bool {
        if matches!(subject.doubt, Doubt::Prefixed(_)) {
            return false;
        }
        let mut is_any = false;
        let bare = self.points.iter().map(|point| {
            let prefixed = point.version.as_ref().and_then(|at| bare_of(at, point.event));
            is_any |= prefixed.is_some();
            Point {
                version: prefixed.or_else(|| point.version.clone()),
                event: point.event,
            }
        });
        let mut bare: Vec<Point<'_>> = bare.collect();
        bare.sort_by(order);
        is_any && walk(&bare, version, None).opened_by.is_some()
    }
}

/// Returns the place of an event's text in an order; `None` if it is not one version, even if the order has a place for it.
pub(crate) fn placed(scheme: Scheme, text: &str) -> Option<Version> {
    let version = Version::parse(scheme, text).ok()?;
    (!doubt::is_no_version(text, &version)).then_some(version)
}

/// Returns the release with whose numbers a text begins that is not a version of Python, such as `2.6.0-NA`: whatever the
/// rest means, other releases come before or after it.
pub(crate) fn near(scheme: Scheme, text: &str) -> Option<(Version, &str)> {
    let text = text.trim();
    if scheme != Scheme::Pep440 || placed(scheme, text).is_some() {
        return None;
    }
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let numbers = text.get(..end)?.trim_end_matches('.');
    let is_one = Version::parse(scheme, text).is_ok_and(|read| !doubt::is_several(text, &read));
    let release = placed(scheme, numbers).filter(|_| is_one)?;
    Some((release, numbers))
}

/// Returns an event's version without the text before its numbers, if it has such a text.
fn bare_of(at: &Version, event: &Event) -> Option<Version> {
    match doubt::without_prefix(at.scheme(), text_of(event).trim()) {
        Doubt::Prefixed(bare) => Some(*bare),
        _ => None,
    }
}

fn text_of(event: &Event) -> &str {
    let (Event::Introduced(text) | Event::Fixed(text) | Event::LastAffected(text) | Event::Limit(text)) =
        event;
    text
}

/// What is wrong with the events of a range as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Contradiction {
    /// This version ends what nothing began.
    EndsNothing(String),
    /// This text stands before its numbers in the order.
    Prefixed(String),
    /// It begins and ends at one version.
    Empty,
}

/// Returns true if the events of a range may leave versions undecided.
pub(crate) fn leaves_some_undecided(events: &[Event], scheme: Scheme) -> bool {
    let is_near = |event: &Event| near(scheme, text_of(event)).is_some();
    events.iter().any(is_near)
        || contradiction_of(events, scheme).is_some_and(|found| found != Contradiction::Empty)
}

/// Returns what is wrong with the events of a range, as far as they are versions.
pub(crate) fn contradiction_of(events: &[Event], scheme: Scheme) -> Option<Contradiction> {
    let is_prefixed = |text: &str| doubt::without_prefix(scheme, text.trim()) != Doubt::None;
    // Most ranges have this form, which has one meaning.
    if let [
        Event::Introduced(first),
        Event::Fixed(end) | Event::LastAffected(end),
    ] = events
        && first.trim() == "0"
    {
        return is_prefixed(end).then(|| Contradiction::Prefixed(end.clone()));
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
    let prefixed = points
        .iter()
        .find(|point| point.version.is_some() && is_prefixed(text_of(point.event)));
    if let Some(prefixed) = prefixed {
        return Some(Contradiction::Prefixed(text_of(prefixed.event).to_owned()));
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

    /// Returns true if a version has the place of these events behind it.
    fn is_behind(&self, version: &Version) -> bool {
        self.0.first().is_some_and(|point| {
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
/// although nothing began; or the only interval ends before it begins.
fn contradicts(points: &[Point<'_>], version: &Version) -> bool {
    let (mut is_orphan, mut is_begun) = (false, false);
    let mut above = turns(points).skip_while(|turn| {
        let is_behind = turn.is_behind(version);
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

fn begins(event: &Event) -> bool {
    matches!(event, Event::Introduced(_))
}

/// Returns true if nothing ends at a higher version: everything that began before has ended.
fn is_behind_all_ends(points: &[Point<'_>], version: &Version, released: Option<&Version>) -> bool {
    let ends = points.iter().filter(|point| !begins(point.event));
    let mut sides = ends.filter_map(|point| {
        let at = point.version.as_ref()?;
        let side = at.compare(version);
        Some(match point.event {
            Event::LastAffected(_) => {
                side == Some(Ordering::Less)
                    && released.is_none_or(|released| at.compare(released) == Some(Ordering::Less))
            }
            _ => side != Some(Ordering::Greater),
        })
    });
    sides.all(|is_behind| is_behind)
}

/// Returns true if a version outside all intervals may still be affected.
fn is_in_doubt(range: &Range, subject: &Subject, points: &[Point<'_>]) -> bool {
    let texts = || {
        range.events.iter().map(|event| match event {
            Event::Introduced(text) | Event::Fixed(text) | Event::LastAffected(text) | Event::Limit(text) => {
                text
            }
        })
    };
    match &subject.doubt {
        Doubt::None => false,
        Doubt::NoVersion => true,
        Doubt::Newest(numbers) => texts().any(|text| begins_with(text, numbers)),
        Doubt::Prefixed(bare) => walk(points, bare, None).opened_by.is_some(),
        Doubt::Epoch(_) if range.kind != RangeKind::Ecosystem => false,
        Doubt::Epoch(bare) if !texts().any(|text| text.contains(':')) => {
            walk(points, bare, None).opened_by.is_some()
        }
        Doubt::Epoch(_) => in_epoch_of(texts().map(String::as_str), subject.text())
            .is_some_and(|version| walk(points, &version, None).opened_by.is_some()),
    }
}

/// Returns true if a range affects every version, so that the version need not be known. A range of commits does so
/// for commits only; its entry has other rules for versions, or none.
pub(crate) fn is_of_all_versions(range: &Range) -> bool {
    range.kind != RangeKind::Git && is_without_end(range)
}

fn is_without_end(range: &Range) -> bool {
    let opens = |event: &Event| matches!(event, Event::Introduced(text) if text.trim() == "0");
    let is_no_end = |event: &Event| matches!(event, Event::Limit(text) if text.trim() == "*");
    range.events.iter().any(opens) && range.events.iter().all(|event| opens(event) || is_no_end(event))
}

/// By version; at one version, `last_affected` acts after the others.
fn order(a: &Point<'_>, b: &Point<'_>) -> Ordering {
    let rank = |point: &Point<'_>| u8::from(matches!(point.event, Event::LastAffected(_)));
    let versions = match (&a.version, &b.version) {
        (None, None) => Ordering::Equal,
        (None, Some(_)) => Ordering::Less,
        (Some(_), None) => Ordering::Greater,
        (Some(a), Some(b)) => a.compare(b).unwrap_or(Ordering::Equal),
    };
    versions.then_with(|| rank(a).cmp(&rank(b)))
}

#[derive(Default)]
struct State<'a> {
    opened_by: Option<&'a str>,
    closed_by: Option<&'a Event>,
    until: Option<&'a Event>,
    next_introduced: Option<String>,
}

/// Applies the points at or below `version` in order, then finds the next ones above. A version that equals
/// `last_affected` without a rebuild's suffix (`released`) is affected.
fn walk<'a>(points: &'a [Point<'a>], version: &Version, released: Option<&Version>) -> State<'a> {
    let mut state = State::default();
    let mut rest = points;
    while let Some(first) = rest.first() {
        let group = rest
            .iter()
            .take_while(|point| order(first, point).is_eq())
            .count();
        let (group, after) = rest.split_at(group);
        let below = match &first.version {
            None => true,
            Some(at) => match at.compare(version) {
                Some(Ordering::Less) => match first.event {
                    Event::LastAffected(_) => {
                        released.is_none_or(|released| at.compare(released) != Some(Ordering::Equal))
                    }
                    _ => true,
                },
                Some(Ordering::Equal) => !matches!(first.event, Event::LastAffected(_)),
                _ => false,
            },
        };
        if !below {
            break;
        }
        let introduced = group.iter().find_map(|point| match point.event {
            Event::Introduced(text) => Some(text.as_str()),
            _ => None,
        });
        let closing = group
            .iter()
            .find(|point| !matches!(point.event, Event::Introduced(_)));
        match (introduced, closing) {
            (Some(text), None) => {
                state.opened_by = state.opened_by.or(Some(text));
                state.closed_by = None;
            }
            (None, Some(point)) => {
                let was_open = state.opened_by.take().is_some();
                if was_open || state.closed_by.is_none() {
                    state.closed_by = Some(point.event);
                }
            }
            // Both at one version: the state continues.
            _ => {}
        }
        rest = after;
    }
    if state.opened_by.is_some() {
        state.until = rest
            .iter()
            .map(|point| point.event)
            .find(|e| !matches!(e, Event::Introduced(_)));
    } else {
        state.next_introduced = rest.iter().find_map(|point| match point.event {
            Event::Introduced(text) => Some(text.clone()),
            _ => None,
        });
    }
    state
}
