//! The interpreter's sandbox: steps are counted, panics caught, errors reported with their place.

use std::cell::Cell;
use std::num::NonZeroU32;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use regorus::utils::limits::{ExecutionTimerConfig, TimeSource, set_time_source};
use regorus::{Engine, Value};
use starling_protocol::UnixMillis;

use super::decisions::{RULES, RegoDecision, read};
use super::{RegoError, RegoInput, RegoTest};
use crate::terms::{Action, DocumentError};

/// Most interpreter steps for one rule: one or two seconds of work.
pub const MAX_REGO_STEPS: u64 = 10_000_000;
/// Steps between two checks of the count and the stack.
const STRIDE: u32 = 8;
/// Most bytes of stack below the caller's, if the caller does not set a limit. The interpreter calls itself for each
/// rule and function and does not detect a recursive function, which would crash the whole process.
const MAX_STACK_BYTES: usize = 768 * 1024;
/// Most members of a list that one call creates.
const MAX_RANGE: i64 = 1_000_000;
/// The policy's file name in the interpreter's messages, before line and column.
const NAME: &str = "policy.rego";
/// The package of a policy.
const PACKAGE: &str = "data.starling";

thread_local! {
    /// Steps of this thread so far, over all evaluations; only differences matter.
    static STEPS: Cell<u64> = const { Cell::new(0) };
    /// This thread's stack position at the start of the evaluation.
    static STACK: Cell<usize> = const { Cell::new(0) };
    /// Number of stack bytes that an evaluation may use.
    static MAX_STACK: Cell<usize> = const { Cell::new(MAX_STACK_BYTES) };
    /// True if the evaluation was ended because of its stack.
    static TOO_DEEP: Cell<bool> = const { Cell::new(false) };
}

/// The interpreter's only clock: a nanosecond is a step. It is asked once per [`STRIDE`] steps, and returns the end
/// of time if the stack has grown too far.
#[derive(Debug)]
struct StepClock;

impl TimeSource for StepClock {
    fn now(&self) -> Option<Duration> {
        if stack_here().abs_diff(STACK.get()) > MAX_STACK.get() {
            TOO_DEEP.set(true);
            return Some(Duration::MAX);
        }
        let steps = STEPS.get().saturating_add(u64::from(STRIDE));
        STEPS.set(steps);
        Some(Duration::from_nanos(steps))
    }
}

/// Sets the number of stack bytes that this thread has left; three quarters of them are used.
pub(super) fn set_stack(bytes: usize) {
    MAX_STACK.set(bytes / 4 * 3);
}

/// Returns the approximate stack position: only distances are used.
#[inline(never)]
fn stack_here() -> usize {
    let here = 0_u8;
    std::ptr::from_ref(std::hint::black_box(&here)).addr()
}

static STEP_CLOCK: StepClock = StepClock;

/// Parses a policy without evaluating it. Returns the number of deciding rules.
pub(super) fn check(text: &str) -> Result<usize, DocumentError> {
    let read = || {
        let engine = engine_of(text, &RegoInput::empty(UnixMillis::EPOCH))?;
        Ok(declared(&engine)?.len())
    };
    guarded(read).map_err(|error| match error {
        RegoError::Evaluation { place, text } => DocumentError { place, text },
        other => DocumentError {
            place: None,
            text: other.to_string(),
        },
    })
}

/// Evaluates the deciding rules.
pub(super) fn evaluate(text: &str, input: &RegoInput) -> Result<Vec<RegoDecision>, RegoError> {
    evaluate_within(text, input, MAX_REGO_STEPS)
}

