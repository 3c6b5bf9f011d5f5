//! Plans of sources that are not of one distribution.

use std::time::Duration;

use super::make::{Ask, below, days, document, hours, list};
use crate::address::Address;
use crate::error::PlanError;
use crate::plan::{
    CsafStep, DocumentStep, FolderStep, Form, KeyHeader, ListFormat, Pace, PagesStep, Paging, Plan, Pointer,
    Since, SnapshotStep, Step, TimeText, Validators, WindowsStep, YearsStep,
};

/// 1998-01-01, before the oldest change that the National Vulnerability Database reports.
const NVD_BEGIN_MS: u64 = 883_612_800_000;

pub(super) fn osv(ask: &Ask<'_>) -> Result<Plan, PlanError> {
    let base = ask.base("https://osv-vulnerabilities.storage.googleapis.com/")?;
    let ecosystems = ask.parts()?;
    if let Some(suffixed) = ecosystems.iter().find(|name| name.contains(':')) {
        return Err(ask.wrong(&format!(
            "{suffixed:?} has a release; ecosystems are exported without one, such as Alpine"
        )));
    }
    let mut steps = Vec::new();
    if ecosystems.is_empty() {
        steps.push(osv_snapshot(&base, "", "all")?);
    }
    for ecosystem in ecosystems {
        steps.push(osv_snapshot(&base, &format!("{ecosystem}/"), ecosystem)?);
    }
    let mut plan = ask.plan(base, steps)?;
    plan.whole_every = Some(days(7));
    Ok(plan)
}

fn osv_snapshot(base: &Address, folder: &str, id: &str) -> Result<Step, PlanError> {
    let documents = below(base, folder)?;
    let mut changes = list(
        &format!("modified:{id}"),
        below(base, &format!("{folder}modified_id.csv"))?,
        documents,
        ListFormat::TimeThenId,
    );
    changes.suffix = ".json".to_owned();
    changes.prefix = format!("{folder}all/");
    Ok(Step::Snapshot(Box::new(SnapshotStep {
        pointer: Pointer::Fixed,
        whole: document(
            below(base, &format!("{folder}all.zip"))?,
            &format!("{folder}all.zip"),
            Form::Zip,
        ),
        changes,
        deletions: None,
        max_changes: 5_000,
    })))
}

/// Returns the address of the archive of a branch at GitHub.
fn github_archive(ask: &Ask<'_>, repository: &str) -> Result<Plan, PlanError> {
    let default = format!("https://github.com/{repository}/archive/refs/heads/main.tar.gz");
    let mut plan = ask.single(&default, "main.tar.gz", Form::Tar)?;
    plan.hosts.push("codeload.github.com".to_owned());
    Ok(plan)
}

pub(super) fn ghsa(ask: &Ask<'_>) -> Result<Plan, PlanError> {
    github_archive(ask, "github/advisory-database")
}

pub(super) fn malicious_packages(ask: &Ask<'_>) -> Result<Plan, PlanError> {
    github_archive(ask, "ossf/malicious-packages")
}

pub(super) fn pypa(ask: &Ask<'_>) -> Result<Plan, PlanError> {
    github_archive(ask, "pypa/advisory-database")
}

pub(super) fn rustsec(ask: &Ask<'_>) -> Result<Plan, PlanError> {
    github_archive(ask, "rustsec/advisory-db")
}

pub(super) fn ghsa_api(ask: &Ask<'_>) -> Result<Plan, PlanError> {
    let base = ask.base("https://api.github.com/")?;
    let class = match ask.parameter {
        None => "reviewed",
        Some(class @ ("reviewed" | "unreviewed" | "malware")) => class,
        Some(_) => return Err(ask.wrong("expected reviewed, unreviewed or malware")),
    };
    let pages = PagesStep {
        id: format!("advisories:{class}"),
        address: below(&base, "advisories")?,
        query: vec![
            ("type".to_owned(), class.to_owned()),
            ("per_page".to_owned(), "100".to_owned()),
        ],
        paging: Paging::LinkHeader,
        items: "",
        size: 100,
        since: Some(Since {
            parameter: "modified",
            text: TimeText::OpenRange,
            overlap: days(1),
        }),
        prefix: class.to_owned(),
    };
    let mut plan = ask.plan(base, vec![Step::Pages(pages)])?;
    plan.key = Some(KeyHeader {
        name: "authorization",
        prefix: "Bearer ",
    });
    plan.pace = Pace {
        open: Duration::from_secs(1),
        keyed: Duration::from_millis(800),
        retry: Duration::from_secs(5),
        throttles_by_403: true,
    };
    plan.whole_every = Some(days(30));
    Ok(plan)
}

