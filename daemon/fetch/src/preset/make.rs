//! Helpers with which presets build their plans.

use std::time::Duration;

use super::Preset;
use crate::address::Address;
use crate::error::PlanError;
use crate::names::{check_part, shorten};
use crate::plan::{DocumentStep, Form, ListFormat, ListStep, Plan, Step, Validators};

/// The operator's settings of a preset.
pub(super) struct Ask<'a> {
    pub(super) preset: &'static str,
    kind: &'static str,
    title: &'static str,
    /// The address that replaces the default one.
    pub(super) mirror: Option<Address>,
    pub(super) parameter: Option<&'a str>,
}

impl<'a> Ask<'a> {
    pub(super) fn new(
        of: &Preset,
        address: Option<&str>,
        parameter: Option<&'a str>,
    ) -> Result<Self, PlanError> {
        Ok(Self {
            preset: of.name,
            kind: of.kind,
            title: of.title,
            mirror: address.map(Address::parse).transpose()?,
            parameter,
        })
    }

    /// Returns the error for a parameter that is not understood.
    pub(super) fn wrong(&self, why: &str) -> PlanError {
        PlanError::Parameter {
            preset: self.preset,
            parameter: shorten(self.parameter.unwrap_or_default()),
            why: why.to_owned(),
        }
    }

    /// Returns the base address, with several documents below it.
    pub(super) fn base(&self, default: &str) -> Result<Address, PlanError> {
        match &self.mirror {
            Some(mirror) if mirror.is_file_by_name() => Err(self.not_a_folder(
                mirror,
                "it names a file, and the preset reads several documents below a folder: give the folder's address",
            )),
            Some(mirror) => Ok(mirror.clone()),
            None => Address::parse(default),
        }
    }

    /// Returns an address: `default` at the source, `path` below a mirror. A mirror may also be the file itself, with
    /// any name that has the ending of `path`.
    pub(super) fn at(&self, default: &str, path: &str) -> Result<Address, PlanError> {
        let default = Address::parse(default)?;
        let Some(mirror) = &self.mirror else {
            return Ok(default);
        };
        let end = path.rsplit_once('.').map_or(path, |(_, end)| end);
        if *mirror == default || mirror.file_name("") == path || mirror.ends_in(end) {
            return Ok(mirror.clone());
        }
        if mirror.is_file_by_name() {
            let why =
                format!("it names a file that is not a .{end}: give such a file, or the folder with {path}");
            return Err(self.not_a_folder(mirror, &why));
        }
        below(mirror, path)
    }

    /// Returns the error for the address of a file if that of a folder is needed.
    fn not_a_folder(&self, mirror: &Address, why: &str) -> PlanError {
        PlanError::Address {
            address: shorten(&mirror.without_query()),
            why: why.to_owned(),
        }
    }

    /// Returns the parts of a comma-separated parameter, each valid as a name.
    pub(super) fn parts(&self) -> Result<Vec<&'a str>, PlanError> {
        let parts: Vec<&str> = self
            .parameter
            .unwrap_or_default()
            .split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty())
            .collect();
        for part in &parts {
            check_part(part).map_err(|why| self.wrong(&why))?;
        }
        Ok(parts)
    }

    pub(super) fn plan(&self, base: Address, steps: Vec<Step>) -> Result<Plan, PlanError> {
        Plan::new(self.title, Some(self.kind), base, steps)
    }

    /// Returns a plan of one document: `default` at the source, or `path` below the mirror's address.
    pub(super) fn single(&self, default: &str, path: &str, form: Form) -> Result<Plan, PlanError> {
        let address = self.at(default, path)?;
        let base = self.mirror.clone().unwrap_or_else(|| address.clone());
        self.plan(base, vec![Step::Document(document(address, path, form))])
    }
}

/// Appends a path that a preset names.
pub(super) fn below(base: &Address, path: &str) -> Result<Address, PlanError> {
    if base.has_query() {
        return Err(PlanError::Address {
            address: shorten(&base.without_query()),
            why:
                "what follows the ? would not be sent for the documents below it: give the address without it"
                    .to_owned(),
        });
    }
    base.join(path).map_err(|why| PlanError::Address {
        address: shorten(&base.to_string()),
        why,
    })
}

pub(super) fn document(address: Address, name: &str, form: Form) -> DocumentStep {
    DocumentStep {
        address,
        name: name.to_owned(),
        form,
        validators: Validators::Both,
        beside: None,
        may_be_missing: false,
    }
}

/// Returns the step for a list of JSON documents.
pub(super) fn list(id: &str, address: Address, documents: Address, format: ListFormat) -> ListStep {
    ListStep {
        id: id.to_owned(),
        address,
        format,
        documents,
        suffix: String::new(),
        only: String::new(),
        below: String::new(),
        files: Vec::new(),
        prefix: String::new(),
        form: Form::Json,
        may_be_empty: false,
        by_time: true,
        overlap: hours(1),
    }
}

pub(super) const fn hours(hours: u64) -> Duration {
    Duration::from_secs(hours * 3600)
}

pub(super) const fn days(days: u64) -> Duration {
    hours(days * 24)
}
