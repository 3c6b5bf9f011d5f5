//! Checks the files from which everything follows: the frames of the log and the packs.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use super::{Check, at_once};
use crate::SiteStore;
use crate::error::StoreError;
use crate::journal::replay::given_up;
use crate::packs::{DamageKind, PackDamage, PackNumber, PackPosition};

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
        fail_packs(&mut packs, &scan.damage);
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
        fail_packs(&mut check, &scan.damage);
        Ok((check, scan.damage.iter().map(|damage| damage.pack).collect()))
    }
}

/// Adds the damage of packs to their check. A dictionary that cannot be read makes every body unreadable that needs it:
/// it is stated once, with their number.
fn fail_packs(check: &mut Check, damage: &[PackDamage]) {
    let mut by_dictionary: BTreeMap<(PackNumber, u64), Vec<&PackDamage>> = BTreeMap::new();
    for damage in damage {
        match damage.what {
            DamageKind::Dictionary { offset } => {
                by_dictionary
                    .entry((damage.pack, offset))
                    .or_default()
                    .push(damage);
            }
            _ => check.fail(damage.to_string()),
        }
    }
    for ((pack, offset), lost) in by_dictionary {
        if let [only] = lost.as_slice() {
            check.fail(only.to_string());
            continue;
        }
        let named = lost.iter().filter_map(|damage| damage.hash);
        let named: Vec<String> = named.take(BODIES_NAMED).map(|hash| hash.to_string()).collect();
        let such_as = match named.as_slice() {
            [] => String::new(),
            named => format!(" (such as {})", named.join(", ")),
        };
        let number = lost.len();
        check.fail_together(
            u64::try_from(number).unwrap_or(u64::MAX),
            format!(
                "pack {pack}: its dictionary at {offset} cannot be read, and {number} bodies need it{such_as}: a repair drops \
                 them all, and peers, a bundle or an import bring them back"
            ),
        );
    }
}

/// Bodies named for one damaged dictionary.
const BODIES_NAMED: usize = 3;

#[cfg(test)]
mod tests {
    use starling_protocol::ContentHash;

    use super::*;

    /// One damaged dictionary took all places for names, with one sentence for each body.
    #[test]
    fn damaged_dictionary_is_stated_once() {
        let body = |number: u8, what| PackDamage {
            pack: PackNumber::new(3).unwrap(),
            offset: u64::from(number) * 100,
            length: 100,
            hash: Some(ContentHash::from_bytes([number; 32])),
            what,
        };
        let mut damage: Vec<PackDamage> = (0..50)
            .map(|number| body(number, DamageKind::Dictionary { offset: 16 }))
            .collect();
        damage.push(body(60, DamageKind::FrameHash));
        damage.push(body(61, DamageKind::Dictionary { offset: 99 }));
        let mut check = Check::new(PACKS_CHECK);
        fail_packs(&mut check, &damage);
        assert_eq!((check.wrong, check.damaged.len()), (52, 3), "{check:?}");
        let told = check
            .damaged
            .iter()
            .filter(|text| text.contains("50 bodies need it"));
        assert_eq!(told.count(), 1, "{check:?}");
    }
}
