//! Reading bundles without importing them.

use std::fs::File;
use std::io::BufReader;
use std::time::Instant;

use starling_api::ServiceResult;
use starling_api_types as types;
use starling_protocol::bundle::{BundleInspection, FrameKind, ReaderOptions, SealCheck, inspect, validate};

use super::SiteParts;
use super::problem::bundle_problem;

impl SiteParts {
    pub(super) fn inspect_bundle(&self, file: File) -> ServiceResult<types::BundleInfo> {
        let found = inspect(BufReader::new(file), u64::MAX)
            .map_err(|error| bundle_problem("inspecting a bundle", &error))?;
        Ok(bundle_info(&found, |site| self.slug_of(site)))
    }

    pub(super) fn validate_bundle(&self, file: File) -> ServiceResult<types::BundleValidation> {
        Ok(validate_file(file, |site| self.slug_of(site)))
    }
}

/// A name for an author, where one is known.
type NameOf<'a> = &'a dyn Fn(&starling_protocol::SiteId) -> Option<types::SiteSlug>;

/// What a bundle says of itself.
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
            deltas: None,
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

/// Every check that needs no store. A bundle that fails is an answer, not an error.
pub(crate) fn validate_file(
    file: File,
    name_of: impl Fn(&starling_protocol::SiteId) -> Option<types::SiteSlug>,
) -> types::BundleValidation {
    let started = Instant::now();
    let options = ReaderOptions {
        max_bundle_bytes: u64::MAX,
        seal: SealCheck::Require,
    };
    let check = |name: &str, ok: bool, found: String| types::BundleCheck {
        name: name.to_owned(),
        ok,
        found,
    };
    let mut answer = types::BundleValidation {
        valid: false,
        bundle_hash: None,
        info: None,
        checks: Vec::new(),
        duration_ms: 0,
    };
    match validate(BufReader::with_capacity(1 << 20, file), options) {
        Ok(report) => {
            let totals = report.inspection.manifest.totals();
            answer.checks = vec![
                check("seal", true, "signed by the exporter it names".to_owned()),
                check(
                    "frames",
                    true,
                    format!(
                        "{} frames are the manifest's",
                        report.inspection.manifest.frames.len()
                    ),
                ),
                check(
                    "deltas",
                    true,
                    format!("{} deltas verify and follow one another", totals.deltas),
                ),
                check(
                    "bodies",
                    report.missing_bodies.is_empty(),
                    match report.missing_bodies.first() {
                        None => format!("{} records hash to their names; none is missing", totals.bodies),
                        Some(first) => format!(
                            "{} records that live claims name are not in it, the first {} ({}): a site that lacks them cannot accept it",
                            report.missing_bodies.len(),
                            first.key,
                            first.hash
                        ),
                    },
                ),
            ];
            answer.valid =
                report.missing_bodies.is_empty() && report.ranges.iter().all(|range| range.fault.is_none());
            answer.bundle_hash = Some(report.inspection.hash.into());
            answer.info = Some(bundle_info(&report.inspection, name_of));
        }
        Err(error) => answer.checks = vec![check("bundle", false, crate::home::error_chain(&error))],
    }
    answer.duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    answer
}
