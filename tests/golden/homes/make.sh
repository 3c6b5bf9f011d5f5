#!/usr/bin/env bash
# Creates a golden home for each engine with one `starling`, and the answers that this `starling` gives.
#
#   tests/golden/homes/make.sh STARLING OUT
#
# The homes in this folder were created once, by the release that README.md names. They are never created again: new
# keys and new times would give other bytes. A later release adds a separate folder. Needs jq, tar and zstd.
set -euo pipefail

starling=$(realpath "$1")
out=$(realpath -m "$2")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Nothing of the caller's environment reaches the program.
site() { env -i PATH="$PATH" "$starling" --home "$work/$engine/$1" "${@:2}"; }

# record ID ECOSYSTEM PACKAGE FIXED MODIFIED [ALIAS] [EXTRA-JSON]
record() { # a line of JSON
    jq -nc --arg id "$1" --arg eco "$2" --arg name "$3" --arg fixed "$4" --arg modified "$5" \
        --arg alias "${6:-}" --argjson extra "${7:-{\}}" '{
        schema_version: "1.6.0", id: $id, modified: $modified, published: "2025-01-01T00:00:00Z",
        aliases: (if $alias == "" then [] else [$alias] end),
        summary: "\($name) before \($fixed) trusts its input",
        details: "A caller who controls the input of \($name) can make it run code. Update to \($fixed).",
        severity: [{type: "CVSS_V3", score: "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}],
        affected: [{package: {ecosystem: $eco, name: $name},
                    ranges: [{type: (if $eco == "npm" then "SEMVER" else "ECOSYSTEM" end),
                              events: [{introduced: "0"}, {fixed: $fixed}]}]}],
        database_specific: {reviewed: 12345678901234567890, note: "Grüße \ud83d\udc26"}
    } + $extra'
}

feeds() {
    mkdir -p "$work/ghsa-1" "$work/nvd" "$work/osv" "$work/extra" "$work/fork-1" "$work/fork-2" "$work/fork-3"
    local n
    for n in $(seq 1 14); do
        record "GHSA-0000-0000-$(printf %04d "$n")" npm "web-part-$n" "1.$n.0" 2025-02-01T00:00:00Z \
            "CVE-2025-$((10000 + n))" >"$work/ghsa-1/$n.json"
    done
    record GHSA-0000-0000-0015 npm web-part-1 0.9.0 2025-02-03T00:00:00Z CVE-2025-10015 \
        '{"withdrawn": "2025-02-04T00:00:00Z"}' >"$work/ghsa-1/15.json"
    # The next day: one changed, one gone, one new.
    cp -r "$work/ghsa-1" "$work/ghsa-2"
    record GHSA-0000-0000-0002 npm web-part-2 1.2.7 2025-03-01T00:00:00Z CVE-2025-10002 >"$work/ghsa-2/2.json"
    rm "$work/ghsa-2/3.json" "$work/ghsa-2/10.json"
    record GHSA-0000-0000-0016 npm web-part-16 3.0.0 2025-03-01T00:00:00Z CVE-2025-10016 >"$work/ghsa-2/16.json"
    # The day after: the first one is back, another one has changed.
    cp -r "$work/ghsa-2" "$work/ghsa-3"
    cp "$work/ghsa-1/3.json" "$work/ghsa-3/3.json"
    record GHSA-0000-0000-0009 npm web-part-9 1.9.1 2025-03-02T00:00:00Z CVE-2025-10009 >"$work/ghsa-3/9.json"
    # Enough of one source that a dictionary is trained on it.
    record CVE-0 PyPI library 1.0 2024-06-01T00:00:00Z | jq -c 'range(1; 301) as $n | .id = "CVE-2024-\(20000 + $n)"
        | .affected[0].package.name = "library-\($n % 97)-\($n)"
        | .affected[0].ranges[0].events[1].fixed = "2.\($n % 11).\($n)"
        | .details += " Seen in release \($n) of the library, number \($n * 7919 % 1000)."' >"$work/nvd/all.ndjson"
    # The second site has records about some of the same vulnerabilities, and about other packages.
    for n in $(seq 1 6); do
        record "OSV-2025-$n" npm "web-part-$n" "1.$n.5" 2025-02-10T00:00:00Z "CVE-2025-$((10000 + n))" \
            >"$work/osv/$n.json"
    done
    for n in $(seq 7 12); do
        record "OSV-2025-$n" Debian:12 "tool-$n" "1.$n-2" 2025-02-10T00:00:00Z >"$work/osv/$n.json"
    done
    for n in $(seq 1 4); do
        record "EXTRA-2025-$n" npm "private-$n" 4.0.0 2025-02-11T00:00:00Z >"$work/extra/$n.json"
    done
    for n in 1 2 3; do
        record "FORK-2025-$n" PyPI "forked-$n" "5.$n" 2025-02-12T00:00:00Z >"$work/fork-$n/1.json"
    done
    # The longer branch, so that it is read at all.
    record FORK-2025-4 PyPI forked-4 5.4 2025-02-12T00:00:00Z >"$work/fork-3/2.json"
}

documents() {
    mkdir -p "$out/inputs"
    jq -n '{bomFormat: "CycloneDX", specVersion: "1.5", version: 1,
        metadata: {component: {type: "application", name: "shop", version: "1.0.0", purl: "pkg:npm/shop@1.0.0"}},
        components: ([range(1; 17) | {type: "library", "bom-ref": "w\(.)", name: "web-part-\(.)", version: "1.\(.).0-rc.1",
            purl: "pkg:npm/web-part-\(.)@1.\(.).0-rc.1"}]
          + [range(1; 40) | {type: "library", "bom-ref": "l\(.)", name: "library-\(. % 97)-\(.)", version: "1.0",
            purl: "pkg:pypi/library-\(. % 97)-\(.)@1.0"}]
          + [range(7; 13) | {type: "library", "bom-ref": "d\(.)", name: "tool-\(.)", version: "1.0-1",
            purl: "pkg:deb/debian/tool-\(.)@1.0-1?distro=debian-12"}]
          + [range(1; 4) | {type: "library", "bom-ref": "f\(.)", name: "forked-\(.)", version: "1.0",
            purl: "pkg:pypi/forked-\(.)@1.0"}])}' >"$out/inputs/sbom.json"
    jq -n '{"@context": "https://openvex.dev/ns/v0.2.0", "@id": "https://example.org/vex-1", author: "supplier",
        timestamp: "2025-01-01T00:00:00Z", version: 1, statements: [{vulnerability: {name: "CVE-2025-10005"},
        products: [{"@id": "pkg:npm/web-part-5@1.5.0-rc.1"}], status: "not_affected",
        justification: "vulnerable_code_not_in_execute_path"}]}' >"$out/inputs/vex.json"
    cat >"$out/inputs/policy.yaml" <<'YAML'
