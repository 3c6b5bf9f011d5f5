//! Scans with the corpus loaded, compared with Trivy if `TRIVY_BIN` names it: the command from start to exit,
//! and the daemon's API over its local socket.
//!
//! Trivy gets an empty database, which is in its favour: it reads the same document and writes its report, but
//! looks nothing up and finds nothing.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use starling_daemon::generate_sbom;
use starling_scanner::sbom::GenerateOptions;

use crate::Options;
use crate::corpus::Corpus;
use crate::corpus_run::import_all;
use crate::machine::{processor_seconds, resident};
use crate::site::BenchSite;
use crate::table::{megabytes, print};

/// Runs of a command; the median of them is used.
const RUNS: usize = 11;
/// Requests with the large document.
const LARGE_REQUESTS: usize = 100;
/// The time for which this many clients request the small document at once. With few clients, the machine
/// sleeps between two requests, and its wake-up time decides.
const SMALL_TIME: Duration = Duration::from_secs(5);
const CLIENTS: usize = 16;
/// Components of a document, and the percentage that is affected.
const DOCUMENTS: [(usize, u8); 5] = [(100, 0), (100, 5), (5_000, 0), (5_000, 5), (5_000, 50)];

/// A document on the disk.
struct Document {
    components: usize,
    affected: u8,
    path: PathBuf,
    bytes: Vec<u8>,
}

pub(crate) fn run(corpus: &Corpus, options: &Options) {
    for engine in &options.engines {
        run_engine(corpus, options, engine);
    }
}

fn run_engine(corpus: &Corpus, options: &Options, engine: &str) {
    let scratch = options.scratch();
    let site = BenchSite::init(scratch.path(), "scans", engine);
    let opened = site.open();
    let (records, ..) = import_all(&opened, corpus, options);
    drop(opened);
    let started = Instant::now();
    // The first scan builds the match index.
    let documents = DOCUMENTS.map(|(components, affected)| {
        let wish = GenerateOptions {
            components,
            affected_percent: affected,
            seed: 1,
            ecosystems: Vec::new(),
        };
        let bytes = generate_sbom(&site.home, &wish).unwrap_or_else(|problem| panic!("{problem}"));
        let path = scratch.path().join(format!("sbom-{components}-{affected}.json"));
        std::fs::write(&path, &bytes).unwrap();
        Document {
            components,
            affected,
            path,
            bytes,
        }
    });
    println!(
        "{engine}: {records} records; match index of {} and documents made in {:.1} s\n",
        megabytes(std::fs::metadata(site.home.join("match.idx")).unwrap().len()),
        started.elapsed().as_secs_f64()
    );
    commands(engine, &site, &documents, scratch.path());
    api(engine, &site, &documents);
}

/// Measures the command without warm caches, and Trivy.
fn commands(engine: &str, site: &BenchSite, documents: &[Document], scratch: &Path) {
    let starling = std::env::var_os("STARLING_BIN").map_or_else(beside_this, PathBuf::from);
    if !starling.exists() {
        println!(
            "the command is not measured: {} is not there; build it, or name it in STARLING_BIN\n",
            starling.display()
        );
        return;
    }
    let trivy = std::env::var_os("TRIVY_BIN").map(PathBuf::from);
    let cache = scratch.join("trivy");
    if trivy.is_some() {
        empty_trivy_database(&cache);
    } else {
        println!("Trivy is not measured: TRIVY_BIN does not name it\n");
    }
    let mut rows = Vec::new();
    for document in documents {
        let ours = || {
            let mut command = Command::new(&starling);
            command
                .arg("--home")
                .arg(&site.home)
                .arg("scan")
                .arg(&document.path)
                .arg("--json");
            command
        };
        let findings = findings(&ours().output().unwrap().stdout);
        let (wall, memory) = measured(ours);
        let mut row = vec![
            document.components.to_string(),
            format!("{} %", document.affected),
            findings.to_string(),
            format!("{:.1}", wall * 1e3),
            megabytes(memory),
        ];
        if let Some(trivy) = &trivy {
            let (peer, memory) = measured(|| {
                let mut command = Command::new(trivy);
                command
                    .args([
                        "sbom",
                        "--quiet",
                        "--skip-db-update",
                        "--skip-java-db-update",
                        "--offline-scan",
                    ])
                    .args(["--format", "json", "--cache-dir"])
                    .arg(&cache)
                    .arg(&document.path);
                command
            });
            row.extend([
                format!("{:.1}", peer * 1e3),
                megabytes(memory),
                format!("1/{:.1}", peer / wall),
            ]);
        }
        rows.push(row);
    }
    let heads = [
        "components",
        "affected",
        "findings",
        "command ms",
        "memory",
        "Trivy, empty DB, ms",
        "memory",
        "ratio",
    ];
    let shown = rows.first().map_or(0, Vec::len);
    print(
        &format!("## {engine}: the command, from start to exit"),
        heads.get(..shown).unwrap_or_default(),
        &rows,
    );
}

