//! The decision: a scan's result, a policy and the state of the knowledge go in, a verdict comes out.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use starling_protocol::UnixMillis;
use starling_scanner::sbom::{Inventory, references};
use starling_scanner::scan::ScanResult;

use crate::baseline::Baseline;
use crate::freshness::{ecosystems_of, freshness_reasons};
use crate::judge::{Judge, Reports};
use crate::knowledge::KnowledgeState;
use crate::mute::{MuteReport, Names};
use crate::policy::Policy;
use crate::rego::RegoDecisions;
use crate::rule::{RuleReport, RuleState};
use crate::terms::{Action, CauseKind, Reason, ReasonCode, VerdictCoverage};
use crate::threats::threat_reasons;
use crate::verdict::{JudgedFinding, NotJudged, Outcome, Verdict, VerdictBaseline, VerdictInventory};
use crate::vex::product::Scanned;
use crate::vex::{VexDocument, VexIndex, names_boms};

/// The input of a decision.
#[derive(Debug, Clone, Copy)]
pub struct Judged<'a> {
    /// The document's bytes; only their hash is in the verdict.
    pub document: &'a [u8],
    /// The inventory read from them.
    pub inventory: &'a Inventory,
    /// The scan's result.
    pub result: &'a ScanResult,
    /// An earlier verdict: its findings do not fail.
    pub baseline: Option<&'a Baseline>,
    /// Suppliers' VEX documents, in any number.
    pub vex: &'a [VexDocument],
    /// The Rego policy's decisions about the findings, by their index in `result`.
    pub rego: Option<&'a RegoDecisions>,
}

/// Makes the decision. The outcome is the first that applies:
///
/// 1. `fail`: a rule or threshold fails a finding, or unused rules are not accepted, no matter what else is missing;
/// 2. `unknown`: the knowledge is empty, stale, or has nothing about the inventory's ecosystems, or fewer packages were
///    checked than required;
/// 3. `warn`: a finding warns, a used rule expires, or packages could not be checked;
/// 4. `pass`.
///
/// The first of these that applies decides about a finding: a rule of the policy, the Rego policy, a mute, a VEX
/// statement, the failing thresholds, the warning thresholds.
///
/// `as_of` is the scan's time; a later check counts as made at that time.
pub fn decide(judged: Judged<'_>, policy: &Policy, knowledge: &KnowledgeState, as_of: UnixMillis) -> Verdict {
    let hash = format!("blake3:{}", blake3::hash(judged.document).to_hex());
    let outcomes = judge_findings(judged, policy, knowledge, &hash, as_of);
    let reasons = reasons_of(judged, policy, knowledge, &outcomes, as_of);
    let outcome = reasons
        .iter()
        .map(|reason| outcome_of(policy, reason.code))
        .min_by_key(|outcome| rank(*outcome));
    let JudgedFindings {
        findings, reports, ..
    } = outcomes;
    let mut sources = knowledge.sources.clone();
    sources.sort();
    let findings_known = findings.iter().filter(|finding| finding.known).count();
    let findings_known = u64::try_from(findings_known).unwrap_or(u64::MAX);
    Verdict {
        format: Verdict::FORMAT,
        program: Verdict::PROGRAM,
        outcome: outcome.unwrap_or(Outcome::Pass),
        reasons,
        inventory: inventory_of(judged.inventory, hash),
        coverage: VerdictCoverage::of(judged.result.coverage),
        not_judged: NotJudged::of(judged.result),
        ecosystems: ecosystems_of(judged.result, knowledge),
        freshness_required: policy.freshness.required,
        findings,
        knowledge_root: knowledge.root,
        sources,
        policy_hash: policy.hash_with(judged.rego.map(|rego| rego.version)),
        view_policy_hash: knowledge.view_policy_hash.clone(),
        policy_version: policy.version,
        rules: reports.rules,
        mutes: reports.mutes,
        vex: reports.vex,
        rego: reports.rego,
        baseline: judged.baseline.map(|baseline| VerdictBaseline {
            hash: baseline.hash(),
            known: findings_known,
        }),
        as_of,
    }
}

/// The decisions about all findings of a scan.
struct JudgedFindings {
    findings: Vec<JudgedFinding>,
    /// Number of findings that would fail if the baseline did not contain them.
    excused: usize,
    reports: Reports,
}