format: starling-policy/1
name: golden
fail:
  - severity: critical
rules:
  - id: tool-7-is-not-reached
    action: ignore
    reason: the tool is not called
    owner: golden@example.com
    expires: 2030-01-01
    when:
      package: [tool-7]
YAML
}

# The homes, step by step; what they must hold is listed in README.md.
history() {
    local site
    for site in site-a site-b site-c; do site $site init --site-id $site --engine "$engine"; done
    cp "$out/inputs/policy.yaml" "$work/$engine/site-a/policy.yaml"
    sed -i 's/^# policy_file = .*/policy_file = "policy.yaml"/' "$work/$engine/site-a/starling.toml"
    grep -q '^policy_file = "policy.yaml"$' "$work/$engine/site-a/starling.toml"
    site site-a feeds import "$work/ghsa-1" --source ghsa --complete
    date -u +%Y-%m-%dT%H:%M:%S.%3NZ >"$work/$engine/as-of-early"
    site site-a feeds import "$work/nvd/all.ndjson" --source nvd --complete
    site site-b feeds import "$work/osv" --source osv --complete
    site site-b feeds import "$work/extra" --source extra
    # Claims that the list does not allow are held and not accepted.
    site site-a sites add site-b --key "$(site site-b keys export --public)" --allowed-sources ghsa,osv \
        --display-name 'The second site'
    site site-b sites add site-a --key "$(site site-a keys export --public)" --allowed-sources '*'
    site site-b bundle export --to site-a -o "$work/$engine/b-1.stl"
    site site-a bundle import "$work/$engine/b-1.stl"
    site site-a mute add CVE-2025-10004 --package 'pkg:npm/web-part-4' --forever --reason 'not reachable' --by golden
    site site-a mute add CVE-2025-10006 --until 2030-01-01 --reason 'for a while' --by golden
    local gone
    gone=$(site site-a mute list --vulnerability CVE-2025-10006 --json | jq -r '.. | .id? // empty' | head -n 1)
    site site-a mute remove "$gone" --reason 'reachable after all' --by golden
    site site-a vex add "$out/inputs/vex.json"
    site site-a scan "$out/inputs/sbom.json" >/dev/null || true
    site site-a status --json | jq -r .head >"$work/$engine/as-of-cursor"
    site site-a feeds import "$work/ghsa-2" --source ghsa --complete
    site site-a keys generate
    site site-b keys generate
    record OSV-2025-13 npm web-part-13 1.13.9 2025-03-02T00:00:00Z CVE-2025-10013 >"$work/osv/13.json"
    site site-b feeds import "$work/osv" --source osv --complete
    site site-b mute add CVE-2025-10008 --forever --reason 'said by the second site' --by golden
    site site-a bundle export --to site-b -o "$work/$engine/a-1.stl"
    site site-b bundle import "$work/$engine/a-1.stl"
    site site-b bundle export --to site-a -o "$work/$engine/b-2.stl"
    site site-a bundle import "$work/$engine/b-2.stl"
    rm "$work/osv/13.json"
    fork
    # With the new key.
    site site-a feeds import "$work/ghsa-3" --source ghsa --complete
    meet
    site site-a scan "$out/inputs/sbom.json" >/dev/null || true
}

