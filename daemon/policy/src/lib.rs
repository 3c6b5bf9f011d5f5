//! Findings and policy in, verdict out; pure.
