//! The reasons why a configuration is refused.

use std::path::PathBuf;

use starling_api_types::wording;

/// The reason why a configuration was refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file could not be read.
    #[error("reading the configuration {path}: {}", wording::io_error(source))]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// The file is not what it should be. The text names line and column.
    #[error("reading the configuration {path}: {problem}")]
    File {
        /// The file.
        path: PathBuf,
        /// The error, with the line.
        problem: String,
    },
    /// An environment variable or flag is not what it should be.
    #[error("reading the setting {key} from {origin}: {problem}")]
    Setting {
        /// The key.
        key: String,
        /// `the environment variable …` or `the command line`.
        origin: String,
        /// What is wrong.
        problem: String,
    },
}
