//! The doctor, in the API's words.

use std::time::Instant;

use starling_api::ServiceResult;
use starling_api_types as types;

use super::SiteParts;
use super::problem::store_problem;

impl SiteParts {
    pub(super) fn doctor(&self, request: types::DoctorRequest) -> ServiceResult<types::DoctorReport> {
        let started = Instant::now();
        let treated = match request {
            types::DoctorRequest { rebuild: true, .. } => self.store.doctor(true),
            types::DoctorRequest { repair: true, .. } => self.store.repair(),
            _ => self.store.doctor(false),
        };
        let diagnosis = treated.map_err(|error| store_problem("examining the store", &error))?;
        if request.rebuild || request.repair {
            self.drop_mark_of_other_rows();
            self.changed();
        }
        let checks = diagnosis
            .checks
            .iter()
            .map(|check| types::DoctorCheck {
                name: check.name.to_owned(),
                ok: check.ok() || check.repaired.is_some(),
                found: match (&check.repaired, check.wrong) {
                    (_, 0) => match &check.remark {
                        Some(remark) => format!("{} examined; {remark}", check.examined),
                        None => format!("{} examined", check.examined),
                    },
                    (Some(repaired), wrong) => {
                        format!("{} examined, {wrong} wrong: {repaired}", check.examined)
                    }
                    (None, wrong) => format!("{} examined, {wrong} wrong", check.examined),
                },
                damaged: check.damaged.clone(),
                repaired: if check.repaired.is_some() { check.wrong } else { 0 },
            })
            .collect();
        Ok(types::DoctorReport {
            ok: diagnosis.healthy(),
            checks,
            duration_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
        })
    }
}
