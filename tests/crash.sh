#!/usr/bin/env bash
# Kills daemons at random moments during import and sync, and checks that nothing acknowledged is lost.
#
#   tests/crash.sh                  20 rounds on each engine, for a gate
#   tests/crash.sh 200              200 rounds on each
#   tests/crash.sh 200 redb 7       on one engine, with the seed of an earlier run
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

rounds=${1:-20}
engines=${2:-sled redb}
seed=${3:-}

cargo build --quiet --package starling-cli --package starling-tests --bins
for engine in $engines; do
    cargo run --quiet --package starling-tests --bin crash -- --rounds "$rounds" --engine "$engine" ${seed:+--seed "$seed"}
done
