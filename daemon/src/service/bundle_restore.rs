//! A bundle's data for a restored site: the state of its own log.

use starling_api::ServiceResult;
use starling_api_types as types;
use starling_api_types::{ErrorCode, LogOutcome, Problem};
use starling_protocol::bundle::BundleSeal;
use starling_protocol::{SiteId, UnixMillis, VerifiedHead};

use super::SiteParts;
use super::bundle_plan::{JudgedLog, Plan};
use super::problem::store_problem;
use crate::clock::now;
use crate::restore::{GoesOn, Hold, OwnLogWord};

/// A bundle's statement about this site's own log.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct OwnLogTold {
    /// The position up to which its exporter has it; `None` if the bundle does not say.
    reaches: Option<u64>,
    /// The position up to which its exporter holds the claims: those before the range, and the range.
    holds: Option<u64>,
    sealed_at: UnixMillis,
    /// True if the exporter's signature over the seal is valid.
    is_signed: bool,
}

impl OwnLogTold {
    pub(super) fn of(seal: &BundleSeal, own: SiteId, logs: &[JudgedLog]) -> Self {
        let sound = logs.iter().filter(|log| log.outcome != LogOutcome::Refused);
        let ranges = sound.filter(|log| log.range.site == own);
        let heads = seal
            .heads()
            .iter()
            .map(VerifiedHead::head)
            .filter(|head| head.site == own);
        let holds = ranges.map(|log| log.range.last).max();
        let reaches = heads.map(|head| head.number).chain(holds).max();
        Self {
            reaches: reaches.map(|number| number.0),
            holds: holds.map(|number| number.0),
            sealed_at: seal.sealed_at(),
            is_signed: seal.exporter().is_ok(),
        }
    }

    /// Returns true if it shows the exporter's state after the restore: it was sealed later, or has more data.
    fn is_news_to(&self, hold: &Hold) -> bool {
        self.sealed_at >= hold.since() || self.reaches > hold.held
    }
}

impl Plan {
    /// Same as [`refusal`](Self::refusal); for a restored site even a bundle without new data is useful.
    pub(super) fn refusal_at(&self, site: &SiteParts, params: types::ImportParams) -> Option<Problem> {
        let brings_nothing = |problem: &Problem| {
            matches!(
                problem.code,
                ErrorCode::BundleEmpty | ErrorCode::CursorNotAfterCurrent
            )
        };
        let is_heard = site.identity.restore.is_held() && self.own.reaches.is_some();
        self.refusal(params)
            .filter(|problem| !(is_heard && brings_nothing(problem)))
    }
}

impl SiteParts {
    /// Returns true if this site may accept unknown claims of its own from others.
    pub(super) fn takes_back_claims(&self) -> bool {
        let is_repaired = self.data.store.was_repaired().unwrap_or(true);
        self.identity.restore.is_held() || !(is_repaired || self.is_outdated())
    }

    /// Holds the site back if a bundle has claims of it that it does not know.
    pub(super) fn hold_if_behind(&self, plan: &Plan) -> ServiceResult<()> {
        if self.identity.restore.is_held() || !self.takes_back_claims() {
            return Ok(());
        }
        let log = self.data.store.log(self.own_log());
        let log = log.map_err(|error| store_problem("reading the site's own log", &error))?;
        let held = log.map_or(0, |log| log.tip.cursor.number.0);
        match plan.own.reaches {
            Some(reaches) if reaches > held => {
                let why =
                    format!("a bundle has claims of this site up to {reaches}, which this home did not know");
                tracing::warn!(why, "this home was restored from a backup, or copied");
                self.take_for_restored(&why)
            }
            _ => Ok(()),
        }
    }

    /// Records a bundle's statement about a restored site's own log, and continues if the site waited only for that.
    /// The caller holds the import lock.
    pub(super) fn hear_bundle(&self, plan: &Plan, report: &mut types::ImportReport) -> ServiceResult<()> {
        let Some(hold) = self.identity.restore.held() else {
            return Ok(());
        };
        let exporter = plan.exporter.as_ref().filter(|_| plan.own.is_signed);
        match (exporter, plan.own.reaches) {
            (Some(exporter), Some(reaches)) if plan.own.is_news_to(&hold) => {
                let word = OwnLogWord {
                    reaches: Some(reaches),
                    holds: plan.own.holds,
                };
                self.identity.restore
                    .hear(self.identity.home.path(), &exporter.site, word, now())?;
            }
            (Some(_), Some(_)) => report.warnings.push(format!(
                "it was sealed at {}, before this home was restored, and has nothing that was not here: have one \
                 exported now",
                plan.own.sealed_at
            )),
            (Some(_), None) => report.warnings.push(
                "it tells nothing of this site's own log, for which this restored site waits: have one exported \
                 without -c"
                    .to_owned(),
            ),
            (None, _) => {}
        }
        let ended = self.go_on(false)?;
        match (&ended, self.advice_on(&ended)) {
            (_, Some((why, advice))) => {
                let held = "this site was restored and signs nothing yet";
                report.warnings.push(format!("{held}: {why}; {advice}"));
            }
            (GoesOn::Now { epoch }, None) => report
                .warnings
                .push(format!("this restored site goes on under epoch {epoch}")),
            _ => {}
        }
        Ok(())
    }
}
