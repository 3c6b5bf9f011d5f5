//! Generates SBOMs from a site's knowledge ([`starling_scanner::sbom::generate`]).

use std::path::Path;

use starling_api_types::{ErrorCode, Problem};
use starling_scanner::sbom::{GenerateError, GenerateOptions, generate};

use crate::config::Overrides;
use crate::home::{Home, config_problem, error_chain, home_problem};
use crate::match_index::{Hold, Indexes, SiteIndex};
use crate::offline::open_offline;
use crate::without_store::ready_index;

/// Generates an SBOM from the site's match index. If the index is not current, opens the store and builds it. If a
/// daemon uses the store, takes the newest index, which may lack changes of the last moments.
///
/// # Errors
/// `not_initialised`, `config_invalid`; `store_locked` if a running daemon has not built its index yet; `bad_request`
/// if no known package matches the options.
pub fn generate_sbom(home: &Path, options: &GenerateOptions) -> Result<Vec<u8>, Problem> {
    let opened = Home::open(home).map_err(|error| home_problem(&error))?;
    let config = opened
        .config(&Overrides::default())
        .map_err(|error| config_problem(&error))?;
    if let Some((_, index)) = ready_index(&opened, &config) {
        return from_index(&index, options);
    }
    match open_offline(home, &Overrides::default()) {
        Ok(site) => from_index(&*site.make_index()?, options),
        Err(problem) if problem.code == ErrorCode::StoreLocked => {
            let indexes = Indexes::new(opened.path(), Hold::Directory);
            from_index(&indexes.open_newest().ok_or(problem)?, options)
        }
        Err(problem) => Err(problem),
    }
}

fn from_index(index: &SiteIndex, options: &GenerateOptions) -> Result<Vec<u8>, Problem> {
    let mut packages = Vec::with_capacity(index.packages());
    index
        .for_each_package(|ecosystem, name| packages.push((ecosystem.to_owned(), name.to_owned())))
        .map_err(|error| Problem::internal("reading the match index", error_chain(&error)))?;
    generate(&packages, index, options).map_err(|error| match &error {
        GenerateError::NothingFits { .. } => Problem::new(ErrorCode::BadRequest, error.to_string())
            .hint("`starling status` shows which sources the site has; `starling feeds import` adds more"),
        GenerateError::Knowledge(_) => Problem::internal("generating an SBOM", error_chain(&error)),
    })
}
