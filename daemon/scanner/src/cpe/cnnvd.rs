//! The configurations of CNNVD's entries, as their connector keeps them.

use serde_json::{Map, Value as Json, json};

use super::applicability::list;

/// Returns the configurations of an entry: trees of nodes.
pub(super) fn configurations(native: &Map<String, Json>) -> impl Iterator<Item = &Json> {
    places(native).flat_map(|place| list(place.get("vulnerable-configuration")))
}

/// Returns a node of the products that an entry lists, for one without configurations.
pub(super) fn listed(native: &Map<String, Json>) -> Option<Json> {
    let listed = places(native).flat_map(|place| list(place.get("vuln-software-list")));
    let products = listed.filter_map(|listed| listed.get("product").and_then(Json::as_array));
    let names = products.flatten().filter_map(Json::as_str);
    let names = names.filter(|name| !name.trim().is_empty());
    let leaves: Vec<Json> = names.map(|name| json!({ "@name": name })).collect();
    (!leaves.is_empty()).then(|| json!({ "cncpe-lang": leaves }))
}

/// Returns the objects that hold them. Records of earlier versions have all of them among the entry's other data.
fn places(native: &Map<String, Json>) -> impl Iterator<Item = &Map<String, Json>> {
    let entry = native.get("entry").and_then(Json::as_object);
    std::iter::once(native).chain(entry)
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
            json!({"vulnerable-configuration": [{"cncpe-lang": [{"@name": "cpe:/a:acme:rocket:1"}]}]}),
        ] {
            assert_eq!(named(&native), (vec!["a:acme:rocket".to_owned()], false));
        }
    }

    #[test]
    fn listed_products_stand_for_missing_configurations() {
        let listed = json!([{"product": ["CPE:/a:acme:rocket:1.0:::", " "]}, ""]);
        for none in [
            json!([""]),
            json!([{"cncpe": [{"@operator": "or"}]}]),
            json!(null),
        ] {
            let native = json!({"entry": {"vulnerable-configuration": none, "vuln-software-list": listed}});
            assert_eq!(
                named(&native),
                (vec!["a:acme:rocket".to_owned()], false),
                "{none}"
            );
        }
        let prose = json!({"entry": {"vuln-software-list": [{"product": ["Acme Rocket 1.0"]}]}});
        assert_eq!(named(&prose), (vec![], true), "it is named as such");
        let other = json!([{"cncpe": [{"cncpe-lang": [{"@name": "CPE:/a:acme:tower:1:::"}]}]}]);
        let both = json!({"vulnerable-configuration": other, "entry": {"vuln-software-list": listed}});
        assert_eq!(named(&both).0, ["a:acme:tower"]);
    }
}
