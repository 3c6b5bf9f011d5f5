//! Renders verdicts. Reads the body leniently: `starling-policy` defines its exact form.

mod body;
mod unjudged;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use starling_api_types::{ExitStatus, VerdictEnvelope};
use starling_policy::UnusableReason;
use starling_report::remarks::{Part, not_as_written, without_severity};
use starling_report::unjudged::Group;
use starling_report::upgrade::{Upgrade, by_level, count_levels, upgrades};

use self::body::{Body, Finding};
use super::table::Table;
use super::{Lines, count, counted, list, on_screen, or_dash, plain, section};
use crate::commands::scan::{ScanOutcome, ScanReport, Scanned};
use crate::output::STANDARD;
use crate::terminal::{self, Tone};

/// Most upgrades listed at the top.
const UPGRADES_SHOWN: usize = 5;
/// Most groups of packages at the top that could be judged with some help.
const REMEDIES_SHOWN: usize = 3;

/// Returns the rules to check: those that decide nothing, or soon will not.
fn rules(body: &Body) -> Table {
    let mut table = Table::new(["RULE", "STATE", "DECIDED", "EXPIRES", "OWNER"]).numbers(&["DECIDED"]);
    for rule in body
        .rules
        .iter()
        .filter(|rule| rule.matched == 0 || rule.state != "active")
    {
        table.row([
            rule.id.clone(),
            rule.state.clone(),
            count(rule.matched),
            or_dash(rule.expires.as_ref()),
            or_dash(rule.owner.as_ref()),
        ]);
    }
    table
}

/// Returns the mutes to check: those that mute nothing here, or soon will not.
fn mutes(body: &Body) -> Table {
    let mut table =
        Table::new(["MUTE", "VULNERABILITY", "STATE", "MUTES", "UNTIL", "BY"]).numbers(&["MUTES"]);
    for mute in body
        .mutes
        .iter()
        .filter(|mute| mute.matched == 0 || mute.state != "active")
    {
        table.row([
            mute.id.clone(),
            mute.vulnerability.clone(),
            mute.state.clone(),
            count(mute.matched),
            or_dash(mute.until.as_ref()),
            mute.by.clone(),
        ]);
    }
    table
}

fn vex(body: &Body) -> Table {
    let mut table = Table::new(["VEX", "AUTHOR", "STATEMENTS", "NOT USABLE", "SETTLED"]).numbers(&[
        "STATEMENTS",
        "NOT USABLE",
        "SETTLED",
    ]);
    for document in &body.vex {
        table.row([
            document.format.clone(),
            or_dash(document.author.as_ref()),
            count(document.statements),
            count(document.unusable),
            count(document.settled),
        ]);
    }
    table
}

/// Says why statements of the documents do not apply.
fn vex_unusable(body: &Body) -> String {
    let mut numbers: BTreeMap<&str, u64> = BTreeMap::new();
    for (code, number) in body.vex.iter().flat_map(|document| &document.unusable_by) {
        *numbers.entry(code).or_default() += number;
    }
    let words = |code: &str| {
        let known = UnusableReason::ALL
            .into_iter()
            .find(|reason| reason.code() == code);
        known.map_or_else(
            || plain(code).replace('_', " "),
            |reason| reason.words().to_owned(),
        )
    };
    let reasons = numbers.into_iter().map(|(code, number)| (words(code), number));
    super::vex::unusable(reasons.collect())
}

