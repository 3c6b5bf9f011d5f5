#!/usr/bin/env bash
# Fills the disk of a site at random moments, and checks that it says so, loses nothing and goes on.
#
#   tests/full_disk.sh                   24 rounds on each engine, on a tmpfs of our own
#   tests/full_disk.sh redb              on one engine
#   tests/full_disk.sh redb 80 7         80 rounds, with the seed of an earlier run
#
# Says that it is skipped where no mount of our own is allowed. More arguments go to the check: --only ROUND,
# --seconds N. STARLING_TEST_PROGRAM names another `starling` to check than the one that is built here.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

engines=${1:-sled redb}
rounds=${2:-24}
seed=${3:-}
more=("${@:4}")

[[ -n ${STARLING_TEST_PROGRAM:-} ]] || cargo build --quiet --package starling-cli --bins
cargo build --quiet --package starling-tests --bins
failed=0
for engine in $engines; do
    cargo run --quiet --package starling-tests --bin full_disk -- \
        --rounds "$rounds" --engine "$engine" ${seed:+--seed "$seed"} "${more[@]}" || failed=1
done
exit "$failed"
