//! The products of a CSAF document: their names, and their components.

use std::collections::BTreeMap;

use starling_protocol::json::Value;

use super::super::value::{list_of, str_of};

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
    /// For a product made of two: the component, and the platform.
    relations: BTreeMap<&'v str, (&'v str, &'v str)>,
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
            let id = relation
                .pointer("/full_product_name/product_id")
                .and_then(Value::as_str);
            let parts = (
                str_of(relation, "product_reference"),
                str_of(relation, "relates_to_product_reference"),
            );
            if let (Some(id), (Some(component), Some(whole))) = (id, parts) {
                read.relations.insert(id, (component, whole));
                if let Some(full) = relation.get("full_product_name") {
                    read.product(full, &Product::default());
                }
            }
        }
        for group in list_of(tree, "product_groups") {
            if let Some(id) = str_of(group, "group_id") {
                let ids = list_of(group, "product_ids").iter().filter_map(Value::as_str);
                read.groups.insert(id, ids.collect());
            }
        }
        read
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
        let Some(id) = product.get("product_id").and_then(Value::as_str) else {
            return;
        };
        let helper = product.get("product_identification_helper");
        let purls = helper.into_iter().flat_map(|helper| {
            let several = list_of(helper, "purls").iter().filter_map(Value::as_str);
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
                (_, Some((component, _))) => id = component,
                (own, None) => return own,
            }
        }
        None
    }

    /// Returns the platforms of a product made of two, from the nearest to the outermost one.
    pub(crate) fn platforms(&self, id: &str) -> impl Iterator<Item = &'v str> {
        let outer = |id: &str| self.relations.get(id).map(|(_, whole)| *whole);
        std::iter::successors(outer(id), move |id| outer(id)).take(MAX_NESTING)
    }

    /// Returns component and platform of a product made of two, from its relationship.
    pub(crate) fn parts(&self, id: &str) -> Option<(&'v str, &'v str)> {
        self.relations.get(id).copied()
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