/// Returns the findings, worst first. With `aliases`, also the other ids of each vulnerability.
fn findings(body: &Body, aliases: bool) -> Table {
    let mut table = Table::new([
        "SEVERITY",
        "VULNERABILITY",
        "KEV",
        "PACKAGE",
        "VERSION",
        "FIX",
        "ACTION",
        "WHY",
        "ALIASES",
        "SUMMARY",
    ])
    .never_cuts("PACKAGE")
    .shrinks("FIX", 9)
    .shrinks("VERSION", 9)
    .shrinks("WHY", 24)
    .shrinks("ALIASES", 19)
    .shrinks("SUMMARY", 24)
    .leaves_out(&["SUMMARY", "WHY"]);
    if !aliases {
        table = table.without("ALIASES");
    }
    if body.findings.iter().all(|finding| finding.kev != Some(true)) {
        table = table.without("KEV");
    }
    for finding in &body.findings {
        let others: Vec<&String> = finding
            .ids
            .iter()
            .filter(|id| **id != finding.vulnerability)
            .collect();
        table.row([
            finding.severity.shown(),
            finding.vulnerability.clone(),
            if finding.kev == Some(true) { "yes" } else { "" }.to_owned(),
            format!("{} {}", finding.package.ecosystem, finding.package.name),
            finding.package.version.clone(),
            finding.way_out(),
            finding.action.clone(),
            finding.why(),
            list(&others),
            one_line(&finding.summary),
        ]);
        table.tone("SEVERITY", Tone::of_severity(&finding.severity.level));
        table.tone("KEV", Some(Tone::Bad));
        table.tone("ACTION", tone_of(&finding.action));
    }
    table
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn tone_of(outcome: &str) -> Option<Tone> {
    match outcome {
        "fail" => Some(Tone::Worst),
        "warn" | "unknown" => Some(Tone::Warn),
        "pass" => Some(Tone::Good),
        "ignore" => Some(Tone::Dim),
        _ => None,
    }
}

/// Returns outcome, totals and coverage in one sentence.
fn outcome(body: &Body, exit_code: u8) -> String {
    let number = body.findings.len() as u64;
    let levels = count_levels(
        body.findings
            .iter()
            .map(|finding| finding.severity.level.as_str()),
    );
    let levels = if levels.is_empty() {
        String::new()
    } else {
        format!(" ({})", by_level(&levels))
    };
    let sentence = format!(
        "{}{levels}, {} of {} packages judged, {} not judged, {}",
        counted(number, "finding", "findings"),
        count(body.coverage.matched),
        count(body.coverage.total),
        count(body.coverage.total.saturating_sub(body.coverage.matched)),
        ending(&body.outcome, exit_code),
    );
    terminal::wrapped(&format!("{}: ", outcome_word(body)), 2, &plain(&sentence))
}

/// Returns the notes about ecosystems of which a verdict knows a part only; none for a body of another form.
pub(crate) fn known_in_part(envelope: &VerdictEnvelope) -> Vec<String> {
    serde_json::from_str::<Body>(envelope.verdict.as_str())
        .map(|body| body.known_in_part())
        .unwrap_or_default()
}

/// Returns texts of one kind as they are; if there are many, the first and the number of the others.
pub(crate) fn folded(texts: &[String], kind: &str) -> Vec<String> {
    match texts {
        [first, rest @ ..] if texts.len() >= FOLDED_FROM => {
            vec![format!(
                "{first}; and so for {} other {kind}, which --json names",
                rest.len()
            )]
        }
        texts => texts.to_vec(),
    }
}

/// So many texts of one kind are one line.
const FOLDED_FROM: usize = 8;

/// Returns the exit code with its meaning. A warning has the exit code of a pass, but another meaning.
fn ending(outcome: &str, exit_code: u8) -> String {
    if outcome == "warn" && exit_code == ExitStatus::Pass.code() {
        return format!("exit code {exit_code} (a warning fails nothing)");
    }
    format!("exit code {}", or_dash(ExitStatus::from_code(exit_code)))
}

fn outcome_word(body: &Body) -> String {
    let word = plain(&body.outcome).to_uppercase();
    match tone_of(&body.outcome) {
        Some(tone) => tone.paint(&word),
        None => word,
    }
}

/// Returns what the policy does with the findings, as in `11 fail, 6 warn, 2 are ignored`; empty without findings.
fn actions(body: &Body) -> String {
    let exploited = body.findings.iter().filter(|finding| finding.kev == Some(true));
    let exploited = exploited.filter(|finding| !finding.is_settled()).count() as u64;
    let parts = [
        (body.number("fail"), "fails", "fail"),
        (body.number("warn"), "warns", "warn"),
        (body.number("ignore"), "is ignored", "are ignored"),
        (exploited, "is known to be exploited", "are known to be exploited"),
    ];
    let parts: Vec<String> = parts
        .into_iter()
        .filter(|(number, ..)| *number > 0)
        .map(|(number, one, many)| counted(number, one, many))
        .collect();
    parts.join(", ")
}

/// Returns the outcome with the reasons, and what it rests on where that is less than whole.
fn head(body: &Body, exit_code: u8) -> String {
    let mut text = outcome(body, exit_code);
    for (part, reason) in body.reasons_by_part() {
        let first = match part {
            Part::Decides => "  because ".to_owned(),
            part => format!("  {}", part.words()),
        };
        text.push_str(&terminal::wrapped(&first, 4, &plain(&reason)));
    }
    let actions = actions(body);
    if !actions.is_empty() {
        text.push_str(&terminal::wrapped("  of the findings ", 4, &actions));
    }
    let by_cpe = body
        .findings
        .iter()
        .filter(|finding| finding.matched_by.is_some());
    let by_cpe = by_cpe.filter(|finding| !finding.is_settled()).count() as u64;
    if by_cpe > 0 {
        let note = format!(
            "{} by a CPE name, which is less certain than a package URL; `--explain` shows what was compared and assumed",
            counted(by_cpe, "finding is matched", "findings are matched")
        );
        text.push_str(&terminal::wrapped("  note ", 4, &note));
    }
    if let Some(note) = not_as_written(body.inventory.notes) {
        text.push_str(&terminal::wrapped("  note ", 4, &note));
    }
    for note in folded(&body.known_in_part(), "ecosystems") {
        text.push_str(&terminal::wrapped("  note ", 4, &plain(&note)));
    }
    if let Some(note) = without_severity(body.unrated()) {
        text.push_str(&terminal::wrapped("  note ", 4, &note));
    }
    text
}

/// Adds what to do first: the upgrades that remove the worst findings, then what lets more packages be judged.
fn what_to_do(text: &mut String, body: &Body, unjudged: &[Group]) {
    let open = body.findings.iter().filter(|finding| !finding.is_settled());
    let upgrades: Vec<Upgrade> = upgrades(open.map(Finding::fixable));
    let remedies: Vec<&Group> = unjudged.iter().filter(|group| !group.remedy.is_empty()).collect();
    if upgrades.is_empty() && remedies.is_empty() {
        return;
    }
    let _ = writeln!(text, "\n{}", Tone::Heading.paint("What to do first"));
    for upgrade in upgrades.iter().take(UPGRADES_SHOWN) {
        text.push_str(&terminal::wrapped("  ", 4, &plain(&upgrade.sentence())));
    }
    if let Some(more) = upgrades
        .len()
        .checked_sub(UPGRADES_SHOWN)
        .filter(|more| *more > 0)
    {
        let packages = counted(more as u64, "more package", "more packages");
        let _ = writeln!(text, "  … and {packages} with a version to go to");
    }
    for group in remedies.iter().take(REMEDIES_SHOWN) {
        let are = if group.packages == 1 { "is" } else { "are" };
        let sentence = format!("{} {are} not judged: {}", group.subject(), group.remedy);
        text.push_str(&terminal::wrapped("  ", 4, &plain(&sentence)));
    }
    if body.not_judged.others > 0 {
        let more = counted(
            body.not_judged.others,
            "further package is",
            "further packages are",
        );
        let _ = writeln!(text, "  … and {more} not judged, which the verdict does not name");
    }
}

/// Details that the table shows besides the findings.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Details {
    /// The other ids of each vulnerability.
    pub(crate) aliases: bool,
    /// The rules behind each finding.
    pub(crate) explain: bool,
}

