//! The fold from claims to canonical advisories: identity, policy order, provenance, conflicts.
