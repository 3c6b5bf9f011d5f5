//! Seeded worlds of many sites, checkers and reports.
