//! Asks before work that cannot be undone.

use std::io::{IsTerminal, Write};

use starling_api_types::{ErrorCode, Problem};

use crate::session::{Session, note};

/// The way in which an irreversible command continues.
#[derive(Debug, PartialEq, Eq)]
enum Consent {
    Given,
    Ask,
    Missing,
}

const fn consent(yes: bool, can_ask: bool) -> Consent {
    match (yes, can_ask) {
        (true, _) => Consent::Given,
        (false, true) => Consent::Ask,
        (false, false) => Consent::Missing,
    }
}

/// Returns true if standard input and standard error are a terminal, and a person reads the answer there.
pub(super) fn can_ask(session: &Session) -> bool {
    !session.json() && std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// Returns true if the user agrees: by `--yes`, or by the answer to `question` on a terminal, below `consequence`.
/// `can_ask` is true if somebody can be asked.
///
/// # Errors
/// Without `--yes`, where nobody can be asked.
pub(super) fn agrees(
    yes: bool,
    can_ask: bool,
    command: &str,
    consequence: &str,
    question: &str,
) -> Result<bool, Problem> {
    match consent(yes, can_ask) {
        Consent::Given => Ok(true),
        Consent::Ask => Ok(ask(consequence, question)),
        Consent::Missing => {
            let detail = format!(
                "{command} cannot be undone, and there is no terminal to ask on: nothing was changed. {consequence}"
            );
            Err(Problem::new(ErrorCode::BadRequest, detail).hint(format!("to do it anyway: {command} --yes")))
        }
    }
}

/// Asks on the terminal; returns true if the answer is yes.
pub(super) fn ask(consequence: &str, question: &str) -> bool {
    note(consequence);
    let mut error = std::io::stderr();
    // If standard error is closed, nobody can be asked, and the answer below is missing too.
    let _ = write!(error, "{question} [y/N] ");
    let _ = error.flush();
    let mut answer = String::new();
    let read = std::io::stdin().read_line(&mut answer);
    read.is_ok() && matches!(answer.trim(), "y" | "Y" | "yes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_irreversible_happens_without_consent() {
        assert_eq!(consent(true, false), Consent::Given);
        assert_eq!(consent(false, true), Consent::Ask);
        assert_eq!(consent(false, false), Consent::Missing);
        // A test has no terminal, and neither has a reader of JSON.
        let session = Session::new("/nowhere".into(), true);
        let problem = agrees(
            false,
            can_ask(&session),
            "starling restore --alone",
            "It gives up data.",
            "Sure?",
        )
        .unwrap_err();
        assert!(
            problem.detail.contains("cannot be undone") && problem.detail.contains("It gives up data."),
            "{problem}"
        );
        assert_eq!(
            problem.hint.as_deref(),
            Some("to do it anyway: starling restore --alone --yes")
        );
    }
}
