//! Policies that ask what the site does not know: exploitation without a catalogue, probabilities without a source.

use crate::condition::Condition;
use crate::policy::Policy;
use crate::terms::{Action, Reason, ReasonCode};
use crate::verdict::JudgedFinding;

/// Adds a reason for each kind of knowledge that failing conditions ask for and that no finding has: such a condition
/// never holds, so that the gate looks stricter than it is.
pub(crate) fn threat_reasons(policy: &Policy, findings: &[JudgedFinding], reasons: &mut Vec<Reason>) {
    let rules = policy.rules.iter().filter(|rule| rule.action == Action::Fail);
    let failing: Vec<&Condition> = policy.fail.iter().chain(rules.map(|rule| &rule.when)).collect();
    let open = findings.iter().filter(|one| one.action != Action::Fail).count();
    if open == 0 {
        return;
    }
    let asks_kev = failing.iter().any(|condition| condition.kev.is_some());
    if asks_kev && findings.iter().all(|one| one.finding.threat.kev.is_none()) {
        reasons.push(unknown(
            open,
            "kev",
            "no catalogue of exploited vulnerabilities is here",
            "import or fetch CISA's as the source kev",
        ));
    }
    let asks_epss = failing
        .iter()
        .any(|condition| condition.epss.is_some() || condition.epss_below.is_some());
    if asks_epss && findings.iter().all(|one| one.finding.threat.epss.is_none()) {
        reasons.push(unknown(
            open,
            "epss",
            "none of the findings has a probability of exploitation",
            "import or fetch EPSS as the source epss",
        ));
    }
}

fn unknown(open: usize, key: &str, why: &str, remedy: &str) -> Reason {
    let (findings, are) = if open == 1 {
        ("finding", "does")
    } else {
        ("findings", "do")
    };
    Reason {
        code: ReasonCode::ThreatsUnknown,
        text: format!(
            "the policy fails findings by `{key}`, which {open} {findings} that {are} not fail cannot be judged by: {why}; {remedy}"
        ),
    }
}
