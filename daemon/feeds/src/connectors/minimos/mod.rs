//! The database of fixes of MinimOS, in the form that [`secdb`](super::secdb) reads.

#[cfg(test)]
mod tests;

use super::Connector;
use super::output::Output;
use super::secdb::Owner;
use super::shape::Shape;

/// Reads the database of MinimOS.
pub(crate) struct Minimos;

const OWNER: Owner = Owner {
    prefix: "MINI",
    ecosystem: "MinimOS",
    has_branches: false,
    hosts: &["packages.mini.dev"],
};

impl Connector for Minimos {
    fn name(&self) -> &'static str {
        "minimos"
    }

    fn knows(&self, shape: &Shape<'_>) -> bool {
        OWNER.knows(shape)
    }

    fn read(&self, bytes: &[u8], _: &str, out: &mut Output<'_>) {
        OWNER.read(bytes, out);
    }
}