# A third site that was copied and continued twice: a proven fork, which the first site keeps.
fork() {
    site site-c feeds import "$work/fork-1" --source pypa
    cp -r "$work/$engine/site-c" "$work/$engine/site-d"
    site site-c feeds import "$work/fork-2" --source pypa
    site site-d feeds import "$work/fork-3" --source pypa
    site site-c bundle export -o "$work/$engine/c.stl"
    site site-d bundle export -o "$work/$engine/d.stl"
    site site-a sites add site-c --key "$(site site-c keys export --public)" --allowed-sources pypa
    site site-a bundle import "$work/$engine/c.stl"
    site site-a bundle import "$work/$engine/d.stl" || echo 'the other branch was refused, as it must be'
}

# The first two over a network once, so that the ledger lists sessions.
meet() {
    local a b address
    # Not through the function, so that the process in the background is the program itself.
    local up=(up --listen /ip4/127.0.0.1/udp/0/quic-v1)
    env -i PATH="$PATH" "$starling" --home "$work/$engine/site-a" "${up[@]}" >"$work/$engine/a.log" 2>&1 & a=$!
    # No command before the socket exists: it would open the store, and the daemon would find it locked.
    until [[ -S $work/$engine/site-a/starling.sock ]]; do sleep 0.05; done
    until address=$(site site-a status --json | jq -er '.listen[0]'); do sleep 0.05; done
    site site-b sites set site-a --address "$address"
    env -i PATH="$PATH" "$starling" --home "$work/$engine/site-b" "${up[@]}" >"$work/$engine/b.log" 2>&1 & b=$!
    until [[ -S $work/$engine/site-b/starling.sock ]]; do sleep 0.05; done
    until site site-b status --json | jq -e '.peers[0].connected' >/dev/null; do sleep 0.05; done
    kill "$a" "$b"
    wait "$a" "$b"
}

# The answers of the program on a copy of the home.
answers() {
    local to=$out/$engine/answers cursor early
    mkdir -p "$to"
    cursor=$(<"$work/$engine/as-of-cursor")
    early=$(<"$work/$engine/as-of-early")
    jq -n --arg cursor "$cursor" --arg time "$early" '{at: "2026-12-30T00:00:00.000Z", cursor: $cursor, time: $time}' \
        >"$to/moments.json"
    local scan=(scan "$out/inputs/sbom.json" --at 2026-12-30T00:00:00.000Z --json)
    site copy "${scan[@]}" --fail-on high >"$to/scan.json" || [[ $? == 1 ]]
    site copy "${scan[@]}" --as-of "$cursor" >"$to/scan-as-of-cursor.json" || [[ $? == 1 ]]
    site copy "${scan[@]}" --as-of "$early" >"$to/scan-as-of-time.json" || [[ $? == 1 ]]
    site copy status --json >"$to/status.json"
    site copy doctor --json >"$to/doctor.json"
    site copy advisory list --limit 0 --json | zstd -q -19 -f -o "$to/advisory-list.json.zst"
    site copy advisory get CVE-2025-10002 --json >"$to/advisory-get.json"
    site copy advisory get CVE-2025-10010 >/dev/null 2>&1 || [[ $? == 4 ]]
    site copy advisory get CVE-2025-10010 --as-of "$cursor" --json >"$to/advisory-get-as-of.json"
    site copy advisory dump -o - | zstd -q -19 -f -o "$to/records.ndjson.zst"
    site copy mute list --removed --json >"$to/mutes.json"
    site copy vex list --json >"$to/vex.json"
    site copy policy history --json >"$to/policies.json"
    site copy keys show --json >"$to/identity.json"
    site copy sites list --json >"$to/sites.json"
    site copy sites history site-b --json >"$to/history-of-b.json"
    site copy sites status site-b --json >"$to/status-of-b.json"
    site copy sites status site-c --json >"$to/status-of-c.json"
}

# The answers of a site that has only the bundles and keys.
reader() {
    site reader init --site-id reader --engine "$engine"
    local name
    for name in site-a site-b; do
        site reader sites add $name --key "@$out/$engine/$name.key" --allowed-sources ghsa,nvd,osv
    done
    site reader bundle import "$out/$engine/site-a.stl"
    site reader status --json >"$out/$engine/answers/reader-status.json"
    site reader advisory dump -o - | zstd -q -19 -f -o "$out/$engine/answers/reader-records.ndjson.zst"
}

feeds
documents
for engine in sled redb; do
    mkdir -p "$work/$engine" "$out/$engine"
    history
    for name in site-a site-b; do site $name keys export --public >"$out/$engine/$name.key"; done
    site site-a bundle export -o "$out/$engine/site-a.stl"
    cp "$work/$engine/b-2.stl" "$out/$engine/site-b.stl"
    rm -f "$work/$engine/site-a/starling.sock"
    tar -C "$work/$engine/site-a" --owner=0 --group=0 --numeric-owner --sort=name -c . |
        zstd -q -19 -f -o "$out/$engine/home.tar.zst"
    mkdir "$work/$engine/copy"
    zstd -dcq "$out/$engine/home.tar.zst" | tar -x -C "$work/$engine/copy"
    answers
    reader
done