/// Measures the daemon's API over connections that stay open.
fn api(engine: &str, site: &BenchSite, documents: &[Document]) {
    let (daemon, _) = site.up(0);
    let mut rows = Vec::new();
    for document in documents {
        let mut client = Client::connect(daemon.socket());
        // The first scan opens the index.
        client.scan(&document.bytes);
        let before = processor_seconds(daemon.process());
        let started = Instant::now();
        let times: Vec<f64> = if document.components >= 1_000 {
            (0..LARGE_REQUESTS)
                .map(|_| client.scan(&document.bytes))
                .collect()
        } else {
            std::thread::scope(|threads| {
                let clients: Vec<_> = (0..CLIENTS)
                    .map(|_| {
                        threads.spawn(|| {
                            let mut client = Client::connect(daemon.socket());
                            let mut times = Vec::new();
                            while started.elapsed() < SMALL_TIME {
                                times.push(client.scan(&document.bytes));
                            }
                            times
                        })
                    })
                    .collect();
                clients
                    .into_iter()
                    .flat_map(|client| client.join().unwrap())
                    .collect()
            })
        };
        let wall = started.elapsed().as_secs_f64();
        let spent = processor_seconds(daemon.process()) - before;
        let mut sorted = times.clone();
        sorted.sort_by(f64::total_cmp);
        let at = |share: f64| sorted[((sorted.len() - 1) as f64 * share) as usize] * 1e3;
        rows.push(vec![
            document.components.to_string(),
            format!("{} %", document.affected),
            format!("{:.2}", at(0.5)),
            format!("{:.2}", at(0.95)),
            format!("{:.2}", at(0.99)),
            format!("{:.0}", times.len() as f64 / wall),
            format!("{:.2}", spent * 1e3 / times.len() as f64),
        ]);
    }
    let (now, most) = resident(daemon.process());
    daemon.stop();
    let heads = [
        "components",
        "affected",
        "P50 ms",
        "P95 ms",
        "P99 ms",
        "scans/s",
        "CPU ms a scan",
    ];
    print(&format!("## {engine}: the daemon's API"), &heads, &rows);
    println!(
        "daemon's memory after it: {}, at most {}\n",
        megabytes(now),
        megabytes(most)
    );
}

/// One connection that stays open: HTTP/1.1 with a length in every answer.
struct Client {
    to: UnixStream,
    from: BufReader<UnixStream>,
}

impl Client {
    fn connect(socket: &Path) -> Self {
        let to = UnixStream::connect(socket).unwrap();
        let from = BufReader::with_capacity(1 << 20, to.try_clone().unwrap());
        Self { to, from }
    }

    /// Scans and reads the verdict; returns the seconds that it took.
    fn scan(&mut self, document: &[u8]) -> f64 {
        let started = Instant::now();
        let head = format!(
            "POST /api/v1/scan HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n\r\n",
            document.len()
        );
        self.to.write_all(head.as_bytes()).unwrap();
        self.to.write_all(document).unwrap();
        let mut length = None;
        let mut status = String::new();
        self.from.read_line(&mut status).unwrap();
        loop {
            let mut line = String::new();
            self.from.read_line(&mut line).unwrap();
            let line = line.trim_end().to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse::<u64>().ok();
            }
        }
        let length = length.expect("an answer says how long it is");
        let mut body = Vec::new();
        (&mut self.from).take(length).read_to_end(&mut body).unwrap();
        assert!(
            status.contains(" 200 "),
            "{status}{}",
            String::from_utf8_lossy(&body)
        );
        started.elapsed().as_secs_f64()
    }
}

/// Returns the program that was built together with this one.
fn beside_this() -> PathBuf {
    let this = std::env::current_exe().unwrap();
    this.ancestors().nth(2).unwrap().join("starling")
}

fn findings(envelope: &[u8]) -> usize {
    let envelope: serde_json::Value = serde_json::from_slice(envelope).unwrap();
    envelope["verdict"]["findings"].as_array().map_or(0, Vec::len)
}

/// Returns the median seconds of a command, and the most memory that one run of it had, in bytes.
fn measured(command: impl Fn() -> Command) -> (f64, u64) {
    let spawn = || {
        command()
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    };
    let mut seconds: Vec<f64> = (0..RUNS)
        .map(|_| {
            let started = Instant::now();
            spawn().wait().unwrap();
            started.elapsed().as_secs_f64()
        })
        .collect();
    seconds.sort_by(f64::total_cmp);
    // Separate runs: observing a process takes time from it.
    let most = (0..3).map(|_| {
        let mut child = spawn();
        let mut most = 0;
        while child.try_wait().unwrap().is_none() {
            most = most.max(resident(child.id()).1);
            std::thread::sleep(Duration::from_micros(300));
        }
        most
    });
    (seconds[RUNS / 2], most.max().unwrap_or(0))
}

/// Writes an empty Trivy database: bbolt's two meta pages, an empty freelist, an empty leaf.
fn empty_trivy_database(cache: &Path) {
    const PAGE: usize = 4_096;
    let page = |id: u64, flags: u16, body: &[u8]| {
        let mut page = Vec::with_capacity(PAGE);
        page.extend_from_slice(&id.to_le_bytes());
        page.extend_from_slice(&flags.to_le_bytes());
        page.extend_from_slice(&[0; 6]);
        page.extend_from_slice(body);
        page.resize(PAGE, 0);
        page
    };
    let meta = |id: u64| {
        let mut meta = Vec::new();
        // Magic, version, page size, flags; then root page and sequence, freelist, pages in use, transaction.
        for number in [0xED0C_DAED_u32, 2, 4_096, 0] {
            meta.extend_from_slice(&number.to_le_bytes());
        }
        for number in [3_u64, 0, 2, 4, id] {
            meta.extend_from_slice(&number.to_le_bytes());
        }
        let hash = meta.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        });
        meta.extend_from_slice(&hash.to_le_bytes());
        page(id, 0x04, &meta)
    };
    let folder = cache.join("db");
    std::fs::create_dir_all(&folder).unwrap();
    let pages = [meta(0), meta(1), page(2, 0x10, &[]), page(3, 0x02, &[])];
    std::fs::write(folder.join("trivy.db"), pages.concat()).unwrap();
    let metadata = r#"{"Version":2,"NextUpdate":"2099-01-01T00:00:00Z","UpdatedAt":"2026-01-01T00:00:00Z","DownloadedAt":"2026-01-01T00:00:00Z"}"#;
    std::fs::write(folder.join("metadata.json"), metadata).unwrap();
}