/// Same as [`evaluate`], with at most this many steps for each rule.
pub(super) fn evaluate_within(
    text: &str,
    input: &RegoInput,
    steps: u64,
) -> Result<Vec<RegoDecision>, RegoError> {
    guarded(|| {
        let mut engine = engine_of(text, input)?;
        engine.set_execution_timer_config(limit(steps));
        let mut decisions = Vec::new();
        for (rule, action) in declared(&engine)? {
            let value = engine
                .eval_rule(format!("{PACKAGE}.{rule}"))
                .map_err(|error| rego_error(&error))?;
            if value != Value::Undefined {
                read(rule, action, &value, input.findings(), &mut decisions)?;
            }
        }
        Ok(decisions)
    })
}

/// Evaluates the rules with these names.
pub(super) fn run_tests(text: &str, names: &[String], input: &RegoInput) -> Result<Vec<RegoTest>, RegoError> {
    guarded(|| {
        let mut engine = engine_of(text, input)?;
        names
            .iter()
            .map(|name| {
                let value = engine
                    .eval_rule(format!("{PACKAGE}.{name}"))
                    .map_err(|error| rego_error(&error))?;
                Ok(RegoTest {
                    name: name.clone(),
                    passed: value == Value::from(true),
                })
            })
            .collect()
    })
}

/// Runs `work` and converts a panic of the interpreter to an error of the policy.
fn guarded<T>(work: impl FnOnce() -> Result<T, RegoError>) -> Result<T, RegoError> {
    STACK.set(stack_here());
    TOO_DEEP.set(false);
    // The result of `work` is dropped with it, so nothing incomplete is visible afterwards.
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let text = panic
            .downcast_ref::<&str>()
            .map(|text| (*text).to_owned())
            .or_else(|| panic.downcast_ref::<String>().cloned());
        let text = text.unwrap_or_else(|| "it does not say why".to_owned());
        Err(RegoError::Interpreter {
            text: text.chars().take(300).collect(),
        })
    })
}

fn limit(steps: u64) -> ExecutionTimerConfig {
    ExecutionTimerConfig {
        limit: Duration::from_nanos(steps),
        check_interval: NonZeroU32::new(STRIDE).unwrap_or(NonZeroU32::MIN),
    }
}

/// Returns an interpreter with the policy and its input, without access to anything else.
fn engine_of(text: &str, input: &RegoInput) -> Result<Engine, RegoError> {
    // The first call in the process sets it; later calls find it set, which is fine.
    let _ = set_time_source(&STEP_CLOCK);
    let mut engine = Engine::new();
    engine.set_execution_timer_config(limit(MAX_REGO_STEPS));
    // As in OPA: a failing builtin is undefined, so that one odd finding does not end the policy.
    engine.set_strict_builtin_errors(false);
    builtins(&mut engine, input.as_of()).map_err(|error| rego_error(&error))?;
    let package = engine
        .add_policy(NAME.to_owned(), text.to_owned())
        .map_err(|error| rego_error(&error))?;
    if package != PACKAGE {
        let package: String = package.chars().take(100).collect();
        return Err(RegoError::Evaluation {
            place: None,
            text: format!(
                "its package is `{}`; write `package starling`",
                package.strip_prefix("data.").unwrap_or(&package)
            ),
        });
    }
    engine
        .set_input_json(input.as_json())
        .map_err(|error| rego_error(&error))?;
    Ok(engine)
}

/// Returns the deciding rules that the policy has.
fn declared(engine: &Engine) -> Result<Vec<(&'static str, Action)>, RegoError> {
    let mut found = Vec::new();
    for (rule, action) in RULES {
        let is_there = engine
            .has_declared_rule_rooted_at(NAME, rule)
            .map_err(|error| rego_error(&error))?;
        if is_there {
            found.push((rule, action));
        }
    }
    if found.is_empty() {
        return Err(RegoError::Evaluation {
            place: None,
            text: "it has none of the rules `deny`, `warn` and `allow`, so it decides nothing".to_owned(),
        });
    }
    Ok(found)
}

