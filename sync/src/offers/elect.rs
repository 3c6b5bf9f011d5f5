//! The election: a pure function of the offers and of how long their authors have been quiet.

use starling_protocol::SiteId;

/// Intervals of a site's schedule without an advance of its check after which the next site takes over.
pub const INTERVALS: u64 = 3;
/// Intervals of its own schedule after which a site whose fetches fail tries again while another one fetches.
pub const PROBE_INTERVALS: u64 = 4;
/// Failures in a row from which on a site does not count as healthy.
const FAILURES: u32 = 2;
/// Longest schedule that counts, in milliseconds: a site that names a longer one would never be overdue.
const MAX_EVERY_MS: u64 = 30 * 24 * 3_600_000;
/// Heads are signed at least this often, in milliseconds: a site that is quiet for less is not taken for gone.
const SIGNED_EVERY_MS: u64 = 6 * 3_600_000;

/// Returns true if a feed with so many failures in a row, and no input that waits for approval, is healthy.
///
/// One failure is none: the next run is soon. So a site that fails every other time stays what it is, and a site that
/// lost its turn gets it back by a success, which it tries for every [`PROBE_INTERVALS`] intervals.
#[must_use]
pub const fn is_healthy(failures: u32, is_suspect: bool) -> bool {
    failures < FAILURES && !is_suspect
}

/// A site that offers to fetch one source, as another site sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate {
    /// The site.
    pub site: SiteId,
    /// The interval of its fetches, in milliseconds.
    pub every_ms: u64,
    /// True if its fetches go well, as it says.
    pub is_healthy: bool,
    /// Milliseconds on the observer's clock since its check of the source last advanced, or since it is observed.
    pub quiet_ms: u64,
    /// The same since its newest head changed in any way.
    pub silent_ms: u64,
}

/// The reason why a site fetches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// No other site offers to.
    Alone,
    /// It is the first of the sites that offer to.
    First,
    /// The sites before it did not fetch in time; the first of them is named.
    Overdue(SiteId),
    /// No site that offers to is healthy, so each tries.
    NobodyHealthy,
}

/// The role of a site for a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It fetches.
    Fetch(Reason),
    /// Another site fetches.
    StandBy {
        /// The site that fetches.
        leader: SiteId,
        /// Milliseconds on the own clock since its check advanced, or since it is observed.
        quiet_ms: u64,
        /// The first site whose turn is over, if that is why.
        overdue: Option<SiteId>,
    },
    /// As standing by, but the own fetches fail: it tries again every [`PROBE_INTERVALS`] intervals, to learn when
    /// they do not.
    Probe {
        /// The site that fetches.
        leader: SiteId,
        /// As for standing by.
        quiet_ms: u64,
        /// As for standing by.
        overdue: Option<SiteId>,
    },
}

/// Decides what the site of `own` does about a source that `others` offer to fetch as well.
///
/// Healthy sites take turns: the one with the shortest schedule first, of equal ones the least id. A turn ends when the
/// site's check has not advanced for [`INTERVALS`] of its schedule since the turn began, or its head for as long; then
/// the next one's begins. A site never ends its own turn: whoever tries may be about to succeed.
#[must_use]
pub fn elect(own: &Candidate, others: &[Candidate]) -> Role {
    let mut turns: Vec<&Candidate> = others.iter().filter(|other| other.site != own.site).collect();
    if turns.is_empty() {
        return Role::Fetch(Reason::Alone);
    }
    turns.push(own);
    turns.retain(|candidate| candidate.is_healthy);
    turns.sort_by_key(|candidate| (candidate.every_ms, candidate.site));
    // Milliseconds since the end of the earlier turns.
    let mut ended_ms = None;
    let mut overdue = None;
    for candidate in &turns {
        if candidate.site == own.site {
            return Role::Fetch(overdue.map_or(Reason::First, Reason::Overdue));
        }
        let quiet_ms = ended_ms.map_or(candidate.quiet_ms, |ended: u64| ended.min(candidate.quiet_ms));
        match overdue_ms(candidate, quiet_ms) {
            Some(late_ms) => {
                ended_ms = Some(ended_ms.map_or(late_ms, |ended| ended.min(late_ms)));
                overdue.get_or_insert(candidate.site);
            }
            None => {
                let (leader, quiet_ms) = (candidate.site, candidate.quiet_ms);
                return if own.is_healthy {
                    Role::StandBy {
                        leader,
                        quiet_ms,
                        overdue,
                    }
                } else {
                    Role::Probe {
                        leader,
                        quiet_ms,
                        overdue,
                    }
                };
            }
        }
    }
    // Its own fetches fail: it is the turn of no other site that says that its do not.
    Role::Fetch(overdue.map_or(Reason::NobodyHealthy, Reason::Overdue))
}

/// Returns how long ago a turn ended in which the check has been quiet for so long, if it did.
fn overdue_ms(candidate: &Candidate, quiet_ms: u64) -> Option<u64> {
    let every_ms = candidate.every_ms.min(MAX_EVERY_MS);
    let late = quiet_ms.checked_sub(every_ms.saturating_mul(INTERVALS));
    let patience = every_ms.max(SIGNED_EVERY_MS).saturating_mul(INTERVALS);
    late.max(candidate.silent_ms.checked_sub(patience))
}
