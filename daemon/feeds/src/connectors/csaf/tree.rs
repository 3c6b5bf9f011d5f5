//! The products of a CSAF document: their names, and their components.

use std::collections::BTreeMap;

use starling_protocol::json::Value;

use super::super::value::{list_of, str_of, strs_of};

/// The tree's data about one product.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Product<'v> {
    /// Its display name.
    pub(crate) name: &'v str,
    /// Its package URLs.
    pub(crate) purls: Vec<&'v str>,
    /// Its CPE name.
    pub(crate) cpe: Option<&'v str>,
    /// The name of the branch of its version.
    pub(crate) version: Option<&'v str>,
    /// The name of the branch of its range of versions.
    pub(crate) range: Option<&'v str>,
}

/// Most products inside of each other that are followed.
const MAX_NESTING: usize = 8;

/// Products by their ids.
#[derive(Debug, Default)]
pub(crate) struct Tree<'v> {
    products: BTreeMap<&'v str, Product<'v>>,
    /// For a product made of others: the component, and its platforms from the nearest to the outermost one.
    relations: BTreeMap<&'v str, (&'v str, Vec<&'v str>)>,
    groups: BTreeMap<&'v str, Vec<&'v str>>,
}

impl<'v> Product<'v> {
    /// Returns its first package URL.
    pub(crate) fn purl(&self) -> Option<&'v str> {
        self.purls.first().copied()
    }
}

impl<'v> Tree<'v> {
    /// Parses a product tree; an invalid one is empty. The parser limits the depth.
    pub(crate) fn read(tree: Option<&'v Value<'v>>) -> Self {
        let mut read = Self::default();
        let Some(tree) = tree else { return read };
        read.branches(tree, &Product::default());
        for full in list_of(tree, "full_product_names") {
            read.product(full, &Product::default());
        }
        for relation in list_of(tree, "relationships") {
            let whole = str_of(relation, "relates_to_product_reference");
            read.relation(relation, "product_reference", whole.into_iter().collect());
        }
        // CSAF 2.1 has these instead of relationships.
        for path in list_of(tree, "product_paths") {
            let next = list_of(path, "subpaths").iter();
            let wholes = next
                .filter_map(|part| str_of(part, "next_product_reference"))
                .collect();
            read.relation(path, "beginning_product_reference", wholes);
        }
        for group in list_of(tree, "product_groups") {
            if let Some(id) = str_of(group, "group_id") {
                read.groups.insert(id, strs_of(group, "product_ids").collect());
            }
        }
        read
    }

    fn relation(&mut self, relation: &'v Value<'v>, key: &str, wholes: Vec<&'v str>) {
        let Some(full) = relation.get("full_product_name") else {
            return;
        };
        let id = str_of(full, "product_id");
        if let (Some(id), Some(component), false) = (id, str_of(relation, key), wholes.is_empty()) {
            self.relations.insert(id, (component, wholes));
            self.product(full, &Product::default());
        }
    }

    fn branches(&mut self, parent: &'v Value<'v>, around: &Product<'v>) {
        for branch in list_of(parent, "branches") {
            let mut here = around.clone();
            let name = str_of(branch, "name");
            match str_of(branch, "category") {
                Some("product_version") => here.version = name,
                Some("product_version_range") => here.range = name,
                _ => {}
            }
            if let Some(product) = branch.get("product") {
                self.product(product, &here);
            }
            self.branches(branch, &here);
        }
    }

    fn product(&mut self, product: &'v Value<'v>, around: &Product<'v>) {
        let Some(id) = str_of(product, "product_id") else {
            return;
        };
        let helper = product.get("product_identification_helper");
        let purls = helper.into_iter().flat_map(|helper| {
            let several = strs_of(helper, "purls");
            str_of(helper, "purl").into_iter().chain(several)
        });
        let read = Product {
            name: str_of(product, "name").unwrap_or_default(),
            purls: purls.collect(),
            cpe: helper.and_then(|helper| str_of(helper, "cpe")),
            ..around.clone()
        };
        self.products.insert(id, read);
    }

    /// Returns a product by its id.
    pub(crate) fn get(&self, id: &str) -> Option<&Product<'v>> {
        self.products.get(id)
    }

    /// Returns the product that has the package URLs of a product: itself, else its component, which may be made of two
    /// again. Without any URL, the innermost component.
    pub(crate) fn component(&self, id: &str) -> Option<&Product<'v>> {
        let mut id = id;
        for _ in 0..MAX_NESTING {
            let own = self.products.get(id);
            match (own, self.relations.get(id)) {
                (Some(own), Some(_)) if !own.purls.is_empty() => return Some(own),
                (_, Some((component, _))) => id = *component,
                (own, None) => return own,
            }
        }
        None
    }

    /// Returns the platforms of a product made of others, from the nearest to the outermost one.
    pub(crate) fn platforms(&self, id: &str) -> Vec<&'v str> {
        let mut found: Vec<&str> = Vec::new();
        let mut next = self.wholes(id);
        while let ([whole, rest @ ..], true) = (next.as_slice(), found.len() < MAX_NESTING) {
            found.push(whole);
            next = self
                .wholes(whole)
                .into_iter()
                .chain(rest.iter().copied())
                .collect();
        }
        found
    }

    fn wholes(&self, id: &str) -> Vec<&'v str> {
        let relation = self.relations.get(id);
        relation.map(|(_, wholes)| wholes.clone()).unwrap_or_default()
    }

    /// Returns component and nearest platform of a product made of others.
    pub(crate) fn parts(&self, id: &str) -> Option<(&'v str, &'v str)> {
        let (component, wholes) = self.relations.get(id)?;
        Some((component, wholes.first()?))
    }

    /// Returns true if the tree has a product with this id.
    pub(crate) fn has(&self, id: &str) -> bool {
        self.products.contains_key(id) || self.relations.contains_key(id)
    }

    /// Returns the products of a group.
    pub(crate) fn group(&self, id: &str) -> &[&'v str] {
        self.groups.get(id).map(Vec::as_slice).unwrap_or_default()
    }
}
