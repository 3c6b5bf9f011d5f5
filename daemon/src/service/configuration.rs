//! Compares `starling.toml` with what the daemon read from it at its start.

use starling_api_types::{DoctorCheck, secrets, wording};

use super::SiteParts;
use crate::config::{Config, Overrides};
use crate::home::Home;

/// Name of the doctor's check of the configuration.
pub const CONFIG_CHECK: &str = "starling.toml is in force";
/// Name of the doctor's check of the policy files.
pub const POLICY_CHECK: &str = "policy files can be used";

/// Reads the file as a restart without flags would. Feeds are left out: the daemon changes and reads them while it runs.
pub(super) fn in_file(home: &Home) -> Result<Config, String> {
    let config = home
        .config(&Overrides::default())
        .map_err(|error| secrets::without_private_keys(wording::chain(&error)))?;
    Ok(Config {
        feeds: Vec::new(),
        format: None,
        end: None,
        ..config
    })
}

impl SiteParts {
    /// Returns why the file is not what the daemon runs with; `None` if it is, and without a daemon.
    pub(super) fn config_matter(&self) -> Option<String> {
        self.live.started?;
        match (in_file(&self.identity.home), &self.identity.file) {
            (Err(problem), Ok(_)) => Some(format!(
                "starling.toml is not valid, and the daemon runs with what it read at its start: {problem}"
            )),
            (Ok(now), Ok(then)) if now != *then => Some(
                "starling.toml was changed after the daemon's start: restart the daemon to apply it"
                    .to_owned(),
            ),
            _ => None,
        }
    }

    /// Returns why no scan can use the site's own policies; `None` if it can.
    pub(super) fn policy_matter(&self) -> Option<String> {
        let problems = self.data.policies.problems();
        let found: Vec<&str> = problems.iter().map(|problem| problem.detail.as_str()).collect();
        (!found.is_empty()).then(|| {
            format!(
                "every scan with the site's own policy fails: {}",
                found.join("; ")
            )
        })
    }

    /// Returns why no scan can use the policies and VEX documents that are read from the home at each scan.
    pub(crate) fn documents_matter(&self) -> Option<String> {
        let matters: Vec<String> = [self.policy_matter(), self.data.kept_vex.matter()]
            .into_iter()
            .flatten()
            .collect();
        (!matters.is_empty()).then(|| matters.join("; "))
    }

    /// Returns what is not well about the configuration and the documents that scans read from the home.
    pub(super) fn configuration_matters(&self) -> Option<String> {
        let matters: Vec<String> = [self.config_matter(), self.documents_matter()]
            .into_iter()
            .flatten()
            .collect();
        (!matters.is_empty()).then(|| matters.join("; "))
    }

    /// Reports if a scan can use the site's policy files; `None` if the configuration has none.
    pub(super) fn policy_check(&self) -> Option<DoctorCheck> {
        let scan = &self.identity.config.scan;
        let files = [&scan.policy_file, &scan.rego_file];
        let number = files.iter().filter(|file| file.is_some()).count();
        let matter = self.policy_matter();
        (number > 0).then(|| DoctorCheck {
            name: POLICY_CHECK.to_owned(),
            ok: matter.is_none(),
            found: matter.unwrap_or_else(|| super::health::counted(number, "file read", "files read")),
            damaged: Vec::new(),
            repaired: 0,
            not_examined: false,
        })
    }

