#!/usr/bin/env bash
# Asks a running daemon by its own OpenAPI document: every operation with values that the document allows and with values
# that it does not, by schemathesis. A fault of the server, an answer or a status that the document does not tell, and
# a request that is taken against the document each end this with 1.
#
#   tests/api.sh [BINARY]            SCHEMATHESIS: the program, where it is not on the PATH; EXAMPLES: how many a case
#
# Where schemathesis is not installed it is put into a virtual environment in the target folder; where that is not
# possible this says that it is skipped.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
readonly VERSION=4.32.5
starling=${1:-target/debug/starling}
bench=$(mktemp -d)
daemon=
trap '[[ -n $daemon ]] && kill "$daemon" && wait "$daemon" || true; rm -rf "$bench"' EXIT

schemathesis=${SCHEMATHESIS:-$(command -v schemathesis || true)}
if [[ -z $schemathesis ]]; then
    tools=${CARGO_TARGET_DIR:-target}/schemathesis
    if ! { python3 -m venv "$tools" && "$tools/bin/pip" install --quiet "schemathesis==$VERSION"; } >"$bench/pip" 2>&1; then
        echo "skipped: schemathesis cannot be installed: $(tail -n 1 "$bench/pip")"
        exit 0
    fi
    schemathesis=$tools/bin/schemathesis
fi

head -c 24 /dev/urandom | od -An -tx1 | tr -d ' \n' >"$bench/token"
chmod 600 "$bench/token"
site() { "$starling" --home "$bench/site" "$@"; }
site init --site-id site-asked >/dev/null
sed -i "s|^# *token_file = .*|token_file = \"$bench/token\"|" "$bench/site/starling.toml"
grep -q '^token_file' "$bench/site/starling.toml" || printf '\n[api]\ntoken_file = "%s"\n' "$bench/token" >>"$bench/site/starling.toml"
site feeds import cli/src/quickstart/advisories/ghsa --source ghsa >/dev/null
"$starling" --home "$bench/site" up --api 127.0.0.1:0 --listen /ip4/127.0.0.1/udp/0/quic-v1 >"$bench/log" 2>&1 &
daemon=$!
# The document is there as soon as the daemon serves; the address is the one that it says it listens on.
address=
for _ in $(seq 300); do
    address=$(grep -oE '127\.0\.0\.1:[0-9]+' "$bench/log" | head -n 1 || true)
    [[ -n $address ]] && curl -sf -o /dev/null "http://$address/api/v1/openapi.json" && break
    kill -0 "$daemon" || { cat "$bench/log"; exit 1; }
    sleep 0.1
done
cat >"$bench/schemathesis.toml" <<TOML
hooks = "$PWD/tests/api/hooks.py"

[checks.positive_data_acceptance]
# Rules between fields (an end or `forever`; a cursor that the log has) are no matter of a schema.
enabled = false

[checks.negative_data_rejection]
expected-statuses = ["4xx"]
TOML
"$schemathesis" --config-file "$bench/schemathesis.toml" run "http://$address/api/v1/openapi.json" --url "http://$address" \
    --max-examples "${EXAMPLES:-40}" --generation-deterministic --exclude-path-regex '/events$' \
    --header "Authorization: Bearer $(cat "$bench/token")" --suppress-health-check all
kill -0 "$daemon" || { echo 'the daemon ended'; tail -n 20 "$bench/log"; exit 1; }
