//! The database of fixes of Alpine Linux, in the form that [`secdb`](super::secdb) reads.

#[cfg(test)]
mod tests;

use super::Connector;
use super::output::Output;
use super::secdb::Owner;
use super::shape::Shape;

/// Reads the database of Alpine Linux.
pub(crate) struct Alpine;

const OWNER: Owner = Owner {
    prefix: "ALPINE",
    ecosystem: "Alpine",
    has_branches: true,
    hosts: &["alpinelinux.org"],
};

impl Connector for Alpine {
    fn name(&self) -> &'static str {
        "alpine"
    }

    fn knows(&self, shape: &Shape<'_>) -> bool {
        OWNER.knows(shape)
    }

    fn read(&self, bytes: &[u8], _: &str, out: &mut Output<'_>) {
        OWNER.read(bytes, out);
    }
}