pub(super) fn nvd(ask: &Ask<'_>) -> Result<Plan, PlanError> {
    let base = ask.base("https://services.nvd.nist.gov/")?;
    let windows = WindowsStep {
        pages: PagesStep {
            id: "cves".to_owned(),
            address: below(&base, "rest/json/cves/2.0")?,
            query: Vec::new(),
            paging: Paging::Offset {
                start: "startIndex",
                size: "resultsPerPage",
                total: "totalResults",
            },
            items: "vulnerabilities",
            size: 2_000,
            since: None,
            prefix: "cves".to_owned(),
        },
        from_parameter: "lastModStartDate",
        until_parameter: "lastModEndDate",
        text: TimeText::Millis,
        begin_ms: NVD_BEGIN_MS,
        longest: days(120),
        overlap: hours(2),
    };
    let mut plan = ask.plan(base, vec![Step::Windows(windows)])?;
    plan.key = Some(KeyHeader {
        name: "apikey",
        prefix: "",
    });
    plan.pace = Pace {
        open: Duration::from_secs(6),
        keyed: Duration::from_secs(2),
        retry: Duration::from_secs(30),
        throttles_by_403: true,
    };
    Ok(plan)
}

pub(super) fn nvd_feeds(ask: &Ask<'_>) -> Result<Plan, PlanError> {
    let base = ask.base("https://nvd.nist.gov/feeds/json/cve/2.0/")?;
    let years = YearsStep {
        folder: base.clone(),
        name: "nvdcve-2.0-{year}.json.gz".to_owned(),
        checksum: "nvdcve-2.0-{year}.meta".to_owned(),
        form: Form::Gzip,
        from_year: 2002,
    };
    let modified = DocumentStep {
        beside: Some(below(&base, "nvdcve-2.0-modified.meta")?),
        ..document(
            below(&base, "nvdcve-2.0-modified.json.gz")?,
            "nvdcve-2.0-modified.json.gz",
            Form::Gzip,
        )
    };
    ask.plan(base, vec![Step::Years(years), Step::Document(modified)])
}

pub(super) fn cve(ask: &Ask<'_>) -> Result<Plan, PlanError> {
    let base = ask.base("https://raw.githubusercontent.com/CVEProject/cvelistV5/main/")?;
    let mut changes = list(
        "deltaLog",
        below(&base, "cves/deltaLog.json")?,
        below(&base, "cves/")?,
        ListFormat::CveDeltaLog,
    );
    changes.prefix = "main/cvelistV5-main/cves/".to_owned();
    changes.suffix = ".json".to_owned();
    let whole = document(
        ask.at(
            "https://github.com/CVEProject/cvelistV5/archive/refs/heads/main.tar.gz",
            "main.tar.gz",
        )?,
        "main.tar.gz",
        Form::Tar,
    );
    let snapshot = SnapshotStep {
        pointer: Pointer::Fixed,
        whole,
        changes,
        deletions: None,
        max_changes: 10_000,
    };
    let mut plan = ask.plan(base, vec![Step::Snapshot(Box::new(snapshot))])?;
    plan.hosts.push("codeload.github.com".to_owned());
    plan.whole_every = Some(days(30));
    Ok(plan)
}

pub(super) fn kev(ask: &Ask<'_>) -> Result<Plan, PlanError> {
    const NAME: &str = "known_exploited_vulnerabilities.json";
    let address = ask.at(
        "https://www.cisa.gov/sites/default/files/feeds/known_exploited_vulnerabilities.json",
        NAME,
    )?;
    let step = DocumentStep {
        // The server sends an `ETag`, but ignores it in requests.
        validators: Validators::LastModifiedOnly,
        ..document(address.clone(), NAME, Form::Json)
    };
    let base = ask.mirror.clone().unwrap_or(address);
    ask.plan(base, vec![Step::Document(step)])
}

pub(super) fn epss(ask: &Ask<'_>) -> Result<Plan, PlanError> {
    const NAME: &str = "epss_scores-current.csv.gz";
    ask.single(
        "https://epss.empiricalsecurity.com/epss_scores-current.csv.gz",
        NAME,
        Form::Gzip,
    )
}

