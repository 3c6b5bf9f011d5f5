//! Checks the files from which everything follows: the frames of the log and the packs.

use std::ops::ControlFlow;

use super::{Check, at_once};
use crate::SiteStore;
use crate::error::StoreError;
use crate::journal::replay::given_up;
use crate::packs::{PackNumber, PackPosition};

/// Name of the check of the site's log. Damage there is given up only by opening the site past it.
pub const LOG_CHECK: &str = "every frame of the log is whole and in its place";

/// Name of the check of the packs' frames.
pub const PACKS_CHECK: &str = "every frame of the packs is whole and in its place";

/// The result of reading every frame of the log and the packs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilesCheck {
    /// The log's frames.
    pub log: Check,
    /// The packs' frames.
    pub packs: Check,
    /// The number of bytes read.
    pub bytes: u64,
}

impl FilesCheck {
    /// Returns true if nothing is damaged.
    #[must_use]
    pub fn ok(&self) -> bool {
        self.log.ok() && self.packs.ok()
    }
}

impl SiteStore {
    /// Reads every frame of the log and the packs while the site is in use, as fast as `pace` allows.
    ///
    /// Takes no lock that a change waits for, and decompresses nothing. `pace` gets the number of bytes read
    /// since its last call. It may wait; if it breaks, the check ends soon and returns `None`.
    ///
    /// # Errors
    /// [`StoreError`] of the log or the packs. Damage is not an error here.
    pub fn check_files(
        &self,
        pace: &mut dyn FnMut(u64) -> ControlFlow<()>,
    ) -> Result<Option<FilesCheck>, StoreError> {
        let mut bytes = 0_u64;
        let mut flow = ControlFlow::Continue(());
        let mut counted = |read: u64| {
            bytes = bytes.saturating_add(read);
            if flow.is_continue() {
                flow = pace(read);
            }
            flow
        };
        let log = self.check_log_frames(&mut counted)?;
        if counted(0).is_break() {
            return Ok(None);
        }
        let scan = self.bodies.packs().check_at_pace(&mut counted)?;
        if counted(0).is_break() {
            return Ok(None);
        }
        let mut packs = Check::new(PACKS_CHECK);
        packs.examined = scan.bodies;
        for damage in &scan.damage {
            packs.fail(damage.to_string());
        }
        Ok(Some(FilesCheck { log, packs, bytes }))
    }

    /// Checks that every frame of the log has its hash and every group follows its predecessor.
    pub(super) fn check_log_frames(
        &self,
        pace: &mut dyn FnMut(u64) -> ControlFlow<()>,
    ) -> Result<Check, StoreError> {
        let mut check = Check::new(LOG_CHECK);
        // Read only at the first damage: it takes a walk over the whole log.
        let mut known = None;
        let mut passed = 0;
        let log = self.journal.log();
        let report = log.check_at_pace(
            &mut |damage| {
                let stretch = (damage.segment, damage.from, damage.to);
                match known.get_or_insert_with(|| given_up(log)) {
                    Ok(given_up) if given_up.contains(&stretch) => passed += 1,
                    _ => check.fail(damage.to_string()),
                }
            },
            pace,
        )?;
        if let Some(Err(error)) = known {
            return Err(error);
        }
        check.examined = report.frames;
        if passed > 0 {
            check.remark = Some(format!("{passed} damaged stretches were given up earlier"));
        }
        Ok(check)
    }

    /// Checks the frames of the log, and shows how far it is.
    pub(super) fn check_log_shown(&self) -> Result<Check, StoreError> {
        let log = self.journal.log().size_on_disk().map_err(StoreError::Measure)?;
        let working = self.meter.begin("checking the log", log);
        self.check_log_frames(&mut |bytes| {
            working.add(bytes);
            ControlFlow::Continue(())
        })
    }

    /// Returns true if every frame of the log is whole, or was given up.
    ///
    /// # Errors
    /// [`StoreError`] of the log.
    pub fn log_is_whole(&self) -> Result<bool, StoreError> {
        Ok(self.check_log_frames(&mut at_once)?.ok())
    }

    /// Checks that every frame of the packs has its hash.
    pub(super) fn check_packs(&self) -> Result<(Check, Vec<PackNumber>), StoreError> {
        let mut check = Check::new(PACKS_CHECK);
        let packs = self.bodies.packs();
        let working = self.meter.begin("checking the packs", packs.size_on_disk());
        let scan = packs.scan(PackPosition::START, &mut |_, place| {
            working.add(place.length.into());
        })?;
        check.examined = scan.bodies;
        for damage in &scan.damage {
            check.fail(damage.to_string());
        }
        Ok((check, scan.damage.iter().map(|damage| damage.pack).collect()))
    }
}
