# A site's policy in Rego. `starling policy validate policy.rego` checks it, `starling policy
# test policy.rego` runs the rules whose names begin with `test_`.
package starling

# Exploited vulnerabilities fail, with any score.
deny contains {"finding": f, "id": "exploited", "reason": reason} if {
	some f in input.findings
	f.kev
	reason := sprintf("%s is exploited; %s", [f.vulnerability, advice(f)])
}

# Severe vulnerabilities with a fix, known for more than thirty days, fail too.
deny contains {"finding": f, "id": "grave-and-fixable", "reason": advice(f)} if {
	some f in input.findings
	f.cvss >= 9
	count(f.fixed) > 0
	days_known(f) > 30
}

# Test tools never run in production.
allow contains {"finding": f, "id": "test-tools", "reason": "used in tests alone"} if {
	some f in input.findings
	f.package.ecosystem == "npm"
	regex.match(`^(jest|mocha)(-|$)`, f.package.name)
	not f.kev
}

# For a decision about the scan as a whole, a string is enough.
warn contains "fewer than half of the packages could be judged" if {
	input.coverage.total > 0
	input.coverage.matched * 2 < input.coverage.total
}

advice(f) := sprintf("update to %s", [f.fixed[0]]) if count(f.fixed) > 0

advice(f) := "there is no fixed version yet" if count(f.fixed) == 0

# If the publication date is unknown, the finding is not old.
days_known(f) := (time.now_ns() - time.parse_rfc3339_ns(f.published)) / (24 * 60 * 60 * 1000000000)

made_up := {
	"index": 0, "vulnerability": "CVE-2024-1", "kev": true, "fixed": ["4.0.1"],
	"package": {"ecosystem": "npm", "name": "jest", "version": "4.0.0"},
}

test_exploited_is_denied if {
	some d in deny with input as {"findings": [made_up]}
	d.reason == "CVE-2024-1 is exploited; update to 4.0.1"
}

test_exploited_is_not_excused if count(allow) == 0 with input as {"findings": [made_up]}
