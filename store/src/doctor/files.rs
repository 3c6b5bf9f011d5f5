//! Checks of the files that everything follows from: the frames of log and packs.

use std::ops::ControlFlow;

use super::{Check, at_once};
use crate::SiteStore;
use crate::error::StoreError;
use crate::journal::replay::given_up;
use crate::packs::{PackNumber, PackPosition};

/// Name of the check of the site's log, whose damage only an opening past it gives up.
pub const LOG_CHECK: &str = "every frame of the log is whole and in its place";

/// Name of the check of the packs' frames.
pub const PACKS_CHECK: &str = "every frame of the packs is whole and in its place";

/// What reading every frame of log and packs found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilesCheck {
    /// The log's frames.
    pub log: Check,
    /// The packs' frames.
    pub packs: Check,
    /// How many bytes were read.
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
    /// Reads every frame of log and packs while the site is in use, as fast as `pace` lets it.
    ///
    /// Takes no lock that a change waits for, and decompresses nothing. `pace` hears how many bytes were read since
    /// it was called last. It may wait; when it breaks, the check ends soon. `None` then.
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

    /// Every frame of the log has its hash, and every group follows the one before it.
    pub(super) fn check_log_frames(
        &self,
        pace: &mut dyn FnMut(u64) -> ControlFlow<()>,
    ) -> Result<Check, StoreError> {
        let mut check = Check::new(LOG_CHECK);
        // Read at the first damage only: it takes a walk over the whole log.
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

    /// Returns true if every frame of the log is whole, or was given up.
    ///
    /// # Errors
    /// [`StoreError`] of the log.
    pub fn log_is_whole(&self) -> Result<bool, StoreError> {
        Ok(self.check_log_frames(&mut at_once)?.ok())
    }

    /// Every frame of the packs has its hash.
    pub(super) fn check_packs(&self) -> Result<(Check, Vec<PackNumber>), StoreError> {
        let mut check = Check::new(PACKS_CHECK);
        let scan = self.bodies.packs().scan(PackPosition::START, &mut |_, _| {})?;
        check.examined = scan.bodies;
        for damage in &scan.damage {
            check.fail(damage.to_string());
        }
        Ok((check, scan.damage.iter().map(|damage| damage.pack).collect()))
    }
}
