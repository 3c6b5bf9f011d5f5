//! One package in the index: its name, and for each advisory a screen and the place of its detail.

use std::io::Error;

use super::cursor::{Cursor, length_of, put_bytes, put_length};
use super::screen::{Screen, ScreenRef};

/// The place of a detail, relative to the package's details.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct DetailAt {
    pub(super) offset: u32,
    pub(super) length: u32,
}

/// Collects the screens of one package.
#[derive(Debug)]
pub(super) struct PackageWriter {
    bytes: Vec<u8>,
}

impl PackageWriter {
    /// Starts a package with `count` advisories.
    pub(super) fn new(ecosystem: &str, name: &str, advisories: usize) -> Result<Self, Error> {
        let mut bytes = Vec::with_capacity(64 + advisories * 48);
        put_bytes(&mut bytes, ecosystem.as_bytes())?;
        put_bytes(&mut bytes, name.as_bytes())?;
        put_length(&mut bytes, advisories)?;
        Ok(Self { bytes })
    }

    /// Adds an advisory.
    pub(super) fn add(&mut self, screen: &Screen, offset: usize, length: usize) -> Result<(), Error> {
        for number in [length_of(offset)?, length_of(length)?] {
            self.bytes.extend_from_slice(&number.to_le_bytes());
        }
        screen.write(&mut self.bytes)
    }

    pub(super) fn finish(self) -> Vec<u8> {
        self.bytes
    }
}

/// A package as stored in the index.
#[derive(Debug)]
pub(super) struct Package<'a> {
    pub(super) ecosystem: &'a str,
    pub(super) name: &'a str,
    count: usize,
    rest: Cursor<'a>,
}

impl<'a> Package<'a> {
    /// Parses a package's screens; `None` if the bytes are not valid.
    pub(super) fn read(bytes: &'a [u8]) -> Option<Self> {
        let mut rest = Cursor(bytes);
        Some(Self {
            ecosystem: std::str::from_utf8(rest.bytes()?).ok()?,
            name: std::str::from_utf8(rest.bytes()?).ok()?,
            count: rest.length()?,
            rest,
        })
    }

    /// Visits the screens in order; returns `None` if they are truncated or not valid.
    pub(super) fn for_each(mut self, mut visit: impl FnMut(ScreenRef<'a>, DetailAt)) -> Option<()> {
        for _ in 0..self.count {
            let offset = u32::from_le_bytes(self.rest.array()?);
            let length = u32::from_le_bytes(self.rest.array()?);
            visit(ScreenRef::read(&mut self.rest)?, DetailAt { offset, length });
        }
        self.rest.0.is_empty().then_some(())
    }
}
