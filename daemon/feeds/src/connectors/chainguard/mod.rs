//! The database of fixes of Chainguard, in the form that [`secdb`](super::secdb) reads.

#[cfg(test)]
mod tests;

use super::Connector;
use super::output::Output;
use super::secdb::Owner;
use super::shape::Shape;

/// Reads the database of Chainguard.
pub(crate) struct Chainguard;

const OWNER: Owner = Owner {
    prefix: "CHAINGUARD",
    ecosystem: "Chainguard",
    has_branches: false,
    hosts: &["cgr.dev"],
};

impl Connector for Chainguard {
    fn name(&self) -> &'static str {
        "chainguard"
    }

    fn knows(&self, shape: &Shape<'_>) -> bool {
        OWNER.knows(shape)
    }

    fn read(&self, bytes: &[u8], _: &str, out: &mut Output<'_>) {
        OWNER.read(bytes, out);
    }
}