/// Says why bad findings do not fail a scan.
const NO_THRESHOLD: &str = "no threshold is set, so no finding can fail: `--fail-on high` or a policy sets one (`starling help policy-file`)";

/// Renders `starling scan`.
pub(crate) fn verdict(envelope: &VerdictEnvelope, details: Details) -> String {
    // A body of another form still shows its hash and exit code.
    let mut body: Body = serde_json::from_str(envelope.verdict.as_str()).unwrap_or_default();
    body.sort();
    let unjudged = unjudged::groups_of(&body);
    let mut text = head(&body, envelope.exit_code);
    let unfinished: Vec<&str> = envelope.unfinished_imports.iter().map(String::as_str).collect();
    if let Some(note) = starling_report::remarks::unfinished(&unfinished) {
        text.push_str(&terminal::wrapped("  note ", 4, &plain(&note)));
    }
    if envelope.without_threshold && !body.findings.is_empty() {
        text.push_str(&terminal::wrapped("  note ", 4, NO_THRESHOLD));
    }
    what_to_do(&mut text, &body, &unjudged);
    let headed = text.len();
    section(&mut text, "Findings", &findings(&body, details.aliases));
    if details.explain {
        text.push_str(&super::reasons(envelope));
    }
    unjudged::section_of(&mut text, &body, &unjudged);
    section(&mut text, "Rules to look at", &rules(&body));
    section(&mut text, "Mutes to look at", &mutes(&body));
    section(&mut text, "Suppliers' statements", &vex(&body));
    text.push_str(&vex_unusable(&body));
    let has_sections = text.len() > headed;
    let mut lines = Lines::default()
        .add("verdict", on_screen(&envelope.verdict_hash.to_string()))
        .add("knowledge", on_screen(&body.knowledge_root))
        .add("judged at", format!("{} by {}", body.as_of, envelope.site_id));
    if let Some(version) = &body.policy_version {
        lines = lines.add("policy", version);
    }
    if let Some(rego) = &body.rego {
        let decided = format!("{}, which decided {} of the findings", rego.version, rego.matched);
        lines = lines.add("rego", decided);
    }
    let _ = write!(text, "\n{}", lines.shortened());
    if has_sections {
        // The result again, where the reader's eyes are.
        let _ = write!(text, "\n{}", outcome(&body, envelope.exit_code));
    }
    text
}

