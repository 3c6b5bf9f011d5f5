#!/usr/bin/env bash
# Imports each crafted bundle of $STARLING_CORPUS/../bundles into a separate site, and compares the result with the right
# answers in that folder's README. `validate` must agree with `import`, and so must a dry run and, if its packages are
# installed, the Python verifier. Usage: tests/bundles.sh [BINARY]
set -uo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
starling=${1:-$here/target/debug/starling}
if [[ -z ${STARLING_CORPUS:-} ]]; then
    echo 'skipped: STARLING_CORPUS is not set'
    exit 0
fi
bundles=$STARLING_CORPUS/../bundles
if [[ ! -x $bundles/reader.sh ]]; then
    echo "skipped: $bundles is not there"
    exit 0
fi
bench=$(mktemp -d)
trap 'rm -rf "$bench"' EXIT
wrong=0
right=0
python=${PYTHON:-python3}
"$python" -c 'import blake3, nacl, zstandard' 2>/dev/null || python=

reader() { # name: a fresh site that lists the crafted authors
    STARLING=$starling sh "$bundles/reader.sh" "$bench/$1"
}
run() { # site, arguments …: leaves the answer in $answer and the exit code in $code
    local site=$1
    shift
    answer=$("$starling" --home "$bench/$site" --json "$@" 2>&1)
    code=$?
}
expect() { # what, exit code, pattern in the answer …
    local what=$1 wanted=$2 pattern
    shift 2
    if [[ $code != "$wanted" ]]; then
        echo "WRONG $what: exit $code, expected $wanted: $answer"
        wrong=$((wrong + 1))
        return
    fi
    for pattern in "$@"; do
        if ! grep -qE "$pattern" <<<"$answer"; then
            echo "WRONG $what: no $pattern in: $answer"
            wrong=$((wrong + 1))
            return
        fi
    done
    right=$((right + 1))
}
verifier() { # file, exit code
    [[ -n $python ]] || return 0
    answer=$("$python" "$here/tests/formats/verify.py" --bundle "$bundles/$1.stl" 2>&1)
    code=$?
    expect "$1 by verify.py" "$2"
}
refused() { # file, code, pattern …: refused by all of them, and nothing is kept
    local file=$1 error=$2
    shift 2
    reader "$file"
    run "$file" bundle validate "$bundles/$file.stl"
    expect "$file validate" 3 '"valid": false'
    run "$file" bundle import --dry-run "$bundles/$file.stl"
    expect "$file dry run" 3 "$error"
    run "$file" bundle import "$bundles/$file.stl"
    expect "$file import" 3 "\"code\":\"$error\"" "$@"
    run "$file" status
    expect "$file keeps nothing" 0 '"records": 0'
}

refused body-sizes-lie body_size_false 'its claim says'
refused empty bundle_empty 'has no deltas'
refused epoch-closed-by-second-next epoch_closed 'closed'
refused head-forks head_contradicts 'fork'
refused no-author-chain certificate_invalid 'chain'
refused non-canonical-bodies record_not_canonical 'not canonical JSON'
refused third-delta-lies state_root_false 'after claim'
refused void-deltas-only epoch_closed 'closed'
for file in body-sizes-lie epoch-closed-by-second-next head-forks no-author-chain non-canonical-bodies third-delta-lies \
    void-deltas-only one-log-lies; do
    verifier $file 1
done
for file in fork-1 fork-2 fork-2-longer chain-x chain-y empty; do
    verifier $file 0
done

reader one-log-lies
run one-log-lies bundle validate "$bundles/one-log-lies.stl"
expect 'one-log-lies validate' 3 '"valid": false'
run one-log-lies bundle import --dry-run "$bundles/one-log-lies.stl"
expect 'one-log-lies dry run' 7 '"success": false' '"outcome": "taken"' '"outcome": "refused"'
run one-log-lies bundle import "$bundles/one-log-lies.stl"
expect 'one-log-lies import' 7 '"success": false' '"outcome": "taken"' '"outcome": "refused"' state_root_false

for second in fork-2 fork-2-longer; do
    reader $second
    run $second bundle import "$bundles/fork-1.stl"
    expect 'fork-1 import' 0 '"success": true' '"outcome": "taken"'
    run $second bundle import "$bundles/fork-1.stl"
    expect 'fork-1 again' 3 cursor_not_after_current
    run $second bundle import --dry-run "$bundles/fork-1.stl"
    expect 'fork-1 again, dry run' 0 '"success": true' '"outcome": "here"'
    run $second bundle validate "$bundles/$second.stl"
    expect "$second validate" 3 'two histories'
    run $second bundle import --dry-run "$bundles/$second.stl"
    expect "$second dry run" 3 fork_detected
    run $second bundle import "$bundles/$second.stl"
    expect "$second import" 3 fork_detected 'two histories'
    run $second status
    expect "$second is frozen" 0 'its log is frozen' 'epoch certificate'
    run $second doctor
    expect "$second in the doctor" 0 'frozen'
    run $second bundle import "$bundles/fork-1.stl"
    expect "fork-1 after $second" 3 author_frozen 'epoch certificate'
    run $second bundle validate "$bundles/fork-1.stl"
    expect "fork-1 validate after $second" 3 'is frozen'
done

reader chain
run chain bundle import "$bundles/chain-x.stl"
expect 'chain-x import' 0 '"success": true'
run chain bundle validate "$bundles/chain-y.stl"
expect 'chain-y validate' 3 'Two certificates for one epoch'
run chain bundle import "$bundles/chain-y.stl"
expect 'chain-y import' 3 certificate_conflict
run chain status
expect 'chain-y in the status' 0 'nothing new of it is trusted'
run chain doctor
expect 'chain-y in the doctor' 0 'two certificates'
run chain bundle import "$bundles/chain-x.stl"
expect 'chain-x after chain-y' 3 certificate_conflict

[[ -n $python ]] || echo 'skipped: verify.py, its packages are not installed'
echo "crafted bundles: $right right, $wrong wrong"
((wrong == 0))
