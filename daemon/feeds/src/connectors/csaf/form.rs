//! The parts of a CSAF document whose form is not that of the schema. They are read as if they were missing, which must
//! be said.

use starling_protocol::json::Value;

use super::super::draft::Draft;
use super::super::text::quote;
use super::super::value::{list_of, str_of};

/// Warns about each product and relationship that cannot be read. Lists are checked before.
pub(super) fn check(draft: &mut Draft<'_>, whole: &Value<'_>) {
    for vulnerability in list_of(whole, "vulnerabilities") {
        if let Some(other) = vulnerability
            .get("cve")
            .filter(|cve| !cve.is_null() && cve.as_str().is_none())
        {
            draft.warn(format!(
                "the id of a CVE record is {} instead of a text",
                other.type_name()
            ));
        }
    }
    let Some(tree) = whole.get("product_tree").filter(|tree| !tree.is_null()) else {
        return;
    };
    if tree.as_object().is_none() {
        return draft.warn(format!(
            "product_tree is {} instead of an object",
            tree.type_name()
        ));
    }
    branches(draft, tree);
    for full in list_of(tree, "full_product_names") {
        product(draft, full);
    }
    for relation in list_of(tree, "relationships") {
        let has = |key| str_of(relation, key).is_some();
        relationship(
            draft,
            relation,
            has("product_reference") && has("relates_to_product_reference"),
        );
    }
    for path in list_of(tree, "product_paths") {
        let parts = list_of(path, "subpaths");
        let has_all = !parts.is_empty()
            && parts
                .iter()
                .all(|part| str_of(part, "next_product_reference").is_some());
        relationship(
            draft,
            path,
            str_of(path, "beginning_product_reference").is_some() && has_all,
        );
    }
}

fn relationship(draft: &mut Draft<'_>, relation: &Value<'_>, has_both: bool) {
    if relation.as_object().is_some() {
        if !has_both {
            draft.warn("a relationship does not name both of its products");
        }
        product(draft, relation.get("full_product_name").unwrap_or(&Value::Null));
    }
}

fn branches(draft: &mut Draft<'_>, parent: &Value<'_>) {
    for branch in list_of(parent, "branches") {
        if let Some(own) = branch.get("product") {
            product(draft, own);
        }
        branches(draft, branch);
    }
}

fn product(draft: &mut Draft<'_>, product: &Value<'_>) {
    let Some(id) = product
        .get("product_id")
        .and_then(Value::as_str)
        .filter(|id| !id.is_empty())
    else {
        return draft.warn("a product of the product tree has no product_id");
    };
    let Some(helper) = product.get("product_identification_helper") else {
        return;
    };
    let is_url = |text: &str| {
        let scheme = text.trim().get(..4);
        scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case("pkg:"))
    };
    let is_text = |value: &Value<'_>| value.is_null() || value.as_str().is_some_and(is_url);
    let purl = helper.get("purl").is_none_or(is_text);
    let purls = helper
        .get("purls")
        .is_none_or(|list| list.is_null() || list.as_array().is_some_and(|list| list.iter().all(is_text)));
    if helper.as_object().is_none() || !purl || !purls {
        draft.warn(format!(
            "the package URL of the product \"{}\" is not understood",
            quote(id)
        ));
    }
}
