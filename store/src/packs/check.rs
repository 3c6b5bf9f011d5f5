//! Checks all packs while they are in use.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::ops::ControlFlow;

use super::error::{DamageKind, PackDamage, PackError};
use super::scan::{PackScan, Visitor};
use super::{BodyPlace, Packs};

impl Packs {
    /// Reads and checks every frame written by the time of the call, beside reads, writes and compactions, as
    /// fast as `pace` allows. Changes nothing.
    ///
    /// `pace` gets the number of bytes read since its last call. It may wait; if it breaks, the check ends with
    /// the current pack.
    ///
    /// # Errors
    /// [`PackError::UnknownKind`] or [`PackError::Io`]. Damage is not an error here.
    pub fn check_at_pace(&self, pace: &mut dyn FnMut(u64) -> ControlFlow<()>) -> Result<PackScan, PackError> {
        let until = self.end();
        let mut scan = PackScan {
            end: until,
            ..PackScan::default()
        };
        for pack in self.files.all() {
            if pack.number.get() > until.pack {
                break;
            }
            let mut end = pack.bytes();
            if pack.number.get() == until.pack {
                end = end.min(until.offset);
            }
            let mut flow = ControlFlow::Continue(());
            let mut visit = |_, place: BodyPlace| {
                if flow.is_continue() {
                    flow = pace(place.length.into());
                }
            };
            let mut visitor = Visitor {
                packs: self,
                pack: &pack,
                dictionaries: BTreeMap::new(),
                scan: &mut scan,
                visit: &mut visit,
            };
            match self.walk(&pack, 0, end, &mut |step| visitor.step(&step)) {
                Ok(mut walked) => {
                    walked.tail_is_damage(pack.number);
                    scan.damage.extend(walked.damage);
                }
                Err(PackError::Io { cause, .. }) if cause.kind() == ErrorKind::NotFound => {
                    scan.damage.push(PackDamage {
                        pack: pack.number,
                        offset: 0,
                        length: end,
                        hash: None,
                        what: DamageKind::MissingFile,
                    });
                }
                Err(error) => return Err(error),
            }
            if flow.is_break() {
                break;
            }
        }
        // A compaction may have removed a pack since the list was taken.
        scan.damage.retain(|damage| self.contains(damage.pack));
        Ok(scan)
    }
}
