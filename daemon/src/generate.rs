//! SBOMs made from what a site knows ([`starling_scanner::sbom::generate`]).

use std::path::Path;

use starling_api_types::{ErrorCode, Problem};
use starling_scanner::sbom::{GenerateError, Wish, generate};

use crate::cold::ready_index;
use crate::config::Overrides;
use crate::home::{Home, error_chain};
use crate::home_problem::{config_problem, home_problem};
use crate::match_index::{Hold, Indexes, SiteIndex};
use crate::offline::open_offline;

/// Makes an SBOM from the site's match index. Where there is none of what the site knows now, the store is opened and
/// the index made; while a daemon has the store, its newest is taken, which may lack what came within the last moments.
///
/// # Errors
/// `not_initialised`, `config_invalid`; `store_locked` while a daemon that has not made its index yet runs;
/// `bad_request` if nothing that is known fits the wish.
pub fn generate_sbom(home: &Path, wish: &Wish) -> Result<Vec<u8>, Problem> {
    let opened = Home::open(home).map_err(|error| home_problem(&error))?;
    let config = opened
        .config(&Overrides::default())
        .map_err(|error| config_problem(&error))?;
    if let Some((_, index)) = ready_index(&opened, &config) {
        return from_index(&index, wish);
    }
    match open_offline(home, &Overrides::default()) {
        Ok(site) => from_index(&*site.make_index()?, wish),
        Err(problem) if problem.code == ErrorCode::StoreLocked => {
            let indexes = Indexes::new(opened.path(), Hold::Directory);
            from_index(&indexes.open_newest().ok_or(problem)?, wish)
        }
        Err(problem) => Err(problem),
    }
}

fn from_index(index: &SiteIndex, wish: &Wish) -> Result<Vec<u8>, Problem> {
    let mut packages = Vec::with_capacity(index.packages());
    index
        .for_each_package(|ecosystem, name| packages.push((ecosystem.to_owned(), name.to_owned())))
        .map_err(|error| Problem::internal("reading the match index", error_chain(&error)))?;
    generate(&packages, index, wish).map_err(|error| match &error {
        GenerateError::NothingFits { .. } => Problem::new(ErrorCode::BadRequest, error.to_string())
            .hint("`starling status` shows which sources the site has; `starling feeds import` brings more"),
        GenerateError::Knowledge(_) => Problem::internal("making an SBOM", error_chain(&error)),
    })
}
