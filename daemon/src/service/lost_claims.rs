//! Claims that are known to be lost here: what a repair of the site's log left out, and what this site signed and does
//! not hold.

use starling_api_types as types;
use starling_store::{LossCause, LostClaims, StoreError};

use super::SiteParts;

/// What to do about lost claims of this site's own log.
const OWN_ADVICE: &str = "let `starling up` reach a listed site that has them, or import a bundle of one, exported without --to and -c: they come \
     back, and the site signs again. If no site has them, or they are back and the site still does not sign, run `starling \
     restore`; on a site without peers, `starling restore --alone --yes`. Both need the root key in keys/root.key. Then \
     import each source completely again";

/// Describes the claims in the status.
pub(super) fn lost_text(lost: &LostClaims) -> String {
    let author = lost
        .author
        .as_ref()
        .map_or_else(|| lost.log.site.to_string(), ToString::to_string);
    let first = lost.held.0.saturating_add(1);
    format!("claims {first} to {} of {author}", lost.last.0)
}

/// Describes the claims in a verdict, with the reason why they count.
pub(super) fn lost_reason(lost: &LostClaims) -> String {
    let why = match lost.cause {
        LossCause::Repaired | LossCause::Restored => "which were here before",
        LossCause::Replaced => "on the branch that its certificate names, which still arrives",
    };
    format!("{}, {why}", lost_text(lost))
}

impl SiteParts {
    /// Returns why this site does not sign if its own log lost claims and it is not held back yet.
    pub(crate) fn own_log_lost(&self) -> Option<types::RestoreStatus> {
        let own = self.own_log().site;
        let lost = self.data.store.lost_claims().unwrap_or_default();
        let lost: Vec<String> = lost
            .iter()
            .filter(|lost| lost.log.site == own)
            .map(lost_text)
            .collect();
        (!lost.is_empty()).then(|| types::RestoreStatus {
            phase: types::RestorePhase::LogLost,
            since: None,
            reason: format!(
                "its own log lost its end: {} were signed, as far as known, and are not here, so that no scan uses what they say",
                lost.join(" and ")
            ),
            waits_for: "it waits for peers or bundles to bring them back".to_owned(),
            advice: OWN_ADVICE.to_owned(),
            heard: Vec::new(),
        })
    }

    /// Describes the claims that were here and that a repair left out.
    pub(super) fn lost_by_repair(&self) -> Result<Vec<String>, StoreError> {
        let lost = self.data.store.lost_claims()?;
        Ok(lost
            .iter()
            .filter(|lost| lost.by_repair())
            .map(lost_text)
            .collect())
    }

    /// Describes the claims of other sites that were here and are lost, and what to do; `None` if none are.
    pub(super) fn others_lost(&self) -> Option<String> {
        let own = self.own_log().site;
        let lost = match self.data.store.lost_claims() {
            Ok(lost) => lost,
            Err(error) => return Some(crate::home::error_chain(&error)),
        };
        let of_others = lost.iter().filter(|lost| lost.log.site != own);
        let (arriving, lost): (Vec<_>, Vec<_>) =
            of_others.partition(|lost| lost.cause == LossCause::Replaced);
        let names = |lost: &[&LostClaims]| -> String {
            let texts: Vec<String> = lost.iter().map(|lost| lost_text(lost)).collect();
            texts.join(", ")
        };
        let lost = (!lost.is_empty()).then(|| {
            format!(
                "{} were here and are lost, so that no scan uses what they say: let `starling up` reach a site that has them, or \
                 import a bundle of one, exported without --to; if nobody has them any more, `starling sites remove` gives up \
                 all that the author says",
                names(&lost)
            )
        });
        let arriving = (!arriving.is_empty()).then(|| {
            format!(
                "{} replace a branch that their author's certificate ended, and still arrive: no scan uses what they say. Let \
                 `starling up` reach a site that has them, or import a bundle of the whole log",
                names(&arriving)
            )
        });
        let all: Vec<String> = lost.into_iter().chain(arriving).collect();
        (!all.is_empty()).then(|| all.join("; "))
    }
}
