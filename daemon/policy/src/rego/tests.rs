//! The interpreter's sandbox, and its behaviour with hostile policies.

use starling_protocol::UnixMillis;
use starling_scanner::scan::{Coverage, ScanResult};
use starling_scanner::severity::{Level, Score};

use super::*;
use crate::Action;
use crate::tests::{finding, knowledge};

const AS_OF: &str = "2025-06-01T00:00:00Z";

fn policy(rest: &str) -> RegoPolicy {
    RegoPolicy::read(format!("package starling\n{rest}").as_bytes()).unwrap()
}

fn input(count: usize) -> RegoInput {
    let mut findings = vec![finding(Level::High); count];
    for (at, finding) in findings.iter_mut().enumerate() {
        finding.vulnerability = format!("CVE-2024-{at}");
        finding.severity.score = Some(Score::from_tenths(75));
        finding.threat.epss = "0.25".parse().ok();
        finding.threat.kev = Some(at == 0);
    }
    let result = ScanResult {
        findings: findings.into_iter().map(std::sync::Arc::new).collect(),
        coverage: Coverage::default(),
        gaps: vec![],
        ecosystems: Default::default(),
    };
    RegoInput::of(&result, Some("web shop"), &knowledge(), AS_OF.parse().unwrap()).unwrap()
}

fn decisions(rest: &str, count: usize) -> Vec<RegoDecision> {
    let mut found = policy(rest).evaluate(&input(count)).unwrap().decisions;
    found.sort();
    found
}

fn error(rest: &str) -> String {
    match RegoPolicy::read(format!("package starling\n{rest}").as_bytes()) {
        Err(error) => error.to_string(),
        Ok(policy) => policy.evaluate(&input(2)).unwrap_err().to_string(),
    }
}

#[test]
fn findings_are_denied_warned_and_allowed() {
    let found = decisions(
        "deny contains {\"finding\": f, \"id\": \"kev\", \"reason\": sprintf(\"%s is exploited\", [f.vulnerability])} if {
            some f in input.findings
            f.kev
        }
        warn contains {\"finding\": f.index, \"msg\": \"likely\"} if {
            some f in input.findings
            f.epss_probability > 0.2
            f.cvss >= 7.5
        }
        allow contains {\"finding\": 1} if input.subject == \"web shop\"
        deny contains \"nothing was judged\" if input.coverage.total == 0",
        2,
    );
    let decision = |finding, action, id: &str, reason: Option<&str>| RegoDecision {
        finding,
        action,
        id: id.to_owned(),
        reason: reason.map(str::to_owned),
    };
    let mut expected = vec![
        decision(None, Action::Fail, "deny", Some("nothing was judged")),
        decision(Some(0), Action::Fail, "kev", Some("CVE-2024-0 is exploited")),
        decision(Some(0), Action::Warn, "warn", Some("likely")),
        decision(Some(1), Action::Warn, "warn", Some("likely")),
        decision(Some(1), Action::Ignore, "allow", None),
    ];
    expected.sort();
    assert_eq!(found, expected);
}

