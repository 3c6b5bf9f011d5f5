//! Engines of several sites over in-memory replicas and a network of queues.

// Helper functions of tests are outside test functions; a failing helper is a failing test.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod bodies;
mod branches;
mod convergence;
mod duel;
mod greetings;
mod lagging;
mod net;
mod news;
mod restored;
mod tips;
mod traffic;
mod violations;
mod writes;
