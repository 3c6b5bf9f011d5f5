//! Decides about single findings: the site's rules first, then its Rego policy, then the mutes, then VEX statements,
//! then the thresholds.

use std::collections::BTreeMap;

use starling_documents::mutes::Mutes;
use starling_protocol::UnixMillis;
use starling_scanner::fix::FixState;
use starling_scanner::scan::Finding;
use starling_scanner::severity::Level;

use crate::condition::Circumstances;
use crate::mute::{MuteIndex, MuteReport, Names};
use crate::policy::Policy;
use crate::rego::{RegoDecision, RegoDecisions, RegoReport};
use crate::rule::{RuleReport, RuleState};
use crate::terms::{Action, Cause, CauseKind, Expiry, FailOn, Fix};
use crate::vex::{VexIndex, VexReport};

/// Decides about the findings of one scan, and counts each rule's decisions.
#[derive(Debug)]
pub(crate) struct Judge<'a> {
    policy: &'a Policy,
    circumstances: Circumstances<'a>,
    rules: Vec<RuleReport>,
    mutes: MuteIndex<'a>,
    vex: VexIndex<'a>,
    rego: Option<RegoReport>,
    decisions: BTreeMap<usize, &'a RegoDecision>,
}

/// The results of everything that can decide, except thresholds, each in its given order.
#[derive(Debug)]
pub(crate) struct Reports {
    pub(crate) rules: Vec<RuleReport>,
    pub(crate) rego: Option<RegoReport>,
    pub(crate) mutes: Vec<MuteReport>,
    pub(crate) vex: Vec<VexReport>,
}

impl<'a> Judge<'a> {
    pub(crate) fn new(
        policy: &'a Policy,
        mutes: &'a Mutes,
        vex: VexIndex<'a>,
        rego: Option<&'a RegoDecisions>,
        sbom: Names<'a>,
        as_of: UnixMillis,
    ) -> Self {
        let subject = sbom.subject;
        let report = |rule: &crate::rule::Rule| RuleReport {
            id: rule.id.clone(),
            state: rule.state(as_of, policy.expiry_notice_seconds),
            matched: 0,
            owner: rule.owner.clone(),
            expires: rule.expires,
        };
        Self {
            policy,
            circumstances: Circumstances {
                subject,
                as_of,
                fix: Fix::None,
                excuses: false,
            },
            rules: policy.rules.iter().map(report).collect(),
            mutes: MuteIndex::new(mutes, sbom, as_of, policy.expiry_notice_seconds),
            vex,
            rego: rego.map(RegoReport::of),
            decisions: rego.map(RegoDecisions::by_finding).unwrap_or_default(),
        }
    }

    /// Returns the state of the finding's fix.
    pub(crate) fn fix_of(&self, finding: &Finding) -> Fix {
        if !finding.fixed.is_empty() {
            return Fix::Available;
        }
        match finding.fix_state() {
            Some(FixState::EndOfLife) => Fix::EndOfLife,
            Some(FixState::WillNotFix) => Fix::WontFix,
            _ if self.vex.will_not_fix(finding) => Fix::WontFix,
            _ => Fix::None,
        }
    }

    /// Decides about the finding with this index in the scan's result.
    pub(crate) fn judge_at(&mut self, index: usize, finding: &Finding, fix: Fix) -> (Action, Option<Cause>) {
        let circumstances = Circumstances {
            fix,
            ..self.circumstances
        };
        for (rule, report) in self.policy.rules.iter().zip(&mut self.rules) {
            let circumstances = Circumstances {
                // A rule may ignore a finding that would fail otherwise.
                excuses: rule.action != Action::Fail,
                ..circumstances
            };
            if !rule.when.holds(finding, &circumstances) {
                continue;
            }
            report.matched += 1;
            if report.state != RuleState::Expired {
                let cause = Cause::new(CauseKind::Rule, rule.id.clone(), Some(rule.reason.clone()));
                return (rule.action, Some(cause));
            }
        }
        if let Some(decision) = self.decisions.get(&index) {
            if let Some(report) = &mut self.rego {
                report.matched += 1;
            }
            let cause = Cause::new(CauseKind::Rego, decision.id.clone(), decision.reason.clone());
            return (decision.action, Some(cause));
        }
        if let Some(mute) = self.mutes.settle(finding) {
            let text = &mute.text;
            let cause = Cause {
                by: Some(text.by.clone()),
                site: Some(mute.site.to_string()),
                until: text.until.map(Expiry),
                ..Cause::new(CauseKind::Mute, mute.id.to_string(), Some(text.reason.clone()))
            };
            return (Action::Ignore, Some(cause));
        }
        if let Some((statement, document)) = self.vex.settle(finding) {
            let status = statement.status.as_str();
            let reason = match &statement.why {
                Some(why) => format!("{status}: {why}"),
                None => status.to_owned(),
            };
            let cause = Cause::new(CauseKind::Vex, document, Some(reason));
            return (Action::Ignore, Some(cause));
        }
        let policy = self.policy;
        let lists = [
            (Action::Fail, policy.fail_on, &policy.fail, "fail"),
            (Action::Warn, policy.warn_on, &policy.warn, "warn"),
        ];
        for (action, threshold, conditions, name) in lists {
            // `any` means any vulnerability: an unmaintained crate warns, and only a condition can make it fail.
            let no_vulnerability = action == Action::Fail
                && finding.informational.is_some()
                && finding.severity.level <= Level::None;
            let threshold = threshold.filter(|_| !no_vulnerability);
            if let Some(cause) = reached(threshold, finding) {
                return (action, Some(cause));
            }
            let held = conditions
                .iter()
                .position(|condition| condition.holds(finding, &circumstances));
            if let Some(index) = held {
                let cause = Cause::new(CauseKind::Condition, format!("{name}[{index}]"), None);
                return (action, Some(cause));
            }
        }
        (Action::Ignore, None)
    }

    /// Returns the results of each rule, the Rego policy, each mute and each VEX document.
    pub(crate) fn into_reports(self) -> Reports {
        Reports {
            rules: self.rules,
            rego: self.rego,
            mutes: self.mutes.into_reports(),
            vex: self.vex.into_reports(),
        }
    }
}

fn reached(threshold: Option<FailOn>, finding: &Finding) -> Option<Cause> {
    let threshold = threshold.filter(|threshold| threshold.is_reached_by(finding.severity.level))?;
    Some(Cause::new(
        CauseKind::Severity,
        threshold.as_str().to_owned(),
        None,
    ))
}