pub(super) fn csaf(ask: &Ask<'_>) -> Result<Plan, PlanError> {
    let Some(address) = ask.mirror.clone() else {
        return Err(PlanError::AddressNeeded {
            preset: ask.preset,
            why: "give that of the provider's provider-metadata.json, or a local folder of documents",
        });
    };
    let step = match &address {
        Address::File(path) => Step::Folder(FolderStep { path: path.clone() }),
        Address::Http(_) => Step::Csaf(CsafStep {
            id: "csaf".to_owned(),
            address: address.clone(),
        }),
    };
    let mut plan = ask.plan(address, vec![step])?;
    plan.hosts = ask.parts()?.into_iter().map(str::to_owned).collect();
    plan.whole_every = Some(days(30));
    Ok(plan)
}

pub(super) fn govulndb(ask: &Ask<'_>) -> Result<Plan, PlanError> {
    let base = ask.base("https://vuln.go.dev/")?;
    let mut changes = list(
        "vulns",
        below(&base, "index/vulns.json")?,
        below(&base, "ID/")?,
        ListFormat::IdAndModified,
    );
    changes.prefix = "vulndb/ID/".to_owned();
    changes.suffix = ".json".to_owned();
    changes.by_time = false;
    let snapshot = SnapshotStep {
        pointer: Pointer::Fixed,
        whole: document(below(&base, "vulndb.zip")?, "vulndb.zip", Form::Zip),
        changes,
        deletions: None,
        max_changes: 1_000,
    };
    let mut plan = ask.plan(base, vec![Step::Snapshot(Box::new(snapshot))])?;
    plan.whole_every = Some(days(7));
    Ok(plan)
}

pub(super) fn euvd(ask: &Ask<'_>) -> Result<Plan, PlanError> {
    let base = ask.base("https://euvdservices.enisa.europa.eu/")?;
    let pages = PagesStep {
        id: "search".to_owned(),
        address: below(&base, "api/search")?,
        query: Vec::new(),
        paging: Paging::UntilEmpty {
            page: "page",
            size: "size",
            first: 0,
        },
        items: "items",
        size: 100,
        since: Some(Since {
            parameter: "fromUpdatedDate",
            text: TimeText::Date,
            overlap: days(2),
        }),
        prefix: "search".to_owned(),
    };
    let mut plan = ask.plan(base, vec![Step::Pages(pages)])?;
    plan.pace = Pace {
        open: Duration::from_millis(500),
        keyed: Duration::from_millis(500),
        retry: Duration::from_secs(10),
        throttles_by_403: true,
    };
    plan.whole_every = Some(days(30));
    Ok(plan)
}

pub(super) fn jvn(ask: &Ask<'_>) -> Result<Plan, PlanError> {
    let base = ask.base("https://jvndb.jvn.jp/")?;
    let mut files = list(
        "checksums",
        below(&base, "ja/feed/checksum.txt")?,
        base.clone(),
        ListFormat::JvnChecksums,
    );
    files.below = "ja/feed/detail/jvndb_detail_".to_owned();
    files.only = ".rdf".to_owned();
    files.form = Form::Xml;
    files.by_time = false;
    let mut plan = ask.plan(base, vec![Step::List(files)])?;
    plan.whole_every = Some(days(30));
    Ok(plan)
}

pub(super) fn bdu(ask: &Ask<'_>) -> Result<Plan, PlanError> {
    ask.single(
        "https://bdu.fstec.ru/files/documents/vulxml.zip",
        "vulxml.zip",
        Form::Zip,
    )
}

/// Returns the preset of a source that requires a person to log in.
pub(super) fn local(ask: &Ask<'_>) -> Result<Plan, PlanError> {
    const WHY: &str =
        "its files are given only to a person who has logged in; download them and give their folder";
    match &ask.mirror {
        None => Err(PlanError::AddressNeeded {
            preset: ask.preset,
            why: WHY,
        }),
        Some(address @ Address::Http(_)) => Err(PlanError::LocalOnly {
            preset: ask.preset,
            address: address.to_string(),
            why: WHY,
        }),
        Some(Address::File(path)) => {
            let step = Step::Folder(FolderStep { path: path.clone() });
            ask.plan(Address::File(path.clone()), vec![step])
        }
    }
}