    /// Reports if the daemon runs with the file as it is; `None` without a daemon.
    pub(super) fn config_check(&self) -> Option<DoctorCheck> {
        self.live.started?;
        let matter = self.config_matter();
        Some(DoctorCheck {
            name: CONFIG_CHECK.to_owned(),
            ok: matter.is_none(),
            found: matter.unwrap_or_else(|| "the daemon runs with it".to_owned()),
            damaged: Vec::new(),
            repaired: 0,
            not_examined: false,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Instant;

    use starling_api_types::SitePart;
    use starling_protocol::UnixMillis;
    use starling_store::engine::{FaultPlan, MemoryEngine};

    use super::*;
    use crate::opening::OpeningNews;
    use crate::service::Site;

    #[test]
    fn policy_file_that_no_scan_can_use_is_a_matter() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::prepare(folder.path(), &"site-a".parse().unwrap(), None, UnixMillis::EPOCH).unwrap();
        home.finish().unwrap();
        std::fs::write(home.config_path(), "[scan]\npolicy_file = \"gone.yaml\"\n").unwrap();
        let config = home.config(&Overrides::default()).unwrap();
        let engine = Arc::new(MemoryEngine::new(FaultPlan::default()));
        let news = OpeningNews::new(false);
        let site = Site::open_on(engine, home.clone(), config, None, &news).unwrap();
        let parts = site.0.health().parts;
        let names_it = |part: &&starling_api_types::HealthPart| {
            part.part == SitePart::Configuration
                && part.detail.contains("scan.policy_file in starling.toml: opening")
        };
        assert!(parts.iter().any(|part| names_it(&part)), "{parts:?}");
        let check = site.0.policy_check().unwrap();
        assert!(!check.ok && check.found.contains("gone.yaml"), "{check:?}");
        std::fs::write(folder.path().join("gone.yaml"), "format: starling-policy/1\n").unwrap();
        assert!(site.0.policy_check().unwrap().ok);
        assert_eq!(site.0.configuration_matters(), None);
    }

    /// Every scan ended with an error, and the status said that all is well.
    #[test]
    fn damaged_vex_document_is_a_matter() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::prepare(folder.path(), &"site-a".parse().unwrap(), None, UnixMillis::EPOCH).unwrap();
        home.finish().unwrap();
        let config = home.config(&Overrides::default()).unwrap();
        let engine = Arc::new(MemoryEngine::new(FaultPlan::default()));
        let site = Site::open_on(engine, home, config, None, &OpeningNews::new(false)).unwrap();
        assert_eq!(site.0.documents_matter(), None);
        let vex = folder.path().join("vex");
        std::fs::create_dir(&vex).unwrap();
        let name = "0".repeat(64);
        std::fs::write(vex.join(format!("{name}.json")), b"x").unwrap();
        assert!(site.0.documents_matter().unwrap().contains(&name));
        let parts = site.0.health().parts;
        let names_it = |part: &&starling_api_types::HealthPart| {
            part.part == SitePart::Configuration && part.detail.contains(&name)
        };
        assert!(parts.iter().any(|part| names_it(&part)), "{parts:?}");
    }

    #[test]
    fn changed_file_is_a_matter_until_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::prepare(folder.path(), &"site-a".parse().unwrap(), None, UnixMillis::EPOCH).unwrap();
        home.finish().unwrap();
        let write = |text: &str| std::fs::write(home.config_path(), text).unwrap();
        write("[scan]\nfail_on = \"low\"\n");
        // The daemon's flags are no change of the file.
        let settings = vec![("log.level".to_owned(), "error".to_owned())];
        let config = home.config(&Overrides { settings }).unwrap();
        let engine = Arc::new(MemoryEngine::new(FaultPlan::default()));
        let news = OpeningNews::new(true);
        let site = Site::open_on(engine, home.clone(), config, Some(Instant::now()), &news).unwrap();
        let told = || (site.0.config_matter(), site.0.config_check().unwrap());
        assert_eq!(told().0, None);
        assert!(told().1.ok);
        write("# a comment\n[scan]\nfail_on = \"low\"\n");
        assert_eq!(told().0, None, "the same settings");
        write("[scan]\nfail_on = \"high\"\n");
        let (matter, check) = told();
        assert!(
            matter.clone().unwrap().contains("restart the daemon"),
            "{matter:?}"
        );
        assert_eq!((check.ok, Some(check.found)), (false, matter));
        write("[scan]\nfail_on = 7\n");
        let (matter, check) = told();
        let matter = matter.unwrap();
        assert!(
            matter.contains("not valid") && matter.contains("line 2"),
            "{matter}"
        );
        assert!(!check.ok);
        // It is of no other part.
        let parts = site.0.health().parts;
        let of: Vec<_> = parts
            .iter()
            .filter(|part| part.detail.contains("starling.toml"))
            .collect();
        assert!(
            matches!(&of[..], [part] if part.part == SitePart::Configuration && part.detail == matter),
            "{parts:?}"
        );
    }
}
