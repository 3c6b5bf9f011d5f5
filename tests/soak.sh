#!/usr/bin/env bash
# Lets a pair of daemons take in the corpus's days over and over, and measures what grows.
#
#   tests/soak.sh                    a quarter of an hour on sled
#   tests/soak.sh 3600 redb          an hour on redb
#
# Ends with 1 when something grows, and with 2 when the time was too short for two passes over the days.
# Needs the corpus in STARLING_CORPUS, else says that it is skipped. Builds with --release, as memory is measured.
# STARLING_TEST_PROGRAM names another `starling` to check than the one that is built here.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

seconds=${1:-900}
engine=${2:-sled}

if [[ -z ${STARLING_TEST_PROGRAM:-} ]]; then
    cargo build --quiet --release --package starling-cli --bins
    STARLING_TEST_PROGRAM=${CARGO_TARGET_DIR:-target}/release/starling
    export STARLING_TEST_PROGRAM
fi
exec cargo run --quiet --package starling-tests --bin soak -- --seconds "$seconds" --engine "$engine"
