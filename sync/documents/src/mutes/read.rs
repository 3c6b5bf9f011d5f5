//! Decodes one change of the document into one mute or one removal.

use std::collections::BTreeMap;

use starling_protocol::UnixMillis;

use super::{MuteId, MuteText, RemovalText, genesis};
use crate::change::{Change, Object, Operation, Value};

/// The entry that a change adds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// A mute.
    Mute(MuteText),
    /// The removal of one.
    Removal(RemovalText),
}

/// Decodes the entry that a change adds; its id follows from its actor and number ([`MuteId::of`]).
///
/// A change with a field that this build does not know is refused as a whole: the field might narrow the mute,
/// and without it more would be muted than intended.
///
/// # Errors
/// The reason, in words, why the change does not belong into the document.
pub fn read_entry(change: &Change) -> Result<Entry, String> {
    let (first, rest) = change.operations.split_first().ok_or("it adds nothing")?;
    let id = MuteId::of(change.actor, change.sequence);
    if first.value != Value::Map || first.key != id.as_str() {
        return Err(format!(
            "it adds {:.60?}, but its author may only add {id}",
            first.key
        ));
    }
    let made = Object::Made(change.actor, change.first_operation);
    let mut fields = Fields::default();
    for operation in rest {
        if operation.object != made {
            return Err("it writes outside the entry that it adds".to_owned());
        }
        fields.take(operation)?;
    }
    let (mutes, removals) = genesis::maps();
    let entry = if first.object == mutes {
        let text = MuteText {
            vulnerability: fields.text("vulnerability")?,
            package: fields.texts.remove("package"),
            ecosystem: fields.texts.remove("ecosystem"),
            sbom: fields.texts.remove("sbom"),
            until: fields.times.remove("until"),
            reason: fields.text("reason")?,
            by: fields.text("by")?,
            created: fields.time("created")?,
        };
        text.check().map_err(|error| error.to_string())?;
        Entry::Mute(text)
    } else if first.object == removals {
        let mute = fields.text("mute")?;
        let text = RemovalText {
            mute: MuteId::parse(&mute).ok_or_else(|| format!("{mute:.60?} is not the id of a mute"))?,
            reason: fields.text("reason")?,
            by: fields.text("by")?,
            at: fields.time("at")?,
        };
        text.check().map_err(|error| error.to_string())?;
        Entry::Removal(text)
    } else {
        return Err("it adds to neither mutes nor removals".to_owned());
    };
    fields.nothing_left()?;
    Ok(entry)
}

#[derive(Default)]
struct Fields {
    texts: BTreeMap<String, String>,
    times: BTreeMap<String, UnixMillis>,
}

impl Fields {
    fn take(&mut self, operation: &Operation) -> Result<(), String> {
        let key = &operation.key;
        let taken = self.texts.contains_key(key) || self.times.contains_key(key);
        if taken {
            return Err(format!("it has the field {key:.60?} twice"));
        }
        match &operation.value {
            Value::Text(text) => {
                self.texts.insert(key.clone(), text.clone());
            }
            Value::Time(time) => {
                let time = u64::try_from(*time)
                    .ok()
                    .and_then(|time| UnixMillis::new(time).ok());
                let time = time.ok_or_else(|| format!("the time {key:.60?} is out of range"))?;
                self.times.insert(key.clone(), time);
            }
            Value::Map => return Err(format!("the field {key:.60?} is a map")),
        }
        Ok(())
    }

    fn text(&mut self, key: &str) -> Result<String, String> {
        self.texts
            .remove(key)
            .ok_or_else(|| format!("it lacks the text {key:?}"))
    }

    fn time(&mut self, key: &str) -> Result<UnixMillis, String> {
        self.times
            .remove(key)
            .ok_or_else(|| format!("it lacks the time {key:?}"))
    }

    fn nothing_left(self) -> Result<(), String> {
        match self.texts.keys().chain(self.times.keys()).next() {
            Some(key) => Err(format!("it has the unknown field {key:.60?}; upgrade starling")),
            None => Ok(()),
        }
    }
}
