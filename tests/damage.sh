#!/usr/bin/env bash
# Damages a site's files at many places, and checks that it never answers wrongly and can be brought back.
#
#   tests/damage.sh                  500 rounds on each engine
#   tests/damage.sh 40               40 rounds on each, for a gate
#   tests/damage.sh 500 redb 7       on one engine, with the seed of an earlier run
#
# More arguments go to the check: --only ROUND, --keep DIR (keeps the damaged homes), --seconds N.
# STARLING_TEST_PROGRAM names another `starling` to check than the one that is built here.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

rounds=${1:-500}
engines=${2:-sled redb}
seed=${3:-}
more=("${@:4}")

[[ -n ${STARLING_TEST_PROGRAM:-} ]] || cargo build --quiet --package starling-cli --bins
cargo build --quiet --package starling-tests --bins
failed=0
for engine in $engines; do
    cargo run --quiet --package starling-tests --bin damage -- \
        --rounds "$rounds" --engine "$engine" ${seed:+--seed "$seed"} "${more[@]}" || failed=1
done
exit "$failed"
