#!/usr/bin/env bash
# Ends daemons, commands and `init` with SIGKILL at every moment, also while they open the store.
#
#   tests/kills.sh                       100 rounds on each engine
#   tests/kills.sh 400 sled 7            on one engine, with the seed of an earlier run
#   tests/kills.sh --seconds 30          as many rounds as that time has, on each engine: what the gate does
#   tests/kills.sh --seconds 60 redb     on one
#
# STARLING_TEST_PROGRAM names another `starling` to check than the one that is built here.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

limits=(--rounds 100)
if [[ ${1:-} == --seconds ]]; then
    limits=(--rounds 1000000 --seconds "${2:?how many seconds}")
    shift 2
elif (($# > 0)); then
    limits=(--rounds "$1")
    shift
fi
engines=${1:-sled redb}
seed=${2:-}
more=("${@:3}")

[[ -n ${STARLING_TEST_PROGRAM:-} ]] || cargo build --quiet --package starling-cli --bins
cargo build --quiet --package starling-tests --bins
failed=0
for engine in $engines; do
    cargo run --quiet --package starling-tests --bin kills -- \
        "${limits[@]}" --engine "$engine" ${seed:+--seed "$seed"} "${more[@]}" || failed=1
done
exit "$failed"
