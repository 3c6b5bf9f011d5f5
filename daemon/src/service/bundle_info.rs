//! Reads bundles without importing them.

use std::fs::File;
use std::io::BufReader;
use std::time::Instant;

use starling_api::ServiceResult;
use starling_api_types as types;
use starling_protocol::bundle::{
    BundleInspection, BundleReport, FrameKind, ReaderOptions, SealCheck, inspect, validate,
};

use super::SiteParts;
use super::bundle_ground::fault_problem;
use super::bundle_import::log_of;
use super::bundle_plan::{ATTEMPTED, Plan};
use super::problem::bundle_problem;

impl SiteParts {
    pub(super) fn inspect_bundle(&self, file: File) -> ServiceResult<types::BundleInfo> {
        let found = inspect(BufReader::new(file), u64::MAX)
            .map_err(|error| bundle_problem("inspecting a bundle", &error))?;
        Ok(bundle_info(&found, |site| self.slug_of(site)))
    }

    /// Returns all checks of an import: those of the file, and those that only this site can make.
    pub(super) fn validate_bundle(
        &self,
        mut file: File,
        size: u64,
    ) -> ServiceResult<types::BundleValidation> {
        let started = Instant::now();
        let mut answer = validate_file(&mut file, Bodies::HereToo, |site| self.slug_of(site));
        if answer.info.is_some() {
            let _one_at_a_time = self.one_import();
            let params = types::ImportParams::default();
            // Runs on a copy, as a dry run: what is held shows only at the end.
            let tried = self.dry_run(size, |trial| {
                let plan = trial.plan_import(&mut file, size, params)?;
                let done = match plan.refusal(params) {
                    Some(_) => None,
                    None => Some(trial.try_out(&plan, &mut file, size, params)?),
                };
                Ok((plan, done))
            });
            match tried {
                Ok((plan, done)) => {
                    let logs = answer.info.iter().flat_map(|info| &info.logs);
                    let names: Vec<String> = logs.map(author).collect();
                    self.check_plan(&plan, done.as_ref(), params, &names, &mut answer.checks);
                }
                Err(problem) => answer.checks.push(failed_check("exporter", &problem)),
            }
        }
        judge(&mut answer);
        answer.duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        Ok(answer)
    }

    /// Adds this site's result for each log, and a check if anything would be imported. `names` are those of the logs'
    /// authors, in the manifest's order.
    fn check_plan(
        &self,
        plan: &Plan,
        done: Option<&types::ImportReport>,
        params: types::ImportParams,
        names: &[String],
        checks: &mut Vec<types::BundleCheck>,
    ) {
        let exporter = plan
            .exporter
            .as_ref()
            .map_or("this site itself", |site| site.slug.as_str());
        checks.push(check(
            "exporter",
            true,
            format!("{exporter}, whose bundles are accepted here"),
        ));
        for (index, log) in plan.logs.iter().enumerate() {
            // The report lists the logs in the same order.
            let held = done.and_then(|done| done.logs.get(index));
            let held = held.filter(|log| log.outcome == types::LogOutcome::Held);
            let held = held.and_then(|log| log.reason.as_ref()).or(log.held.as_ref());
            let name = match names.get(index) {
                Some(name) => name.clone(),
                None => short_of(&log.range.site.into()),
            };
            let of_file = format!("{name} {}", log.range.lane);
            let name = format!("here: {of_file}");
            let judged = match (&log.problem, held) {
                // The file's own check of this log says it in full.
                (Some(problem), _) if is_said(checks, &of_file, problem) => {
                    let found = format!("refused: {}, as said above", problem.title.to_lowercase());
                    check(&name, false, found)
                }
                (Some(problem), _) => failed_check(&name, problem),
                (None, Some(held)) => check(&name, false, format!("held, not accepted: {held}")),
                (None, None) => {
                    let (unused, _) = plan.unused(&log_of(&log.range));
                    let unused: Vec<&str> = unused.iter().map(|one| one.source.as_str()).collect();
                    let unused = match unused.as_slice() {
                        [] => String::new(),
                        names => format!("; held, not used, because not allowed here: {}", names.join(", ")),
                    };
                    let taken = log.outcome.as_str();
                    check(
                        &name,
                        true,
                        format!("{taken}, up to {}{unused}", log.range.cursor()),
                    )
                }
            };
            checks.push(judged);
        }
        let refusal = plan.refusal(params);
        let is_said = refusal.is_some() && checks.iter().any(|check| !check.ok);
        match refusal.filter(|_| !is_said) {
            Some(problem) => checks.push(match problem.code {
                types::ErrorCode::CursorNotAfterCurrent => {
                    check(NEWS, false, without_attempt(&problem.detail).to_owned())
                }
                // It says nothing at all: nobody meant to send that.
                types::ErrorCode::BundleEmpty => failed_check("contents", &problem),
                _ => failed_check("evidence", &problem),
            }),
            None if is_said => {}
            None => checks.push(check(NEWS, true, "an import would bring new data".to_owned())),
        }
    }
}