/// Returns one row per SBOM.
fn summary(report: &ScanReport) -> Table {
    let mut table = Table::new(["OUTCOME", "FAIL", "WARN", "IGNORED", "NOT JUDGED", "SBOM"])
        .numbers(&["FAIL", "WARN", "IGNORED", "NOT JUDGED"])
        .shrinks("SBOM", 24)
        .keeps_end("SBOM");
    for Scanned { sbom, outcome, .. } in &report.scans {
        let cells = match outcome {
            ScanOutcome::Result(envelope) => {
                match serde_json::from_str::<Body>(envelope.verdict.as_str()) {
                    Ok(body) => {
                        let gaps = body.coverage.total.saturating_sub(body.coverage.matched);
                        let [fail, warn, ignored] =
                            ["fail", "warn", "ignore"].map(|action| count(body.number(action)));
                        [body.outcome, fail, warn, ignored, count(gaps)]
                    }
                    // A newer site's verdict.
                    Err(_) => ["not understood", "-", "-", "-", "-"].map(str::to_owned),
                }
            }
            ScanOutcome::Problem(_) => ["refused", "-", "-", "-", "-"].map(str::to_owned),
        };
        let [word, fail, warn, ignored, gaps] = cells;
        let has_no_verdict = matches!(word.as_str(), "refused" | "not understood");
        let tone = tone_of(&word).or(has_no_verdict.then_some(Tone::Bad));
        table.row([word, fail, warn, ignored, gaps, sbom_name(sbom)]);
        table.tone("OUTCOME", tone);
    }
    table
}

/// Returns the name of an SBOM for people.
fn sbom_name(sbom: &str) -> String {
    if sbom == STANDARD {
        "standard input".to_owned()
    } else {
        plain(sbom).into_owned()
    }
}

/// Renders `starling scan` of several SBOMs.
pub(crate) fn scan_report(report: &ScanReport, details: Details) -> String {
    let mut text = String::new();
    for Scanned { sbom, outcome, .. } in &report.scans {
        let _ = writeln!(
            text,
            "{}",
            Tone::Heading.paint(&format!("== {}", sbom_name(sbom)))
        );
        match outcome {
            ScanOutcome::Result(envelope) => text.push_str(&verdict(envelope, details)),
            ScanOutcome::Problem(problem) => {
                text.push_str(&terminal::wrapped("REFUSED: ", 2, &plain(&problem.to_string())));
                if let Some(hint) = &problem.hint {
                    text.push_str(&terminal::wrapped("  ", 2, &plain(hint)));
                }
            }
        }
        text.push('\n');
    }
    let _ = write!(text, "{}", summary(report));
    let outcomes = report.scans.iter().filter_map(|scan| match &scan.outcome {
        ScanOutcome::Result(envelope) => serde_json::from_str::<Body>(envelope.verdict.as_str()).ok(),
        ScanOutcome::Problem(_) => None,
    });
    let warns = outcomes.into_iter().any(|body| body.outcome == "warn");
    let _ = writeln!(
        text,
        "{}, {}",
        counted(report.scans.len() as u64, "SBOM", "SBOMs"),
        ending(if warns { "warn" } else { "" }, report.exit_code)
    );
    text
}

#[cfg(test)]
mod tests;
