//! SBOMs made from what a site knows ([`starling_scanner::sbom::generate`]).

use std::path::Path;

use starling_api_types::{ErrorCode, Problem};
use starling_scanner::sbom::{GenerateError, Wish, generate};

use crate::config::Overrides;
use crate::home::{Home, error_chain};
use crate::home_problem::home_problem;
use crate::match_index::{Hold, Indexes, SiteIndex};
use crate::offline::open_offline;

/// Makes an SBOM from the site's match index; without one, the store is opened and the index made.
///
/// # Errors
/// `not_initialised`; `store_locked` while a daemon that has not made its index yet runs; `bad_request` if nothing
/// that is known fits the wish.
pub fn generate_sbom(home: &Path, wish: &Wish) -> Result<Vec<u8>, Problem> {
    let opened = Home::open(home).map_err(|error| home_problem(&error))?;
    let indexes = Indexes::new(opened.path(), &opened.store_path(), Hold::Directory);
    let index = match indexes.newest() {
        Some(index) => index,
        None => {
            open_offline(home, &Overrides::default())?.make_index();
            indexes
                .newest()
                .ok_or_else(|| Problem::internal("making the match index", "it could not be made"))?
        }
    };
    from_index(&index, wish)
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