/// The name of the check that fails if everything in the bundle is here already.
const NEWS: &str = "news";

/// Returns the name of a log's author: that of its certificate or of the allow-list, else the beginning of its identity.
fn author(log: &types::BundleLog) -> String {
    log.site_id
        .as_ref()
        .map_or_else(|| short_of(&log.site), ToString::to_string)
}

/// Returns the beginning of an identity, as tables show it.
fn short_of(site: &types::SiteId) -> String {
    let text = site.to_string();
    let digits = text.split_once(':').map_or(text.as_str(), |(_, digits)| digits);
    digits.chars().take(SHORT_DIGITS).collect()
}

/// Digits of an identity that tell sites apart.
const SHORT_DIGITS: usize = 16;

/// Sets the conclusions of an answer's checks: a bundle without news is as sound as before.
fn judge(answer: &mut types::BundleValidation) {
    answer.valid = answer.checks.iter().all(|check| check.ok || check.name == NEWS);
    let news = answer.checks.iter().find(|check| check.name == NEWS);
    answer.news = news.map(|check| check.ok);
}

fn check(name: &str, ok: bool, found: String) -> types::BundleCheck {
    types::BundleCheck {
        name: name.to_owned(),
        ok,
        found,
    }
}

/// Returns true if a failed check of this name reports a problem of the same kind.
fn is_said(checks: &[types::BundleCheck], name: &str, problem: &types::Problem) -> bool {
    let title = format!("{}: ", problem.title);
    let mut failed = checks.iter().filter(|check| !check.ok);
    failed.any(|check| check.name == name && check.found.starts_with(&title))
}

fn failed_check(name: &str, problem: &types::Problem) -> types::BundleCheck {
    let detail = without_attempt(&problem.detail);
    let found = match &problem.hint {
        Some(hint) => {
            // A check changes nothing anyway.
            let unchanged = ["nothing was changed; ", "nothing was imported; "];
            let begun = unchanged.iter().find_map(|words| hint.strip_prefix(words));
            format!("{}: {detail}; {}", problem.title, begun.unwrap_or(hint))
        }
        None => format!("{}: {detail}", problem.title),
    };
    check(name, false, found)
}

/// Returns a problem's detail without the words for what was attempted: a check attempts nothing.
fn without_attempt(detail: &str) -> &str {
    let rest = detail.strip_prefix(ATTEMPTED);
    rest.and_then(|rest| rest.strip_prefix(": ")).unwrap_or(detail)
}

/// Returns an author's name, if known.
type NameOf<'a> = &'a dyn Fn(&starling_protocol::SiteId) -> Option<types::SiteSlug>;

