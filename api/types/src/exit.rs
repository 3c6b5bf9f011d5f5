//! The exit codes of `starling`, the same for every command.

use std::fmt;

/// How a command ended; the numbers are stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum ExitStatus {
    /// Done; for a scan: pass.
    Pass = 0,
    /// A scan failed by policy.
    FailedByPolicy = 1,
    /// The command line, the configuration or the site's folder is not usable.
    Usage = 2,
    /// The input was read and refused; nothing of it was kept.
    InputRefused = 3,
    /// Knowledge is missing or stale: an unknown advisory, an empty store, a body that is not held.
    KnowledgeMissing = 4,
    /// A scan covered less of the SBOM than policy demands.
    CoverageTooLow = 5,
    /// The site is not reachable, busy, or locked by another process.
    NotReachable = 6,
    /// Part of the input was taken; the answer says which part was held or refused, and why.
    TakenInPart = 7,
    /// A fault of Starling itself.
    Internal = 10,
    /// The store is damaged; `starling doctor` names where.
    StoreDamaged = 11,
    /// There is no space left on the disk.
    DiskFull = 12,
}

impl ExitStatus {
    /// Every status, in order of its code.
    pub const ALL: [Self; 11] = [
        Self::Pass,
        Self::FailedByPolicy,
        Self::Usage,
        Self::InputRefused,
        Self::KnowledgeMissing,
        Self::CoverageTooLow,
        Self::NotReachable,
        Self::TakenInPart,
        Self::Internal,
        Self::StoreDamaged,
        Self::DiskFull,
    ];

    /// The process exit code.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// What the code means, as printed in help texts.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::FailedByPolicy => "fail by policy",
            Self::Usage => "usage",
            Self::InputRefused => "input refused",
            Self::KnowledgeMissing => "knowledge missing or stale",
            Self::CoverageTooLow => "coverage too low",
            Self::NotReachable => "not reachable or locked",
            Self::TakenInPart => "taken in part",
            Self::Internal => "internal error",
            Self::StoreDamaged => "store damaged",
            Self::DiskFull => "disk full",
        }
    }

    /// The status with this code, if there is one.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.code() == code)
    }
}

impl fmt::Display for ExitStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.code(), self.meaning())
    }
}