/// Decides about each finding by itself. `hash` names the document.
fn judge_findings(
    judged: Judged<'_>,
    policy: &Policy,
    knowledge: &KnowledgeState,
    hash: &str,
    as_of: UnixMillis,
) -> JudgedFindings {
    let Judged {
        inventory, result, ..
    } = judged;
    let sbom = Names {
        subject: inventory.subject.as_deref(),
        hash,
    };
    let mut scanned = Scanned {
        as_of: Some(as_of),
        ..Scanned::of(inventory)
    };
    if names_boms(judged.vex) {
        scanned.references = references(judged.document);
    }
    let vex = VexIndex::of(judged.vex, &scanned, result.findings.iter().map(AsRef::as_ref));
    let mut judge = Judge::new(policy, &knowledge.mutes, vex, judged.rego, sbom, as_of);
    let mut excused = 0;
    let findings = result.findings.iter().enumerate().map(|(index, finding)| {
        let known = judged.baseline.is_some_and(|baseline| baseline.knows(finding));
        let fix = judge.fix_of(finding);
        let (mut action, decided_by) = judge.judge_at(index, finding, fix);
        if known && action == Action::Fail {
            action = Action::Warn;
            excused += 1;
        }
        JudgedFinding {
            action,
            known,
            decided_by,
            fix,
            finding: Arc::clone(finding),
        }
    });
    let findings = findings.collect();
    JudgedFindings {
        findings,
        excused,
        reports: judge.into_reports(),
    }
}

/// Returns all reasons of a verdict, in the order of their codes.
fn reasons_of(
    judged: Judged<'_>,
    policy: &Policy,
    knowledge: &KnowledgeState,
    outcomes: &JudgedFindings,
    as_of: UnixMillis,
) -> Vec<Reason> {
    let JudgedFindings {
        findings,
        excused,
        reports: Reports { rules, mutes, .. },
    } = outcomes;
    let mut reasons = Vec::new();
    rego_reasons(judged.rego, &mut reasons);
    if *excused > 0 {
        let subject = judged.inventory.subject.as_deref();
        let other = judged
            .baseline
            .and_then(|baseline| baseline.other_subject(subject));
        let whose = other.map(|other| {
            let own = subject.unwrap_or_default();
            format!("; the baseline is of {other:?}, and this SBOM of {own:?}")
        });
        reasons.push(Reason {
            code: ReasonCode::FindingsKnown,
            text: format!(
                "{excused} {} known from the baseline and would fail otherwise{}",
                are(*excused),
                whose.unwrap_or_default()
            ),
        });
    }
    finding_reasons(findings, &mut reasons);
    threat_reasons(policy, findings, &mut reasons);
    rule_reasons(policy, rules, &mut reasons);
    mute_reasons(policy, mutes, &mut reasons);
    unconfirmed_reasons(knowledge, mutes, &mut reasons);
    knowledge_reasons(knowledge, &mut reasons);
    freshness_reasons(policy, judged.result, knowledge, as_of, &mut reasons);
    coverage_reasons(policy, judged.result, knowledge, &mut reasons);
    reasons.sort_by(|a, b| a.code.cmp(&b.code).then_with(|| a.text.cmp(&b.text)));
    reasons
}

fn inventory_of(inventory: &Inventory, hash: String) -> VerdictInventory {
    VerdictInventory {
        hash,
        format: inventory.format.to_string(),
        spec_version: inventory.spec_version.clone(),
        subject: inventory.subject.clone(),
        components: u64::try_from(inventory.components.len()).unwrap_or(u64::MAX),
        notes: u64::try_from(inventory.notes.len()).unwrap_or(u64::MAX),
    }
}

/// Returns `finding is` or `findings are`, depending on the number.
fn are(count: usize) -> &'static str {
    if count == 1 { "finding is" } else { "findings are" }
}

fn outcome_of(policy: &Policy, code: ReasonCode) -> Outcome {
    match code {
        ReasonCode::SourceSilent | ReasonCode::HeadExpired if policy.freshness.required => Outcome::Unknown,
        ReasonCode::FindingsFail
        | ReasonCode::RegoDenies
        | ReasonCode::RulesUnused
        | ReasonCode::MutesUnused => Outcome::Fail,
        ReasonCode::KnowledgeEmpty
        | ReasonCode::KnowledgeStale
        | ReasonCode::SourceInPart
        | ReasonCode::KnowledgeMissing
        | ReasonCode::CoverageTooLow => Outcome::Unknown,
        ReasonCode::FindingsWarn
        | ReasonCode::FindingsKnown
        | ReasonCode::RegoWarns
        | ReasonCode::RulesExpired
        | ReasonCode::RulesExpiring
        | ReasonCode::MutesExpired
        | ReasonCode::MutesExpiring
        | ReasonCode::MutesUnconfirmed
        | ReasonCode::AuthorFrozen
        | ReasonCode::CheckAhead
        | ReasonCode::SourceSilent
        | ReasonCode::HeadExpired
        | ReasonCode::CoverageGaps
        | ReasonCode::ThreatsUnknown
        | ReasonCode::NothingToJudge => Outcome::Warn,
        ReasonCode::FindingsMuted => Outcome::Pass,
    }
}

