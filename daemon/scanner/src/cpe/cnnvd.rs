//! The configurations of CNNVD's entries, as their connector keeps them.

use std::borrow::Cow;

use serde_json::{Map, Value as Json, json};

use super::applicability::list;

/// Returns the nodes of an entry's configurations. An entry without any has one node of the products that it lists.
pub(super) fn nodes(native: &Map<String, Json>) -> Vec<Cow<'_, Json>> {
    // Records of earlier versions have them among the entry's other data.
    let entry = native.get("entry").and_then(Json::as_object);
    let places = || std::iter::once(native).chain(entry);
    let nodes: Vec<_> = places()
        .flat_map(|place| list(place.get("vulnerable-configuration")))
        .flat_map(|configuration| list(configuration.get("cncpe")))
        .map(Cow::Borrowed)
        .collect();
    if !nodes.is_empty() {
        return nodes;
    }
    let listed = places().flat_map(|place| list(place.get("vuln-software-list")));
    let products = listed.flat_map(|listed| {
        listed
            .get("product")
            .and_then(Json::as_array)
            .into_iter()
            .flatten()
    });
    let leaves: Vec<Json> = products
        .filter_map(Json::as_str)
        .filter(|name| !name.trim().is_empty())
        .map(|name| json!({ "@name": name }))
        .collect();
    match leaves.as_slice() {
        [] => Vec::new(),
        _ => vec![Cow::Owned(json!({ "cncpe-lang": leaves }))],
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::products;

    fn named(native: &serde_json::Value) -> (Vec<String>, bool) {
        let body = json!({"id": "X", "database_specific": {"native": native}});
        let (names, has_others) = products(&serde_json::to_vec(&body).unwrap());
        (names.into_iter().collect(), has_others)
    }

    #[test]
    fn configurations_are_found_where_the_connector_keeps_them() {
        let configurations = json!([{"cncpe": [{"@operator": "or", "cncpe-lang": [{"@name": "CPE:/a:acme:rocket:1.0.1u:::"}]}]}]);
        for native in [
            json!({"vulnerable-configuration": configurations}),
            json!({"entry": {"severity": ["x"], "vulnerable-configuration": configurations}}),
        ] {
            assert_eq!(named(&native), (vec!["a:acme:rocket".to_owned()], false));
        }
    }

    #[test]
    fn listed_products_stand_for_missing_configurations() {
        let listed = json!([{"product": ["CPE:/a:acme:rocket:1.0:::", " "]}, ""]);
        let native = json!({"entry": {"vulnerable-configuration": [""], "vuln-software-list": listed}});
        assert_eq!(named(&native), (vec!["a:acme:rocket".to_owned()], false));
        let prose = json!({"entry": {"vuln-software-list": [{"product": ["Acme Rocket 1.0"]}]}});
        assert_eq!(named(&prose), (vec![], true), "it is named as such");
        let other = json!([{"cncpe": [{"cncpe-lang": [{"@name": "CPE:/a:acme:tower:1:::"}]}]}]);
        let both = json!({"vulnerable-configuration": other, "entry": {"vuln-software-list": listed}});
        assert_eq!(named(&both).0, ["a:acme:tower"]);
    }
}
