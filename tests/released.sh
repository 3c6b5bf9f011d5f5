#!/usr/bin/env bash
# Checks that a release refuses a home which today's program has opened, and changes nothing in it.
#
#   tests/released.sh RELEASED_STARLING
#
# Uses the homes of tests/golden/homes. STARLING_TEST_PROGRAM names the `starling` that opens them; the default is the
# one that is built here. Today's program must have migrated the home to a layout that the release does not support.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

released=$(realpath "${1:?name the released program}")
today=${STARLING_TEST_PROGRAM:-}
if [[ -z $today ]]; then
    cargo build --quiet --package starling-cli --bins
    today=${CARGO_TARGET_DIR:-target}/debug/starling
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

wrong() {
    echo "FAILED $*" >&2
    failed=1
}

# Every file of a home except the one with the number of the process that uses it.
files_of() { (cd "$1" && find . -type f ! -name LOCK -exec sha256sum {} + | sort -k 2); }

for engine in sled redb; do
    home=$work/$engine
    mkdir "$home"
    zstd -dcq "tests/golden/homes/$engine/home.tar.zst" | tar -x -C "$home"
    env -i "$today" --home "$home" status >/dev/null || wrong "$engine: today's program does not open the home"
    files_of "$home" >"$work/before"
    while read -r name args; do
        code=0
        # shellcheck disable=SC2086 # the arguments are words
        env -i timeout --signal KILL 30 "$released" --home "$home" $args >"$work/said" 2>&1 </dev/null || code=$?
        case $code in
        0) wrong "$engine: the release does '$name' on the moved home" ;;
        137) wrong "$engine: the release's '$name' does not end on the moved home" ;;
        101 | 134) wrong "$engine: the release panics at '$name': $(tail -n 3 "$work/said")" ;;
        *) [[ -s $work/said ]] || wrong "$engine: the release refuses '$name' without a word" ;;
        esac
        echo "$engine: $name: exit $code: $(grep -m 1 . "$work/said" | cut -c 1-300)"
        files_of "$home" >"$work/after"
        if ! cmp -s "$work/before" "$work/after"; then
            wrong "$engine: the release's '$name' changed the home:"
            diff "$work/before" "$work/after" | head -n 10 >&2 || true
            cp "$work/after" "$work/before"
        fi
    done <<-'COMMANDS'
	status status
	init init --site-id site-a
	up up --listen /ip4/127.0.0.1/udp/0/quic-v1
	doctor doctor
	rebuild doctor --rebuild
	list advisory list
	convert store convert --engine redb
	COMMANDS
    env -i "$today" --home "$home" doctor >/dev/null || wrong "$engine: the home is not sound after the release met it"
done
((failed == 0)) && echo 'released: refused in words, and nothing changed'
exit "$failed"
