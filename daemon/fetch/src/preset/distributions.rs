//! Plans of distributions.

use std::time::Duration;

use super::make::{Ask, below, days, document, hours, list};
use crate::error::PlanError;
use crate::plan::{
    Form, ListFormat, Pace, PagesStep, Paging, Plan, Pointer, RepositoryStep, Since, SnapshotStep, Step,
    TimeText,
};

pub(super) fn debian(ask: &Ask<'_>) -> Result<Plan, PlanError> {
    ask.single(
        "https://security-tracker.debian.org/tracker/data/json",
        "tracker.json",
        Form::Json,
    )
}

pub(super) fn ubuntu(ask: &Ask<'_>) -> Result<Plan, PlanError> {
    ask.single(
        "https://usn.ubuntu.com/usn-db/database-all.json.bz2",
        "database-all.json.bz2",
        Form::Bzip2,
    )
}

pub(super) fn alpine(ask: &Ask<'_>) -> Result<Plan, PlanError> {
    let base = ask.base("https://secdb.alpinelinux.org/")?;
    let mut branches = list("branches", base.clone(), base.clone(), ListFormat::HtmlFolders);
    if ask.mirror.is_some() {
        branches.address = below(&base, "index.html")?;
    }
    branches.files = vec!["main.json".to_owned(), "community.json".to_owned()];
    branches.by_time = false;
    let mut plan = ask.plan(base, vec![Step::List(branches)])?;
    plan.together = true;
    Ok(plan)
}

pub(super) fn wolfi(ask: &Ask<'_>) -> Result<Plan, PlanError> {
    ask.single(
        "https://packages.wolfi.dev/os/security.json",
        "security.json",
        Form::Json,
    )
}

pub(super) fn chainguard(ask: &Ask<'_>) -> Result<Plan, PlanError> {
    ask.single(
        "https://packages.cgr.dev/chainguard/security.json",
        "security.json",
        Form::Json,
    )
}

pub(super) fn minimos(ask: &Ask<'_>) -> Result<Plan, PlanError> {
    ask.single(
        "https://packages.mini.dev/advisories/secdb/security.json",
        "security.json",
        Form::Json,
    )
}

pub(super) fn redhat(ask: &Ask<'_>) -> Result<Plan, PlanError> {
    let part = match ask.parameter {
        None => "vex",
        Some(part @ ("vex" | "vex-feed" | "advisories")) => part,
        Some(_) => return Err(ask.wrong("expected vex, vex-feed or advisories")),
    };
    let base = ask.base(&format!(
        "https://security.access.redhat.com/data/csaf/v2/{part}/"
    ))?;
    let mut changes = list(
        &format!("changes:{part}"),
        below(&base, "changes.csv")?,
        base.clone(),
        ListFormat::PathThenTime,
    );
    changes.only = ".json".to_owned();
    changes.prefix = "archive/".to_owned();
    changes.overlap = hours(2);
    let mut deletions = list(
        &format!("deletions:{part}"),
        below(&base, "deletions.csv")?,
        base.clone(),
        ListFormat::PathThenTime,
    );
    deletions.only = ".json".to_owned();
    deletions.may_be_empty = true;
    deletions.overlap = hours(2);
    let snapshot = SnapshotStep {
        pointer: Pointer::TextFile(below(&base, "archive_latest.txt")?),
        whole: document(base.clone(), "archive.tar.zst", Form::Tar),
        changes,
        deletions: Some(deletions),
        max_changes: 10_000,
    };
    let mut plan = ask.plan(base, vec![Step::Snapshot(Box::new(snapshot))])?;
    plan.whole_every = Some(days(30));
    Ok(plan)
}

pub(super) fn almalinux(ask: &Ask<'_>) -> Result<Plan, PlanError> {
    let base = ask.base("https://errata.almalinux.org/")?;
    let mut releases = ask.parts()?;
    if releases.is_empty() {
        releases = vec!["8", "9", "10"];
    }
    let mut steps = Vec::new();
    for release in releases {
        let path = format!("{release}/errata.full.json");
        steps.push(Step::Document(document(below(&base, &path)?, &path, Form::Json)));
    }
    let mut plan = ask.plan(base, steps)?;
    plan.together = true;
    Ok(plan)
}

