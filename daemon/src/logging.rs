//! Logs to standard error, as text or JSON, with a level for each module.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;

use crate::config::Log;

/// Starts logging for the whole process. A second call does nothing.
pub(crate) fn start(log: &Log) {
    let mut directives = vec![log.level.clone()];
    directives.extend(
        log.modules
            .iter()
            .map(|(module, level)| format!("{module}={level}")),
    );
    let filter = EnvFilter::try_new(directives.join(",")).unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let _ = match log.format.as_str() {
        "json" => builder.json().try_init(),
        _ => builder
            .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
            .try_init(),
    };
}

/// Tells a person at a terminal what a command is doing, on standard error; a log that cannot be written harms
/// nothing.
pub(crate) fn notice(text: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr(), "starling: {text}");
}
