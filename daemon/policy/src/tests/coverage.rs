//! Documents of which too little, or nothing, could be judged.

use super::*;

#[test]
fn coverage_below_the_minimum_has_its_own_exit_code() {
    let coverage = Coverage {
        matched: 9,
        unversioned: 1,
        ..Coverage::default()
    };
    let gaps = judge(&result(&[], coverage), &Policy::default(), &knowledge());
    assert_eq!((gaps.outcome, exit_code(&gaps)), (Outcome::Warn, 0));
    let policy = Policy {
        min_coverage_basis_points: Some(9_001),
        ..Policy::default()
    };
    let low = judge(&result(&[], coverage), &policy, &knowledge());
    assert_eq!((low.outcome, exit_code(&low)), (Outcome::Unknown, 5));
    let policy = Policy {
        min_coverage_basis_points: Some(9_000),
        ..Policy::default()
    };
    assert_eq!(
        exit_code(&judge(&result(&[], coverage), &policy, &knowledge())),
        0
    );
}

#[test]
fn document_without_checked_packages_is_not_clean() {
    let coverage = Coverage {
        undecided: 3,
        ..Coverage::default()
    };
    let verdict = judge(&result(&[], coverage), &Policy::default(), &knowledge());
    assert_eq!((verdict.outcome, exit_code(&verdict)), (Outcome::Unknown, 5));
    assert_eq!(
        (verdict.not_judged.packages.len(), verdict.not_judged.others),
        (0, 3)
    );
}

#[test]
fn inventory_without_packages_warns() {
    let verdict = judge(
        &result(&[], Coverage::default()),
        &Policy::default(),
        &knowledge(),
    );
    assert_eq!(
        codes(&verdict),
        [ReasonCode::CoverageTooLow, ReasonCode::NothingToJudge]
    );
    assert_eq!(exit_code(&verdict), 5);
    let accepted = Policy {
        min_coverage_basis_points: Some(0),
        ..Policy::default()
    };
    let verdict = judge(&result(&[], Coverage::default()), &accepted, &knowledge());
    assert_eq!((verdict.outcome, exit_code(&verdict)), (Outcome::Warn, 0));
    let policy = Policy {
        min_coverage_basis_points: Some(1),
        ..Policy::default()
    };
    assert_eq!(
        exit_code(&judge(&result(&[], Coverage::default()), &policy, &knowledge())),
        5
    );
}
