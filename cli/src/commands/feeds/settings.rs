//! The options that `starling feeds add` and `starling feeds set` share: how a feed is fetched.

use std::path::{Path, PathBuf};

use clap::Args;
use starling_api::file_problem;
use starling_api_types::{ErrorCode, Problem};
use starling_daemon::lacks_scheme;

/// How a feed is fetched. What is not given has its default, or stays as it is.
#[derive(Debug, Args)]
pub(super) struct Settings {
    /// A mirror or folder in place of the preset's own address
    #[arg(long, value_name = "ADDRESS")]
    address: Option<String>,
    /// How often to fetch, such as 2h or 1d (unset: the preset's, else 1d)
    #[arg(long, value_name = "SPAN")]
    schedule: Option<String>,
    /// What of the preset to fetch, such as an ecosystem of osv; may be given several times
    #[arg(long, visible_alias = "ecosystem", value_name = "TEXT", value_delimiter = ',')]
    parameter: Vec<String>,
    /// File with the key for the source's interface
    #[arg(long, value_name = "FILE")]
    api_key_file: Option<PathBuf>,
    /// Address of the proxy, or `none` (unset: HTTPS_PROXY and NO_PROXY of the daemon's environment)
    #[arg(long, value_name = "ADDRESS|none")]
    proxy: Option<String>,
    /// File with certificates to trust besides the system's
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
}

/// The settings as a request has them: paths are absolute, because the daemon may run in another folder.
#[derive(Debug)]
pub(super) struct Given {
    pub(super) address: Option<String>,
    pub(super) schedule: Option<String>,
    pub(super) parameter: Option<String>,
    pub(super) api_key_file: Option<PathBuf>,
    pub(super) proxy: Option<String>,
    pub(super) ca_file: Option<PathBuf>,
}

impl Settings {
    pub(super) fn given(self) -> Result<Given, Problem> {
        Ok(Given {
            address: self.address.as_deref().map(absolute_address).transpose()?,
            schedule: self.schedule,
            parameter: (!self.parameter.is_empty()).then(|| self.parameter.join(",")),
            api_key_file: self.api_key_file.as_deref().map(absolute).transpose()?,
            proxy: self.proxy,
            ca_file: self.ca_file.as_deref().map(absolute).transpose()?,
        })
    }
}

/// Returns an address as it is, and a path as the daemon finds it from wherever it was started.
///
/// # Errors
/// `bad_request` for a server without `https://`, which would be taken for a path.
pub(super) fn absolute_address(address: &str) -> Result<String, Problem> {
    if is_remote(address) {
        return Ok(address.to_owned());
    }
    if lacks_scheme(address) && !Path::new(address).exists() {
        let detail = format!(
            "reading the address {address:?}: it has no scheme, and there is no file or folder of this name"
        );
        let hint = format!("https://{address} or http://{address} is an address, ./{address} a path");
        return Err(Problem::new(ErrorCode::BadRequest, detail).hint(hint));
    }
    let path = absolute(Path::new(address))?;
    path.into_os_string().into_string().map_err(|path| {
        let error = std::io::Error::new(std::io::ErrorKind::InvalidInput, "its name is not UTF-8");
        file_problem("adding", Path::new(&path), &error)
    })
}

/// Returns true if an address is not a path.
pub(super) fn is_remote(address: &str) -> bool {
    address.contains("://") || address.starts_with("file:")
}

fn absolute(path: &Path) -> Result<PathBuf, Problem> {
    std::path::absolute(path).map_err(|error| file_problem("looking for", path, &error))
}