/// Returns the rank of an outcome; the most severe is lowest.
fn rank(outcome: Outcome) -> u8 {
    match outcome {
        Outcome::Fail => 0,
        Outcome::Unknown => 1,
        Outcome::Warn => 2,
        Outcome::Pass => 3,
    }
}

/// Returns one reason for each cause of failing or warning findings.
fn finding_reasons(findings: &[JudgedFinding], reasons: &mut Vec<Reason>) {
    let mut counts: BTreeMap<(ReasonCode, String), usize> = BTreeMap::new();
    for finding in findings {
        let code = match finding.action {
            Action::Fail => ReasonCode::FindingsFail,
            // Findings excused by the baseline have their own reason.
            Action::Warn if !finding.known => ReasonCode::FindingsWarn,
            _ => continue,
        };
        let Some(cause) = &finding.decided_by else {
            continue;
        };
        let what = match cause.kind {
            CauseKind::Severity => format!("the threshold \"{}\"", cause.id),
            CauseKind::Condition => format!("the policy's {}", cause.id),
            CauseKind::Rule => format!("the rule \"{}\"", cause.id),
            CauseKind::Rego => format!("the Rego decision \"{}\"", cause.id),
            CauseKind::Mute | CauseKind::Vex => continue,
        };
        *counts.entry((code, what)).or_default() += 1;
    }
    for ((code, what), count) in counts {
        let reach = if count == 1 {
            "finding reaches"
        } else {
            "findings reach"
        };
        let text = format!("{count} {reach} {what}");
        reasons.push(Reason { code, text });
    }
}

/// Returns the Rego policy's decisions about the scan as a whole.
fn rego_reasons(rego: Option<&RegoDecisions>, reasons: &mut Vec<Reason>) {
    for decision in rego.map(RegoDecisions::about_the_scan).unwrap_or_default() {
        let (code, word) = match decision.action {
            Action::Fail => (ReasonCode::RegoDenies, "denies"),
            _ => (ReasonCode::RegoWarns, "warns"),
        };
        let why = decision.reason.as_deref().unwrap_or("it does not say why");
        let text = if decision.id == "deny" || decision.id == "warn" {
            format!("the Rego policy {word}: {why}")
        } else {
            format!("the Rego policy {word} by \"{}\": {why}", decision.id)
        };
        reasons.push(Reason { code, text });
    }
}

/// Returns the rules that have expired, expire soon, or are unused although that is not accepted.
fn rule_reasons(policy: &Policy, rules: &[RuleReport], reasons: &mut Vec<Reason>) {
    for rule in rules {
        let end = rule.expires.map(|end| end.0.to_string()).unwrap_or_default();
        if rule.state == RuleState::Expired && rule.matched > 0 {
            let text = format!(
                "the rule \"{}\" expired at {end} and would decide {}",
                rule.id, rule.matched
            );
            reasons.push(Reason {
                code: ReasonCode::RulesExpired,
                text,
            });
        } else if rule.state == RuleState::Expiring && rule.matched > 0 {
            let text = format!(
                "the rule \"{}\" expires at {end} and decides {}",
                rule.id, rule.matched
            );
            reasons.push(Reason {
                code: ReasonCode::RulesExpiring,
                text,
            });
        } else if rule.matched == 0 && policy.fail_on_unused {
            let text = format!("the rule \"{}\" decides nothing", rule.id);
            reasons.push(Reason {
                code: ReasonCode::RulesUnused,
                text,
            });
        }
    }
}

/// Returns the mutes that have expired, expire soon, or mute nothing in this SBOM, and the number of muted findings,
/// so that muting is never silent.
fn mute_reasons(policy: &Policy, mutes: &[MuteReport], reasons: &mut Vec<Reason>) {
    let mut muted = 0;
    for mute in mutes {
        let end = mute.until.map(|end| end.0.to_string()).unwrap_or_default();
        let (id, matched) = (&mute.id, mute.matched);
        if mute.state != RuleState::Expired {
            muted += matched;
        }
        let (code, text) = match (mute.state, matched) {
            (RuleState::Expired, 1..) => (
                ReasonCode::MutesExpired,
                format!("the mute {id} expired at {end} and would mute {matched}"),
            ),
            (RuleState::Expiring, 1..) => (
                ReasonCode::MutesExpiring,
                format!("the mute {id} expires at {end} and mutes {matched}"),
            ),
            (RuleState::Active | RuleState::Expiring, 0) if policy.fail_on_unused => (
                ReasonCode::MutesUnused,
                format!("the mute {id} is about this SBOM and mutes nothing"),
            ),
            _ => continue,
        };
        reasons.push(Reason { code, text });
    }
    if muted > 0 {
        let are = if muted == 1 { "finding is" } else { "findings are" };
        reasons.push(Reason {
            code: ReasonCode::FindingsMuted,
            text: format!("{muted} {are} muted"),
        });
    }
}

