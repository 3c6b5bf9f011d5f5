//! The database of fixes of Wolfi, in the form that [`secdb`](super::secdb) reads.

#[cfg(test)]
mod tests;

use super::Connector;
use super::output::Output;
use super::secdb::Owner;
use super::shape::Shape;

/// Reads the database of Wolfi.
pub(crate) struct Wolfi;

const OWNER: Owner = Owner {
    prefix: "WOLFI",
    ecosystem: "Wolfi",
    has_branches: false,
    hosts: &["packages.wolfi.dev"],
};

impl Connector for Wolfi {
    fn name(&self) -> &'static str {
        "wolfi"
    }

    fn knows(&self, shape: &Shape<'_>) -> bool {
        OWNER.knows(shape)
    }

    fn read(&self, bytes: &[u8], _: &str, out: &mut Output<'_>) {
        OWNER.read(bytes, out);
    }
}
