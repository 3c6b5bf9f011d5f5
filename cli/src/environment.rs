//! Compares this call's environment with that of the daemon, whose own settings apply.

use starling_api_types::{ErrorCode, Problem};

use crate::local::{self, SettingVariable};

/// Returns true if a variable here sets a gate of scans.
///
/// # Errors
/// As [`ignored`].
pub(crate) fn sets_gates() -> Result<bool, Problem> {
    Ok(local::setting_variables()?.iter().any(is_gate))
}

fn is_gate(setting: &SettingVariable) -> bool {
    setting.key.starts_with("scan.")
}

/// Returns the variables that set keys here, and that the daemon was not started with.
///
/// # Errors
/// `config_invalid` if a variable is misspelt or its value is not valid, as without a daemon.
pub(crate) fn ignored(daemon: Option<i32>) -> Result<Vec<SettingVariable>, Problem> {
    let mut found = local::setting_variables()?;
    if !found.is_empty() {
        let started_with = daemon.and_then(|pid| std::fs::read(format!("/proc/{pid}/environ")).ok());
        found.retain(|setting| !has(started_with.as_deref().unwrap_or_default(), setting));
    }
    Ok(found)
}

/// Returns true if a process's environment, as the kernel shows it, has this variable with this value.
fn has(environment: &[u8], setting: &SettingVariable) -> bool {
    let wanted = format!("{}={}", setting.variable, setting.value);
    environment
        .split(|byte| *byte == 0)
        .any(|entry| entry == wanted.as_bytes())
}

/// Says which variables have no effect; `None` if all have.
pub(crate) fn warning(ignored: &[SettingVariable]) -> Option<String> {
    let names: Vec<&str> = ignored.iter().map(|setting| setting.variable.as_str()).collect();
    let has = if names.len() == 1 { "has" } else { "have" };
    (!names.is_empty()).then(|| {
        format!(
            "a daemon runs, and its own settings apply: {} {has} no effect",
            names.join(", ")
        )
    })
}

/// Refuses a scan whose gate would vanish.
///
/// # Errors
/// `config_invalid` if a variable sets a key of `[scan]` that the daemon does not apply.
pub(crate) fn refuse_gates(ignored: &[SettingVariable]) -> Result<(), Problem> {
    let Some(gate) = ignored.iter().find(|setting| is_gate(setting)) else {
        return Ok(());
    };
    let detail = format!(
        "reading the setting {} from the environment variable {}: a daemon runs, and its own settings apply, so that \
         it would have no effect",
        gate.key, gate.variable
    );
    Err(Problem::new(ErrorCode::ConfigInvalid, detail).hint(
        "unset it, and give the option (--fail-on, --min-coverage, --max-age, --policy, --rego), or set the key in \
         starling.toml and restart the daemon",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setting(key: &str, variable: &str, value: &str) -> SettingVariable {
        SettingVariable {
            key: key.to_owned(),
            variable: variable.to_owned(),
            value: value.to_owned(),
        }
    }

    #[test]
    fn variables_of_the_daemon_itself_are_ignored() {
        let fail_on = setting("scan.fail_on", "STARLING_SCAN_FAIL_ON", "high");
        assert!(has(b"A=1\0STARLING_SCAN_FAIL_ON=high\0", &fail_on));
        assert!(!has(b"A=1\0STARLING_SCAN_FAIL_ON=highest\0", &fail_on));
        assert!(!has(b"", &fail_on));
    }

    #[test]
    fn gate_is_refused_and_others_are_named() {
        let level = setting("log.level", "STARLING_LOG_LEVEL", "debug");
        let fail_on = setting("scan.fail_on", "STARLING_SCAN_FAIL_ON", "high");
        assert_eq!(refuse_gates(std::slice::from_ref(&level)), Ok(()));
        let problem = refuse_gates(&[level.clone(), fail_on]).unwrap_err();
        assert!(problem.detail.contains("STARLING_SCAN_FAIL_ON"), "{problem}");
        assert_eq!(warning(&[]), None);
        assert!(
            warning(&[level])
                .unwrap()
                .ends_with("STARLING_LOG_LEVEL has no effect")
        );
    }
}
