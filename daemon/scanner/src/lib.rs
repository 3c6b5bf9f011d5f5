//! SBOMs, package URLs, version schemes and matching; pure.