pub(super) fn rocky(ask: &Ask<'_>) -> Result<Plan, PlanError> {
    let base = ask.base("https://apollo.build.resf.org/")?;
    let pages = PagesStep {
        id: "advisories".to_owned(),
        address: below(&base, "api/v3/advisories/")?,
        query: vec![
            ("page".to_owned(), "1".to_owned()),
            ("size".to_owned(), "100".to_owned()),
        ],
        paging: Paging::NextIn(&["links", "next"]),
        items: "advisories",
        size: 100,
        since: None,
        prefix: "advisories".to_owned(),
    };
    let mut plan = ask.plan(base, vec![Step::Pages(pages)])?;
    plan.pace = Pace {
        open: Duration::from_millis(500),
        keyed: Duration::from_millis(500),
        ..Pace::default()
    };
    Ok(plan)
}

pub(super) fn amazon(ask: &Ask<'_>) -> Result<Plan, PlanError> {
    const RELEASES: [(&str, &str); 2] = [
        ("2", "2/core/latest/x86_64/mirror.list"),
        ("2023", "al2023/core/mirrors/latest/x86_64/mirror.list"),
    ];
    let base = ask.base("https://cdn.amazonlinux.com/")?;
    let wanted = ask.parts()?;
    if let Some(unknown) = wanted
        .iter()
        .find(|wanted| !RELEASES.iter().any(|(name, _)| name == *wanted))
    {
        return Err(ask.wrong(&format!("{unknown:?} is not 2 or 2023")));
    }
    let mut steps = Vec::new();
    for (release, path) in RELEASES {
        if wanted.is_empty() || wanted.contains(&release) {
            steps.push(Step::Repository(RepositoryStep {
                id: format!("amazon:{release}"),
                address: below(&base, path)?,
                is_mirror_list: true,
                prefix: format!("{release}/"),
            }));
        }
    }
    let mut plan = ask.plan(base, steps)?;
    plan.together = true;
    Ok(plan)
}

pub(super) fn oracle(ask: &Ask<'_>) -> Result<Plan, PlanError> {
    ask.single(
        "https://linux.oracle.com/security/oval/com.oracle.elsa-all.xml.bz2",
        "com.oracle.elsa-all.xml.bz2",
        Form::Bzip2,
    )
}

pub(super) fn suse(ask: &Ask<'_>) -> Result<Plan, PlanError> {
    let part = match ask.parameter {
        None => "csaf",
        Some(part @ ("csaf" | "csaf-vex")) => part,
        Some(_) => return Err(ask.wrong("expected csaf or csaf-vex")),
    };
    let name = format!("{part}.tar.bz2");
    ask.single(
        &format!("https://ftp.suse.com/pub/projects/security/{name}"),
        &name,
        Form::Tar,
    )
}

pub(super) fn fedora(ask: &Ask<'_>) -> Result<Plan, PlanError> {
    let base = ask.base("https://bodhi.fedoraproject.org/")?;
    let mut query = vec![
        ("type".to_owned(), "security".to_owned()),
        ("status".to_owned(), "stable".to_owned()),
    ];
    let releases = ask.parts()?;
    if !releases.is_empty() {
        query.push(("releases".to_owned(), releases.join(",")));
    }
    let pages = PagesStep {
        id: "updates".to_owned(),
        address: below(&base, "updates/")?,
        query,
        paging: Paging::PageOf {
            page: "page",
            size: "rows_per_page",
            pages: "pages",
        },
        items: "updates",
        size: 100,
        since: Some(Since {
            parameter: "modified_since",
            text: TimeText::Date,
            overlap: days(2),
        }),
        prefix: "updates".to_owned(),
    };
    let mut plan = ask.plan(base, vec![Step::Pages(pages)])?;
    plan.pace = Pace {
        open: Duration::from_secs(1),
        keyed: Duration::from_secs(1),
        ..Pace::default()
    };
    plan.whole_every = Some(days(30));
    Ok(plan)
}