/// Returns replacements for builtins that would read the outside world; they have priority over the interpreter's own.
fn builtins(engine: &mut Engine, as_of: UnixMillis) -> anyhow::Result<()> {
    let nanos = as_of.as_millis().saturating_mul(1_000_000);
    engine.add_extension(
        "time.now_ns".to_owned(),
        0,
        Box::new(move |_| Ok(Value::from(nanos))),
    )?;
    engine.add_extension(
        "time.parse_rfc3339_ns".to_owned(),
        1,
        Box::new(|arguments| {
            let moment = arguments
                .first()
                .and_then(|text| text.as_string().ok()?.parse::<UnixMillis>().ok());
            Ok(moment.map_or(Value::Undefined, |moment| {
                Value::from(moment.as_millis().saturating_mul(1_000_000))
            }))
        }),
    )?;
    for (name, arguments) in [
        ("rand.intn", 2),
        ("uuid.rfc4122", 1),
        ("http.send", 1),
        ("opa.runtime", 0),
        ("net.lookup_ip_addr", 1),
    ] {
        engine.add_extension(
            name.to_owned(),
            arguments,
            Box::new(move |_| {
                anyhow::bail!("`{name}` is not there: what a policy decides rests on its input alone")
            }),
        )?;
    }
    engine.add_extension(
        "numbers.range".to_owned(),
        2,
        Box::new(|arguments| range(&arguments, 1)),
    )?;
    engine.add_extension(
        "numbers.range_step".to_owned(),
        3,
        Box::new(|arguments| {
            let step = arguments.get(2).and_then(|step| step.as_i64().ok());
            match step {
                Some(step) if step > 0 => range(&arguments, step),
                _ => Ok(Value::Undefined),
            }
        }),
    )?;
    Ok(())
}

/// Returns the numbers from the first to the second argument, up or down; the interpreter's own builtin allocates all
/// of them before it checks any limit.
fn range(arguments: &[Value], step: i64) -> anyhow::Result<Value> {
    let number = |at: usize| arguments.get(at).and_then(|value| value.as_i64().ok());
    let (Some(from), Some(to)) = (number(0), number(1)) else {
        return Ok(Value::Undefined);
    };
    let count = (i128::from(to) - i128::from(from)).abs() / i128::from(step);
    if count >= i128::from(MAX_RANGE) {
        anyhow::bail!("the range from {from} to {to} has more than {MAX_RANGE} numbers");
    }
    let step = if to < from { -step } else { step };
    let mut numbers = Vec::new();
    let mut next = Some(from);
    while let Some(number) = next.filter(|number| if step > 0 { *number <= to } else { *number >= to }) {
        numbers.push(Value::from(number));
        next = number.checked_add(step);
    }
    Ok(Value::from(numbers))
}

/// Returns the interpreter's message in one line, with its place separated.
///
/// Its messages have the form `
/// --> FILE:LINE:COLUMN`, the line itself, and `error: WHAT`; or are a single line.
fn rego_error(error: &anyhow::Error) -> RegoError {
    let steps = error.chain().any(|cause| {
        matches!(
            cause.downcast_ref::<regorus::LimitError>(),
            Some(regorus::LimitError::TimeLimitExceeded { .. })
        )
    });
    let text = error.to_string();
    if steps || text.contains("execution exceeded time limit") {
        return if TOO_DEEP.get() {
            RegoError::Depth
        } else {
            RegoError::Steps
        };
    }
    let place = text.split("--> ").nth(1).and_then(|rest| {
        let place = rest.lines().next()?.strip_prefix(NAME)?.strip_prefix(':')?;
        let (line, column) = place.split_once(':')?;
        Some((line.parse().ok()?, column.parse().ok()?))
    });
    let what = text
        .rsplit_once("error: ")
        .map_or_else(|| text.trim(), |(_, what)| what.trim());
    let what: String = what.split_whitespace().collect::<Vec<_>>().join(" ");
    RegoError::Evaluation {
        place,
        text: what.chars().take(300).collect(),
    }
}