/// Returns the sites whose mutes apply although no entry allows it explicitly.
fn unconfirmed_reasons(knowledge: &KnowledgeState, mutes: &[MuteReport], reasons: &mut Vec<Reason>) {
    let mut muted: BTreeMap<&str, u64> = BTreeMap::new();
    for mute in mutes
        .iter()
        .filter(|mute| mute.state != RuleState::Expired && mute.matched > 0)
    {
        if let Some(name) = knowledge.unconfirmed.get(&mute.site) {
            *muted.entry(name).or_default() += mute.matched;
        }
    }
    for (name, count) in muted {
        reasons.push(Reason {
            code: ReasonCode::MutesUnconfirmed,
            text: format!(
                "{name} mutes {count} here and was listed before it had to be said who may: `starling sites set {name} \
                 --may-mute` says so, `--may-not-mute` ends it"
            ),
        });
    }
}

fn knowledge_reasons(knowledge: &KnowledgeState, reasons: &mut Vec<Reason>) {
    if knowledge.advisories == 0 {
        let text = "this site holds no advisories, so nothing can be called clean".to_owned();
        reasons.push(Reason {
            code: ReasonCode::KnowledgeEmpty,
            text,
        });
    }
    for source in knowledge.held_back.iter().collect::<BTreeSet<_>>() {
        reasons.push(Reason {
            code: ReasonCode::KnowledgeMissing,
            text: format!("source {source} is held back, because record bodies are missing: `starling status` says of whom"),
        });
    }
    for lost in knowledge.lost.iter().collect::<BTreeSet<_>>() {
        reasons.push(Reason {
            code: ReasonCode::KnowledgeMissing,
            text: format!("the knowledge here lacks {lost}: `starling status` says what to do"),
        });
    }
    for author in knowledge.frozen.iter().collect::<BTreeSet<_>>() {
        reasons.push(Reason {
            code: ReasonCode::AuthorFrozen,
            text: format!(
                "{author} signed two histories: what it says since is not taken, until an epoch certificate names the true one"
            ),
        });
    }
    for source in knowledge.ahead.iter().collect::<BTreeSet<_>>() {
        reasons.push(Reason {
            code: ReasonCode::CheckAhead,
            text: format!(
                "source {source} says that it was last checked after this site's clock: that counts as checked now"
            ),
        });
    }
}

fn coverage_reasons(
    policy: &Policy,
    result: &ScanResult,
    knowledge: &KnowledgeState,
    reasons: &mut Vec<Reason>,
) {
    let coverage = result.coverage;
    let (total, matched) = (coverage.total(), coverage.matched);
    if total == 0 {
        let text = "the document lists no packages".to_owned();
        reasons.push(Reason {
            code: ReasonCode::NothingToJudge,
            text,
        });
    } else if matched < total {
        let text = format!("{} of {total} packages could not be judged", total - matched);
        reasons.push(Reason {
            code: ReasonCode::CoverageGaps,
            text,
        });
    }
    // Nothing was checked because nothing is known: for this document, the knowledge is empty.
    if matched == 0 && coverage.no_knowledge > 0 && knowledge.advisories > 0 {
        let text = "this site holds no advisories about the ecosystems in the document".to_owned();
        reasons.push(Reason {
            code: ReasonCode::KnowledgeMissing,
            text,
        });
    }
    let found = coverage.basis_points().unwrap_or(0);
    let shown = |share: u64| format!("{}.{:02} %", share / 100, share % 100);
    let text = match policy.min_coverage_basis_points {
        // Without an explicit minimum, at least one package must be checked.
        None if matched == 0 && total > 0 => "no package of the document could be judged".to_owned(),
        None if matched == 0 => {
            "no package is there to judge, and a document without any is not clean".to_owned()
        }
        Some(demanded) if found < u64::from(demanded) => {
            let (found, demanded) = (shown(found), shown(u64::from(demanded)));
            format!("{found} of the packages were judged, policy demands {demanded}")
        }
        _ => return,
    };
    reasons.push(Reason {
        code: ReasonCode::CoverageTooLow,
        text,
    });
}
