//! Version orders: comparing is total, equal to itself, and the same from both sides.
#![no_main]

use std::cmp::Ordering;

use libfuzzer_sys::fuzz_target;
use starling_scanner::version::{Scheme, compare};

const SCHEMES: [Scheme; 15] = [
    Scheme::FreeBsd,
    Scheme::SemVer,
    Scheme::SemVerBuild,
    Scheme::Bitnami,
    Scheme::NuGet,
    Scheme::Pep440,
    Scheme::Maven,
    Scheme::RubyGems,
    Scheme::Packagist,
    Scheme::Debian,
    Scheme::Opam,
    Scheme::Rpm,
    Scheme::Apk,
    Scheme::Conan,
    Scheme::Dotted,
];

fuzz_target!(|input: (&str, &str, &str)| {
    let (a, b, c) = input;
    for scheme in SCHEMES {
        if let Ok(order) = compare(scheme, a, b) {
            assert_eq!(
                compare(scheme, b, a),
                Ok(order.reverse()),
                "{scheme:?} {a:?} {b:?}"
            );
            assert_eq!(compare(scheme, a, a), Ok(Ordering::Equal), "{scheme:?} {a:?}");
            if let (Ok(Ordering::Less), Ok(Ordering::Less)) = (Ok::<_, ()>(order), compare(scheme, b, c)) {
                assert_eq!(
                    compare(scheme, a, c),
                    Ok(Ordering::Less),
                    "{scheme:?} {a:?} {b:?} {c:?}"
                );
            }
        }
    }
});
