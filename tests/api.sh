#!/usr/bin/env bash
# Tests a running daemon against its own OpenAPI document with schemathesis: every operation, with values that the
# document allows and values that it does not. Ends with 1 after a server fault, an undocumented answer or status, or
# a request that is accepted against the document.
#
#   tests/api.sh [BINARY]            SCHEMATHESIS: the program, if it is not on the PATH; EXAMPLES: number per case
#
# If schemathesis is not installed, it is installed into a virtual environment in the target folder. If that fails,
# the script reports that it is skipped.
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
# The document is available as soon as the daemon serves; the address is the one that the daemon reports.
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
# A schema cannot express rules between fields (an end or `forever`; a cursor that the log has).
enabled = false

[checks.negative_data_rejection]
expected-statuses = ["4xx"]
TOML
"$schemathesis" --config-file "$bench/schemathesis.toml" run "http://$address/api/v1/openapi.json" --url "http://$address" \
    --max-examples "${EXAMPLES:-40}" --generation-deterministic --exclude-path-regex '/events$' \
    --header "Authorization: Bearer $(cat "$bench/token")" --suppress-health-check all
kill -0 "$daemon" || { echo 'the daemon ended'; tail -n 20 "$bench/log"; exit 1; }
