//! One range of an entry: the places of its events in the order, and the subject's place between them.

use std::cmp::Ordering;

use super::bound::{self, Bound};
use super::doubt::{Doubt, begins_with, in_epoch_of};
use super::events::contradicts;
use super::{Subject, WhyNot, git, is_semver};
use crate::osv::{Event, Range, RangeKind};
use crate::version::{Scheme, Version};

/// A range's statement about a subject in it.
pub(super) struct Inside {
    pub(super) introduced: Option<String>,
    pub(super) until: Option<Event>,
    pub(super) fixed: Vec<(Version, String)>,
}

/// A place in the order where the state changes; `None` is before all versions.
pub(super) struct Point<'a> {
    pub(super) version: Option<Version>,
    pub(super) event: &'a Event,
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
    let places = Places::of(range, version, subject.compared()).map_err(bare)?;
    let fixed_above = places.fixed_above(version);
    let released = subject
        .released
        .as_ref()
        .filter(|released| released.scheme() == version.scheme());
    let state = walk(&places.points, version, released);
    let is_before_limits = places.is_before_limits(version);
    if !is_before_limits || state.opened_by.is_none() {
        let doubt = if is_before_limits {
            places.doubt(range, subject, version, released)
        } else {
            places.doubt_behind_limits(range, subject)
        };
        let doubt = doubt.or_else(|| {
            let is_inside = range.kind == RangeKind::SemVer && is_inside_by_own_order(range, subject);
            is_inside.then_some(WhyNot::VersionUnreadable)
        });
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

/// Returns true if the order of the subject's ecosystem, which is not that of the range's type, has it in the range.
fn is_inside_by_own_order(range: &Range, subject: &Subject) -> bool {
    let own = subject.own.as_ref().filter(|own| !is_semver(own.scheme()));
    own.is_some_and(|own| {
        Places::of(range, own, subject.compared()).is_ok_and(|places| {
            places.is_before_limits(own) && walk(&places.points, own, None).opened_by.is_some()
        })
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
    /// True if an event is at a version with the first numbers of the subject, which may be before or after it.
    is_near: bool,
}

impl<'a> Places<'a> {
    /// Reads and sorts the events of a range, all of which must be comparable with `version`, the subject's.
    fn of(range: &'a Range, version: &Version, subject: &str) -> Result<Self, WhyNot> {
        let mut places = Self {
            points: Vec::with_capacity(range.events.len()),
            limits: Vec::new(),
            unread_introduced: false,
            is_near: false,
        };
        for event in &range.events {
            places.add(event, version.scheme(), subject);
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

    fn add(&mut self, event: &'a Event, scheme: Scheme, subject: &str) {
        let (Event::Introduced(text) | Event::Fixed(text) | Event::LastAffected(text) | Event::Limit(text)) =
            event;
        let at = match event {
            Event::Introduced(_) if text.trim() == "0" => {
                return self.points.push(Point { version: None, event });
            }
            Event::Limit(_) if text.trim() == "*" => return,
            _ => match Bound::of(scheme, text, subject) {
                Bound::At(at) => at,
                Bound::Near(at, numbers) => {
                    self.is_near |= bound::begins_with(subject, &numbers);
                    at
                }
                Bound::Unread => return self.unread_introduced |= begins(event),
            },
        };
        match event {
            Event::Limit(_) => self.limits.push(at),
            _ => self.points.push(Point {
                version: Some(at),
                event,
            }),
        }
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

    /// Returns why a subject behind the limits is not certainly unaffected: its place there may show nothing.
    fn doubt_behind_limits(&self, range: &Range, subject: &Subject) -> Option<WhyNot> {
        let may_be_before = match &subject.doubt {
            Doubt::Prefixed(bare) | Doubt::Epoch(bare) => self.is_before_limits(bare),
            Doubt::Marked(marked) => self.is_before_limits(&marked.bare),
            Doubt::None | Doubt::NoVersion | Doubt::Newest(_) => true,
        };
        (may_be_before && is_in_doubt(range, subject, &self.points)).then_some(WhyNot::VersionUnreadable)
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
        if self.unread_introduced || self.is_near {
            Some(WhyNot::EventsUnreadable)
        } else if !range.events.iter().any(begins) && !is_behind_all_ends(&self.points, version, released) {
            Some(WhyNot::NoBeginning)
        } else if is_in_doubt(range, subject, &self.points) {
            Some(WhyNot::VersionUnreadable)
        } else if contradicts(&self.points, version, released) {
            Some(WhyNot::EventsContradict)
        } else {
            None
        }
    }
}

pub(super) fn begins(event: &Event) -> bool {
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
        // Versions that all begin with a word have an order among each other.
        Doubt::Prefixed(_)
            if texts().all(|text| text.trim() == "0" || bound::are_named_alike(subject.compared(), text)) =>
        {
            false
        }
        Doubt::Prefixed(_) if texts().any(|text| bound::has_prefix(text)) => true,
        Doubt::Prefixed(bare) => walk(points, bare, None).opened_by.is_some(),
        Doubt::Marked(marked) => {
            !texts().any(|text| text.contains(&marked.mark))
                && walk(points, &marked.bare, None).opened_by.is_some()
        }
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
pub(super) fn order(a: &Point<'_>, b: &Point<'_>) -> Ordering {
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