#[test]
fn policy_time_is_the_scan_time() {
    let found = decisions(
        "deny contains {\"id\": \"now\", \"reason\": sprintf(\"%d\", [time.now_ns()])} if time.now_ns() == input.as_of_ns
        deny contains {\"id\": \"parsed\"} if time.parse_rfc3339_ns(input.as_of) == time.now_ns()",
        0,
    );
    assert_eq!(found.len(), 2, "{found:?}");
    assert_eq!(found[0].reason.as_deref(), Some("1748736000000000000"));
}

#[test]
fn builtins_that_read_the_outside_are_refused() {
    for call in [
        "rand.intn(\"a\", 6) == 1",
        "http.send({\"method\": \"get\", \"url\": \"x\"})",
        "opa.runtime()",
        "uuid.rfc4122(\"a\")",
        "net.lookup_ip_addr(\"a\")",
    ] {
        let said = error(&format!("deny contains \"x\" if {call}"));
        assert!(said.contains("is not there") && said.contains("line 2"), "{said}");
    }
}

#[test]
fn invalid_rego_is_refused_with_line_and_column() {
    for (text, line, said) in [
        ("deny contains \"x\" if {\n  input.findings[\n}\n", 4, ""),
        ("deny contains \"x\" if {\n  y > 1\n}\n", 3, "unsafe"),
        ("import future.x\ndeny contains \"x\" if true", 2, ""),
        (
            "deny contains \"x\" if nowhere.f(1)\n",
            2,
            "could not find function",
        ),
        ("allow if \"\n", 2, ""),
    ] {
        let text = format!("package starling\n{text}");
        let (error, place) = match RegoPolicy::read(text.as_bytes()) {
            Err(error) => (error.to_string(), error.place),
            Ok(policy) => match policy.evaluate(&input(0)).unwrap_err() {
                RegoError::Evaluation { place, text } => (text, place),
                other => panic!("{other}"),
            },
        };
        let (found, column) = place.unwrap_or_else(|| panic!("{error}"));
        assert!(found == line && column > 0, "{error}");
        assert!(error.contains(said), "{error}");
    }
    for (text, said) in [
        ("package other\ndeny contains 1 if true", "package is `other`"),
        ("package starling\nx := 1", "decides nothing"),
        ("package starling", "decides nothing"),
        ("", ""),
        ("package", ""),
    ] {
        let error = RegoPolicy::read(text.as_bytes()).unwrap_err();
        assert!(error.to_string().contains(said), "{error}");
    }
    RegoPolicy::read(&[0xff]).unwrap_err();
    RegoPolicy::read(&vec![b' '; MAX_REGO_BYTES + 1]).unwrap_err();
}

#[test]
fn invalid_decision_is_refused_with_its_rule() {
    for (text, said) in [
        ("deny := true", "a boolean"),
        ("deny contains 7", "a number"),
        ("warn contains {\"finding\": 9}", "there are 2 findings"),
        ("warn contains {\"finding\": -1}", "there are 2 findings"),
        ("warn contains {\"finding\": \"CVE-1\"}", "a text"),
        ("warn contains {\"severity\": \"high\"}", "\"severity\""),
        ("allow contains \"all\"", "does not say which"),
        ("deny contains {\"id\": \"\"}", "not empty"),
        ("deny contains {\"id\": 7}", "a number"),
        (
            "deny contains sprintf(\"%s\", [concat(\"\", [x | some _ in numbers.range(1, 3000); x := \"a\"])])",
            "2000 characters",
        ),
    ] {
        assert!(error(text).contains(said), "{text}: {}", error(text));
    }
}

#[test]
fn rego_is_distinguished_from_yaml() {
    for (text, is) in [
        ("package starling\n", true),
        ("# a\n\n#b\npackage starling", true),
        ("\u{feff}package a", true),
        ("format: starling-policy/1", false),
        ("packages: [a]", false),
        ("package", false),
        ("", false),
        ("#", false),
    ] {
        assert_eq!(RegoPolicy::is_meant(text.as_bytes()), is, "{text:?}");
    }
}

#[test]
fn rego_tests_are_true_or_false() {
    let policy = policy(
        "deny contains {\"finding\": f} if { some f in input.findings; f.kev }
test_denies if count(deny) == 1 with input as {\"findings\": [{\"index\": 0, \"kev\": true}]}
test_passes if count(deny) == 0
test_wrong if count(deny) == 7
test_wrong if false
",
    );
    let ran = policy
        .run_tests(&RegoInput::empty(UnixMillis::saturating(0)))
        .unwrap();
    let short: Vec<_> = ran.iter().map(|test| (test.name.as_str(), test.passed)).collect();
    assert_eq!(
        short,
        [
            ("test_denies", true),
            ("test_passes", true),
            ("test_wrong", false)
        ]
    );
}

#[test]
fn input_round_trips_between_processes() {
    let input = input(3);
    assert_eq!(RegoInput::from_json(input.as_json().to_owned()).unwrap(), input);
    let empty = RegoInput::empty(AS_OF.parse().unwrap());
    assert_eq!(RegoInput::from_json(empty.as_json().to_owned()).unwrap(), empty);
    for json in [
        "",
        "{}",
        "[]",
        r#"{"format":"x","as_of":"2025-06-01T00:00:00Z","findings":[]}"#,
    ] {
        RegoInput::from_json(json.to_owned()).unwrap_err();
    }
}

#[test]
fn steps_are_counted_the_same_every_time() {
    // Four loops over a thousand numbers each would take 10^12 steps.
    let slow = "deny contains \"x\" if {
            some a in numbers.range(1, 1000); some b in numbers.range(1, 1000)
            some f in input.findings; f.index + a + b == 0
        }";
    let slow = policy(slow);
    for _ in 0..2 {
        assert_eq!(
            engine::evaluate_within(slow.text(), &input(1), 20_000),
            Err(RegoError::Steps)
        );
    }
    // The lowest sufficient limit is independent of earlier runs, and grows with the findings.
    let quick = policy("deny contains \"x\" if { some f in input.findings; f.cvss == f.index }");
    let least = |findings| {
        let input = input(findings);
        let (mut too_few, mut sufficient) = (0, 10_000);
        while sufficient - too_few > 1 {
            let middle = (too_few + sufficient) / 2;
            match engine::evaluate_within(quick.text(), &input, middle) {
                Ok(_) => sufficient = middle,
                Err(_) => too_few = middle,
            }
        }
        sufficient
    };
    let (few, many) = (least(50), least(500));
    assert!(many > few * 5, "{few} for 50, {many} for 500");
    assert_eq!((least(50), least(500)), (few, many));
}

#[test]
fn ranges_are_limited_and_go_both_ways() {
    for range in [
        "numbers.range(0, 1000000)",
        "numbers.range(-9223372036854775808, 9223372036854775807)",
        "numbers.range_step(0, 9223372036854775807, 1)",
    ] {
        let said = error(&format!("deny contains \"x\" if count({range}) > 0"));
        assert!(said.contains("more than 1000000"), "{said}");
    }
    let found = decisions(
        "deny contains \"up\" if numbers.range(1, 3) == [1, 2, 3]
        deny contains \"down\" if numbers.range(3, 1) == [3, 2, 1]
        deny contains \"step\" if numbers.range_step(0, 7, 3) == [0, 3, 6]
        deny contains \"edge\" if numbers.range_step(9223372036854775806, 9223372036854775807, 5) == [9223372036854775806]",
        0,
    );
    assert_eq!(found.len(), 4, "{found:?}");
}

#[test]
fn nesting_and_chains_end_in_an_error_or_an_answer() {
    let nested = format!(
        "deny contains \"x\" if {}1{} == 1",
        "(".repeat(5_000),
        ")".repeat(5_000)
    );
    assert!(error(&nested).contains("32 deep"), "{}", error(&nested));
    let nested = format!("deny contains {}1{}", "[".repeat(300), "]".repeat(300));
    error(&nested);
}

#[test]
fn recursive_policy_is_refused() {
    // The interpreter does not detect a recursive function: the stack limit ends it.
    for text in [
        "f(x) := f(x)\ndeny contains \"x\" if f(1) == 1",
        "f(x) := g(x)\ng(x) := f(x + 1)\ndeny contains \"x\" if f(1) == 1",
        "f(x) := [f(y) | some y in [x]]\ndeny contains \"x\" if f(1) == 1",
    ] {
        assert!(error(text).contains("calls itself"), "{}", error(text));
    }
    let said = error("a := b\nb := a\ndeny contains \"x\" if a == 1");
    assert!(said.contains("recursion"), "{said}");
    let mut chain = String::from("r0 := 1\n");
    for rule in 1..3_000 {
        chain.push_str(&format!("r{rule} := r{} + 1\n", rule - 1));
    }
    chain.push_str("deny contains \"x\" if r2999 == 0");
    assert!(error(&chain).contains("too deeply"), "{}", error(&chain));
}

#[test]
fn hundred_findings_by_forty_rules_fit_the_steps() {
    let mut text = String::new();
    for rule in 0..40 {
        text.push_str(&format!(
            "deny contains {{\"finding\": f, \"id\": \"r{rule}\"}} if {{ some f in input.findings; f.vulnerability == \"CVE-2024-{rule}\"; f.cvss > 5 }}\n"
        ));
    }
    assert_eq!(decisions(&text, 100).len(), 40);
}

#[test]
fn total_size_of_decision_texts_is_limited() {
    // Each is within its own limits, and their number is far below the limit.
    let many = |count: usize, of: &str| {
        format!(
            "long := concat(\"\", [\"{of}\" | some x in numbers.range(1, 1900)])
            deny contains {{\"id\": sprintf(\"%d\", [n]), \"reason\": long}} if some n in numbers.range(1, {count})"
        )
    };
    assert_eq!(decisions(&many(2_000, "a"), 1).len(), 2_000);
    let told = error(&many(5_000, "a"));
    assert!(
        told.contains("the ids and reasons of all decisions have more than 8388608 bytes"),
        "{told}"
    );
    // Their size is the size in the verdict, where a quote takes two characters.
    assert!(error(&many(2_500, "\\\"")).contains("have more than"));
}
