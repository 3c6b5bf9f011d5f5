//! Compares writing without a tree with [`canonicalize`].

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde::Serialize;

use super::{MAX_DEPTH, WriteError, canonicalize, to_canonical};

/// Every shape that serde knows, fields on purpose out of order.
#[derive(Debug, Clone, Serialize)]
struct Shapes {
    zeta: Option<u64>,
    alpha: f64,
    #[serde(rename = "\u{FB33}")]
    beyond: i32,
    #[serde(rename = "\u{1F600}\"")]
    surrogate: char,
    tuple: (u8, String),
    kinds: Vec<Kind>,
    unit: (),
    #[serde(flatten)]
    flattened: BTreeMap<String, bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    absent: Option<String>,
    numbered: BTreeMap<i16, Newtype>,
}

#[derive(Debug, Clone, Serialize)]
struct Newtype(f32);

#[derive(Debug, Clone, Serialize)]
enum Kind {
    Unit,
    New(String),
    Tuple(u16, bool),
    Struct { z: i64, a: Vec<u8> },
}

fn kind() -> impl Strategy<Value = Kind> {
    prop_oneof![
        Just(Kind::Unit),
        any::<String>().prop_map(Kind::New),
        any::<(u16, bool)>().prop_map(|(number, truth)| Kind::Tuple(number, truth)),
        any::<(i64, Vec<u8>)>().prop_map(|(z, a)| Kind::Struct { z, a }),
    ]
}

prop_compose! {
    fn shapes()(
        (zeta, alpha, beyond, surrogate) in (any::<Option<u64>>(), -1e9..1e9, any::<i32>(), any::<char>()),
        tuple in any::<(u8, String)>(),
        kinds in proptest::collection::vec(kind(), 0..4),
        flattened in proptest::collection::btree_map("[a-e\u{e000}\u{10000}]{1,3}", any::<bool>(), 0..4),
        absent in any::<Option<String>>(),
        numbered in proptest::collection::btree_map(any::<i16>(), (-1000i16..1000).prop_map(|n| Newtype(f32::from(n) / 8.0)), 0..4),
    ) -> Shapes {
        Shapes { zeta, alpha, beyond, surrogate, tuple, kinds, unit: (), flattened, absent, numbered }
    }
}

proptest! {
    #[test]
    fn writer_output_equals_canonicalized_json(value in shapes()) {
        let plain = serde_json::to_vec(&value).expect("it has a JSON form");
        prop_assert_eq!(
            String::from_utf8(to_canonical(&value).expect("it has a canonical form")).expect("text"),
            String::from_utf8(canonicalize(&plain).expect("it is JSON")).expect("text")
        );
    }
}

#[test]
fn members_are_sorted_at_every_level_and_commas_are_kept() {
    #[derive(Serialize)]
    struct Outer {
        b: Inner,
        a: Inner,
    }
    #[derive(Serialize)]
    struct Inner {
        y: Vec<&'static str>,
        x: Option<bool>,
    }
    let inner = || Inner {
        y: vec!["p,q", "}"],
        x: None,
    };
    let value = Outer {
        b: inner(),
        a: inner(),
    };
    assert_eq!(
        to_canonical(&value).unwrap(),
        br#"{"a":{"x":null,"y":["p,q","}"]},"b":{"x":null,"y":["p,q","}"]}}"#
    );
}

#[test]
fn value_without_canonical_form_is_refused() {
    #[derive(Serialize)]
    struct Twice {
        a: u8,
        #[serde(flatten)]
        more: BTreeMap<String, u8>,
    }
    let twice = Twice {
        a: 1,
        more: BTreeMap::from([("a".to_owned(), 2)]),
    };
    assert_eq!(
        to_canonical(&twice),
        Err(WriteError::DuplicateKey("a".to_owned()))
    );
    assert_eq!(to_canonical(&f64::NAN), Err(WriteError::NotFinite));
    assert_eq!(to_canonical(&f32::INFINITY), Err(WriteError::NotFinite));
    let keyed = BTreeMap::from([((1, 2), 3)]);
    assert_eq!(to_canonical(&keyed), Err(WriteError::KeyIsNoText));
    let nested = |levels: usize| {
        (0..levels).fold(serde_json::Value::Null, |value, _| {
            serde_json::Value::Array(vec![value])
        })
    };
    assert!(to_canonical(&nested(MAX_DEPTH)).is_ok());
    assert_eq!(to_canonical(&nested(MAX_DEPTH + 1)), Err(WriteError::TooDeep));
}