/// Returns a bundle's own information.
pub(crate) fn bundle_info(
    found: &BundleInspection,
    name_of: impl Fn(&starling_protocol::SiteId) -> Option<types::SiteSlug>,
) -> types::BundleInfo {
    let name_of: NameOf<'_> = &name_of;
    let totals = found.manifest.totals();
    let exporter = found.seal.exporter().ok();
    let named = |site: &starling_protocol::SiteId| {
        name_of(site).or_else(|| found.seal.chain_of(*site).map(|chain| chain.slug().into()))
    };
    let frames = || found.manifest.frames.iter();
    let in_all = frames().filter(|frame| frame.kind == FrameKind::Deltas);
    let in_all: u64 = in_all.map(|frame| u64::from(frame.items)).sum();
    // A frame may have deltas of several logs: only their sum is stated.
    let of_each = (found.manifest.ranges.len() == 1).then_some(in_all);
    let logs = found
        .manifest
        .ranges
        .iter()
        .map(|range| types::BundleLog {
            site: range.site.into(),
            site_id: named(&range.site),
            lane: range.lane.into(),
            epoch: found
                .seal
                .chain_of(range.site)
                .map_or(0, |chain| u64::from(chain.epoch())),
            first: range.after.0.saturating_add(1),
            cursor: range.cursor().into(),
            deltas: of_each,
            claims: range.claims(),
        })
        .collect();
    let part = found.manifest.part;
    types::BundleInfo {
        bundle_hash: found.hash.into(),
        format_version: 1,
        exporter: exporter.unwrap_or(starling_protocol::SiteId::ZERO).into(),
        exporter_site_id: exporter.as_ref().and_then(named),
        size_bytes: found.file_bytes,
        frames: found.manifest.frames.len() as u64 + 2,
        certificates: found
            .seal
            .chains()
            .map(|chain| chain.certificates().len() as u64)
            .sum(),
        deltas: in_all,
        bodies: totals.bodies,
        bodies_bytes: found
            .manifest
            .frames
            .iter()
            .filter(|frame| frame.kind == FrameKind::Bodies)
            .map(|frame| u64::from(frame.unpacked_size))
            .sum(),
        logs,
        part: (part.count > 1).then(|| format!("part {} of {} of set {}", part.index, part.count, part.set)),
    }
}

/// Checks a bundle without a site: all checks that need no store. A failed check is an answer, not an error.
///
/// # Errors
/// If the file cannot be read.
pub fn validate_bundle_alone(mut file: File) -> ServiceResult<types::BundleValidation> {
    Ok(validate_file(&mut file, Bodies::InTheFile, |_| None))
}

/// Returns a bundle's own information, without a site.
///
/// # Errors
/// If seal or manifest cannot be parsed.
pub fn inspect_bundle_alone(file: File) -> ServiceResult<types::BundleInfo> {
    let found = inspect(BufReader::new(file), u64::MAX)
        .map_err(|error| bundle_problem("inspecting a bundle", &error))?;
    Ok(bundle_info(&found, |_| None))
}

/// Returns all checks that need no store. A failed check is an answer, not an error.
fn validate_file(
    file: &mut File,
    bodies: Bodies,
    name_of: impl Fn(&starling_protocol::SiteId) -> Option<types::SiteSlug>,
) -> types::BundleValidation {
    let started = Instant::now();
    let options = ReaderOptions {
        max_bundle_bytes: u64::MAX,
        seal: SealCheck::Require,
    };
    let mut answer = types::BundleValidation {
        valid: false,
        news: None,
        bundle_hash: None,
        info: None,
        checks: Vec::new(),
        duration_ms: 0,
    };
    match validate(BufReader::with_capacity(1 << 20, file), options) {
        Ok(report) => {
            answer.checks = checks_of(&report, bodies);
            judge(&mut answer);
            answer.bundle_hash = Some(report.inspection.hash.into());
            let mut info = bundle_info(&report.inspection, name_of);
            for (log, range) in info.logs.iter_mut().zip(&report.ranges) {
                log.deltas = Some(range.deltas);
            }
            answer.info = Some(info);
        }
        Err(error) => {
            let problem = bundle_problem("reading the bundle", &error);
            answer.checks = vec![failed_check("bundle", &problem)];
        }
    }
    answer.duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    answer
}

