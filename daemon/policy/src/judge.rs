//! What policy does about one finding: the site's rules first, then what suppliers say, then its thresholds.

use std::collections::BTreeMap;

use serde::Serialize;
use starling_protocol::UnixMillis;
use starling_scanner::scan::Finding;

use crate::condition::Circumstances;
use crate::policy::{FailOn, Policy};
use crate::rego::{RegoDecision, RegoDecisions, RegoReport};
use crate::rule::{RuleReport, RuleState};
use crate::verdict::Action;
use crate::vex::{VexDocument, VexIndex, VexReport};

/// What decided about a finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Cause {
    /// What sort of thing it is.
    pub kind: CauseKind,
    /// Which one: the rule's id, the threshold's level, the condition's place.
    pub id: String,
    /// Why, as its owner wrote it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What sort of thing decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CauseKind {
    /// A severity threshold, by flag or configuration.
    Severity,
    /// A condition in the policy's `fail` or `warn`.
    Condition,
    /// A rule.
    Rule,
    /// A decision of the Rego policy; its id is the one that the policy gives.
    Rego,
    /// A VEX statement; its id is the document's hash.
    Vex,
}

/// Judges the findings of one scan, and counts what each rule did.
#[derive(Debug)]
pub(crate) struct Judge<'a> {
    policy: &'a Policy,
    circumstances: Circumstances<'a>,
    rules: Vec<RuleReport>,
    vex: VexIndex<'a>,
    rego: Option<RegoReport>,
    decisions: BTreeMap<usize, &'a RegoDecision>,
}

impl<'a> Judge<'a> {
    pub(crate) fn new(
        policy: &'a Policy,
        vex: &'a [VexDocument],
        rego: Option<&'a RegoDecisions>,
        subject: Option<&'a str>,
        as_of: UnixMillis,
    ) -> Self {
        let report = |rule: &crate::rule::Rule| RuleReport {
            id: rule.id.clone(),
            state: rule.state(as_of, policy.expiry_notice_seconds),
            matched: 0,
            owner: rule.owner.clone(),
            expires: rule.expires,
        };
        Self {
            policy,
            circumstances: Circumstances { subject, as_of },
            rules: policy.rules.iter().map(report).collect(),
            vex: VexIndex::of(vex),
            rego: rego.map(RegoReport::of),
            decisions: rego.map(RegoDecisions::by_finding).unwrap_or_default(),
        }
    }

    /// Decides about the finding of this index in the scan's result.
    pub(crate) fn judge_at(&mut self, index: usize, finding: &Finding) -> (Action, Option<Cause>) {
        for (rule, report) in self.policy.rules.iter().zip(&mut self.rules) {
            if !rule.when.holds(finding, &self.circumstances) {
                continue;
            }
            report.matched += 1;
            if report.state != RuleState::Expired {
                let cause = Cause {
                    kind: CauseKind::Rule,
                    id: rule.id.clone(),
                    reason: Some(rule.reason.clone()),
                };
                return (rule.action, Some(cause));
            }
        }
        if let Some(decision) = self.decisions.get(&index) {
            if let Some(report) = &mut self.rego {
                report.matched += 1;
            }
            let cause = Cause {
                kind: CauseKind::Rego,
                id: decision.id.clone(),
                reason: decision.reason.clone(),
            };
            return (decision.action, Some(cause));
        }
        if let Some((statement, document)) = self.vex.settle(finding) {
            let status = statement.status.as_str();
            let cause = Cause {
                kind: CauseKind::Vex,
                id: document,
                reason: Some(match &statement.why {
                    Some(why) => format!("{status}: {why}"),
                    None => status.to_owned(),
                }),
            };
            return (Action::Ignore, Some(cause));
        }
        let policy = self.policy;
        let lists = [
            (Action::Fail, policy.fail_on, &policy.fail, "fail"),
            (Action::Warn, policy.warn_on, &policy.warn, "warn"),
        ];
        for (action, threshold, conditions, name) in lists {
            if let Some(cause) = reached(threshold, finding) {
                return (action, Some(cause));
            }
            let held = conditions
                .iter()
                .position(|condition| condition.holds(finding, &self.circumstances));
            if let Some(index) = held {
                let cause = Cause {
                    kind: CauseKind::Condition,
                    id: format!("{name}[{index}]"),
                    reason: None,
                };
                return (action, Some(cause));
            }
        }
        (Action::Ignore, None)
    }

    /// What came of each rule, each VEX document, in the order given, and of the Rego policy.
    pub(crate) fn into_reports(self) -> (Vec<RuleReport>, Vec<VexReport>, Option<RegoReport>) {
        (self.rules, self.vex.into_reports(), self.rego)
    }
}

fn reached(threshold: Option<FailOn>, finding: &Finding) -> Option<Cause> {
    let threshold = threshold.filter(|threshold| threshold.is_reached_by(finding.severity.level))?;
    Some(Cause {
        kind: CauseKind::Severity,
        id: threshold.as_str().to_owned(),
        reason: None,
    })
}