/// The place where a bundle's records must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bodies {
    /// In the file: nothing else is known.
    InTheFile,
    /// In the file or at this site, which reports missing records for each log.
    HereToo,
}

/// Converts the result of a complete check to text.
fn checks_of(report: &BundleReport, bodies: Bodies) -> Vec<types::BundleCheck> {
    let manifest = &report.inspection.manifest;
    let totals = manifest.totals();
    let mut checks = vec![
        check("seal", true, "signed by the exporter it names".to_owned()),
        check(
            "frames",
            true,
            format!("{} frames are the manifest's", manifest.frames.len()),
        ),
    ];
    if manifest.ranges.is_empty() {
        checks.push(check("deltas", true, "none: the bundle is empty".to_owned()));
    }
    for range in &report.ranges {
        let site = range.range.site;
        let chain = report.inspection.seal.chain_of(site);
        let name = chain.map_or_else(|| short_of(&site.into()), |chain| chain.slug().to_string());
        let name = format!("{name} {}", range.range.lane);
        checks.push(match &range.fault {
            Some(fault) => failed_check(&name, &fault_problem(&name, fault)),
            None => check(
                &name,
                true,
                match range.deltas {
                    1 => "1 delta verifies".to_owned(),
                    many => format!("{many} deltas verify and follow one another"),
                },
            ),
        });
    }
    if report.surplus_bodies > 0 {
        let found = format!(
            "{} records without a live claim, which are not kept",
            report.surplus_bodies
        );
        checks.push(check("surplus", true, found));
    }
    let part = manifest.part;
    let may_lack = bodies == Bodies::HereToo || part.index < part.count;
    checks.push(match report.missing_bodies.first() {
        None => check(
            "bodies",
            true,
            format!("{} records match their hashes; none is missing", totals.bodies),
        ),
        Some(first) => check(
            "bodies",
            may_lack,
            format!(
                "{} records that live claims name are not in it, the first {} ({}): a site that lacks them holds the \
                 claims and does not accept them",
                report.missing_bodies.len(),
                first.key,
                first.hash
            ),
        ),
    });
    checks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failed_check_does_not_say_what_was_attempted() {
        let problem = types::Problem::new(
            types::ErrorCode::BundleEmpty,
            "importing a bundle: it has no deltas",
        );
        let problem = problem.hint("nothing was changed; export it again");
        assert_eq!(
            failed_check("contents", &problem).found,
            "Bundle empty: it has no deltas; export it again"
        );
        let said = [failed_check("site-a federation", &problem)];
        assert!(is_said(&said, "site-a federation", &problem));
        assert!(!is_said(&said, "site-b federation", &problem));
        let other = types::Problem::new(types::ErrorCode::BundleGap, "it lacks claims");
        assert!(!is_said(&said, "site-a federation", &other));
    }

    #[test]
    fn bundle_without_news_is_valid() {
        let judged = |checks: &[(&str, bool)]| {
            let checks = checks.iter().map(|(name, ok)| check(name, *ok, String::new()));
            let mut answer = types::BundleValidation {
                valid: false,
                news: None,
                bundle_hash: None,
                info: None,
                checks: checks.collect(),
                duration_ms: 0,
            };
            judge(&mut answer);
            (answer.valid, answer.news)
        };
        assert_eq!(judged(&[("seal", true)]), (true, None));
        assert_eq!(judged(&[("seal", true), (NEWS, true)]), (true, Some(true)));
        assert_eq!(judged(&[("seal", true), (NEWS, false)]), (true, Some(false)));
        assert_eq!(judged(&[("seal", false), (NEWS, false)]), (false, Some(false)));
        assert_eq!(judged(&[("seal", false)]), (false, None));
    }
}
