//! Runs the commands of README.md and docs/ci.md unchanged, in order, in a clean folder.
//!
//! Only ports are replaced by free ones, and `cargo` by a stand-in that runs the program under test.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::{TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::json;
use serde_yaml_ng::Value;
use starling_tests::program::{starling, workspace};
use starling_tests::{Ended, Site};

use crate::bench;

/// The time limit for a whole page.
const DEADLINE: Duration = Duration::from_secs(280);
/// The tools that the pages use besides the shell.
const TOOLS: [&str; 4] = ["bash", "jq", "curl", "zstd"];

/// A piece of code of a page.
#[derive(Debug)]
struct Block {
    /// The language of its fence; empty for an indented block.
    language: String,
    text: String,
}

/// Reads fenced and indented code, in order.
fn blocks(page: &str) -> Vec<Block> {
    let mut found: Vec<Block> = Vec::new();
    let mut fence: Option<Block> = None;
    let mut indented = String::new();
    for line in page.lines().chain([""]) {
        if let Some(block) = &mut fence {
            if line.starts_with("```") {
                found.extend(fence.take());
            } else {
                block.text.push_str(line);
                block.text.push('\n');
            }
            continue;
        }
        if let Some(code) = line.strip_prefix("    ") {
            indented.push_str(code);
            indented.push('\n');
        } else if !indented.is_empty() {
            // In Markdown a blank line does not end the block, but for commands a split there makes no difference.
            found.push(Block {
                language: String::new(),
                text: std::mem::take(&mut indented),
            });
        }
        if let Some(language) = line.strip_prefix("```") {
            fence = Some(Block {
                language: language.to_owned(),
                text: String::new(),
            });
        }
    }
    assert!(fence.is_none(), "a fence of the page is not closed");
    found
}

/// Returns the commands of shell code: comments left out, lines that end with `\` joined.
fn commands(code: &str) -> Vec<String> {
    let joined = code.replace("\\\n", " ");
    let lines = joined.lines().map(str::trim).filter(|line| !line.is_empty());
    lines
        .filter(|line| !line.starts_with('#'))
        .map(ToOwned::to_owned)
        .collect()
}

/// Returns the first of the tools that this machine lacks.
fn missing_tool() -> Option<&'static str> {
    let is_missing = |tool: &&&str| {
        let mut command = Command::new(**tool);
        command
            .arg("--version")
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        !command.status().is_ok_and(|status| status.success())
    };
    TOOLS.iter().find(is_missing).copied()
}

fn free_udp_port() -> u16 {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.local_addr().unwrap().port()
}

fn free_tcp_port() -> u16 {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    socket.local_addr().unwrap().port()
}

/// Puts the program under test, and a stand-in for cargo that runs it, into a folder for `PATH`.
fn programs(folder: &Path) -> PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let bin = folder.join("bin");
    std::fs::create_dir_all(&bin).unwrap();
    std::os::unix::fs::symlink(starling(), bin.join("starling")).unwrap();
    let cargo = bin.join("cargo");
    let stand_in = "#!/bin/sh\ncase \"$1\" in\n\
        run) while [ \"$1\" != -- ]; do shift; done; shift; exec starling \"$@\";;\n\
        build|test) exit 0;;\nesac\nexit 9\n";
    std::fs::write(&cargo, stand_in).unwrap();
    std::fs::set_permissions(&cargo, std::fs::Permissions::from_mode(0o755)).unwrap();
    bin
}

/// Returns a shell in `folder` with an environment that contains only `PATH` and `HOME`.
fn shell(folder: &Path, bin: &Path, args: &[&str]) -> Command {
    let mut command = Command::new("timeout");
    command.args(["--kill-after=20", "240"]).args(args);
    let path = std::env::var("PATH").unwrap_or_default();
    command
        .env_clear()
        .env("PATH", format!("{}:{path}", bin.display()))
        .env("HOME", folder)
        .current_dir(folder)
        .stdin(Stdio::null());
    command
}

/// A command of README.md, with its exit code and parts of its output.
type Expected = (&'static str, i32, &'static [&'static str]);

/// The commands whose exit code or output is checked, in the order of the page, each by some words of it. All other commands
/// must end with 0.
const README: &[Expected] = &[
    ("cargo run", 0, &["verdict"]),
    ("west init", 0, &["site-us-west-1", "starling doctor"]),
    (
        "feeds import cli/src/quickstart/advisories/ghsa",
        0,
        &["stored     27", "took"],
    ),
    (
        "--await-root",
        0,
        &["site-eu-north-1", "34 advisories from 33 records"],
    ),
    ("advisory get CVE-2021-44228", 0, &["ghsa", "nvd"]),
    ("advisory list --purl", 0, &["CVE-2024-29041"]),
    (
        "north scan",
        1,
        &[
            "FAIL: 17 findings (5 critical, 6 high, 6 medium)",
            "What to do first",
            "ends 2 findings",
        ],
    ),
    ("vault init", 0, &["site-air-gapped"]),
    ("--dry-run", 0, &["Dry run: nothing was changed"]),
    ("zstd -dc", 0, &["GHSA-jfh8-c2jp-5v3q"]),
    ("--quiet", 0, &["build fails: 1"]),
    ("jq -e", 0, &["false", "build fails: 1"]),
];

#[test]
fn readme_runs_as_pasted() {
    if let Some(tool) = missing_tool() {
        println!("skipped: this machine has no {tool}");
        return;
    }
    let bench = bench();
    let bin = programs(bench.path());
    let home = bench.path().join("checkout");
    std::fs::create_dir(&home).unwrap();
    std::os::unix::fs::symlink(workspace().join("cli"), home.join("cli")).unwrap();
    let page = std::fs::read_to_string(workspace().join("README.md")).unwrap();
    let ports = [
        ("7946", free_udp_port()),
        ("7947", free_udp_port()),
        ("7948", free_tcp_port()),
    ];
    let all: Vec<String> = blocks(&page)
        .iter()
        .flat_map(|block| commands(&block.text))
        .collect();
    assert!(all.len() > 25, "only {} commands", all.len());

    // Job control, so that `kill %1` works as in an interactive shell.
    let mut script = "set -m\ntrap 'kill $(jobs -p) 2>/dev/null; wait' EXIT\nexec 2>&1\n".to_owned();
    for command in &all {
        let mut command = command.clone();
        for (port, free) in ports {
            command = command.replace(port, &free.to_string());
        }
        let _ = writeln!(script, "{command}\nprintf '\\n@@ %d @@\\n' $?");
    }
    let file = bench.path().join("readme.sh");
    std::fs::write(&file, &script).unwrap();
    let mut shell = shell(&home, &bin, &["bash", &file.to_string_lossy()]);
    // The listening address of daemons whose command names none.
    let anywhere = format!("[\"/ip4/127.0.0.1/udp/{}/quic-v1\"]", free_udp_port());
    shell.env("STARLING_NETWORK_LISTEN", anywhere);
    let ended = Ended::within(shell, DEADLINE);
    let output = String::from_utf8_lossy(&ended.stdout).into_owned();

    let mut expected = README.iter().peekable();
    let mut rest = output.as_str();
    for command in &all {
        let (output_of_command, more) = rest
            .split_once("\n@@ ")
            .unwrap_or_else(|| panic!("`{command}` did not end\n{output}"));
        let (code, more) = more.split_once(" @@\n").unwrap();
        rest = more;
        let spaced = command.split_whitespace().collect::<Vec<_>>().join(" ");
        let (wanted, words) = match expected.peek() {
            Some((part, code, words)) if spaced.contains(part) => {
                expected.next();
                (*code, *words)
            }
            _ => (0, &[][..]),
        };
        assert_eq!(code, wanted.to_string(), "`{command}` said:\n{output_of_command}");
        for word in words {
            assert!(
                output_of_command.contains(word),
                "`{command}` does not say {word:?}:\n{output_of_command}"
            );
        }
    }
    assert!(expected.peek().is_none(), "no command for {:?}", expected.peek());
}

/// A job of docs/ci.md: its scripts, in order.
struct Job {
    name: String,
    /// The command with which the build server runs each script.
    shell: &'static [&'static str],
    scripts: Vec<String>,
    /// The files that the scripts write.
    files: &'static [&'static str],
}

fn jobs(page: &str) -> Vec<Job> {
    let mut jobs = Vec::new();
    for (index, block) in blocks(page).into_iter().enumerate() {
        let name = format!("block {index} ({})", block.language);
        let (shell, scripts, files): (&'static [&'static str], _, &'static [&'static str]) =
            match block.language.as_str() {
                "sh" if block.text.contains("--format sarif") => (
                    &["bash", "-e"],
                    vec![block.text],
                    &["starling.sarif", "starling.xml", "starling.html"],
                ),
                "sh" => (&["bash", "-e"], vec![block.text], &[]),
                "yaml" => {
                    let value: Value = serde_yaml_ng::from_str(&block.text).unwrap();
                    if value.get("jobs").is_some() {
                        (&["bash", "-e"], steps(&value), &["starling.sarif", "summary.md"])
                    } else {
                        let lines = value["scan"]["script"].as_sequence().unwrap();
                        let lines = lines.iter().map(|line| line.as_str().unwrap().to_owned());
                        (
                            &["bash", "-e", "-o", "pipefail"],
                            lines.collect(),
                            &["starling.xml", "starling.html"],
                        )
                    }
                }
                "groovy" => {
                    assert_eq!(
                        block.text.matches('{').count(),
                        block.text.matches('}').count(),
                        "braces of the Jenkinsfile"
                    );
                    let scripts = block.text.split("'''").skip(1).step_by(2).map(ToOwned::to_owned);
                    (
                        &["sh", "-xe"],
                        scripts.collect(),
                        &["starling.xml", "starling.html"],
                    )
                }
                other => panic!("a block of docs/ci.md in {other:?} is not run"),
            };
        assert!(!scripts.is_empty(), "{name} has no script");
        jobs.push(Job {
            name,
            shell,
            scripts,
            files,
        });
    }
    jobs
}

/// Returns the `run` of every step, in order.
fn steps(workflow: &Value) -> Vec<String> {
    let steps = workflow["jobs"]["scan"]["steps"].as_sequence().unwrap();
    steps
        .iter()
        .filter_map(|step| step.get("run"))
        .map(|run| run.as_str().unwrap().to_owned())
        .collect()
}

fn sbom(lodash: &str) -> String {
    json!({
        "bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1,
        "components": [{ "type": "library", "bom-ref": "lodash", "name": "lodash", "version": lodash,
                         "purl": format!("pkg:npm/lodash@{lodash}") }],
    })
    .to_string()
}

#[test]
fn ci_jobs_fail_when_the_verdict_does() {
    if let Some(tool) = missing_tool() {
        println!("skipped: this machine has no {tool}");
        return;
    }
    let bench = bench();
    let bin = programs(bench.path());
    let mut site = Site::init(bench.path(), "site-a");
    for source in ["ghsa", "nvd"] {
        let folder = workspace().join("cli/src/quickstart/advisories").join(source);
        let folder = folder.to_str().unwrap();
        site.cli(["feeds", "import", folder, "--source", source, "--complete"])
            .expect(0);
    }
    site.up();
    let page = std::fs::read_to_string(workspace().join("docs/ci.md")).unwrap();
    let jobs = jobs(&page);
    let kinds: BTreeMap<&str, usize> = jobs.iter().fold(BTreeMap::new(), |mut kinds, job| {
        *kinds.entry(job.shell[0]).or_default() += 1;
        kinds
    });
    assert!(jobs.len() >= 6 && kinds.len() == 2, "{kinds:?}");
    // An affected version fails each job, an unaffected one passes each.
    for (version, verdict) in [("4.17.11", 1), ("4.17.21", 0)] {
        for (index, job) in jobs.iter().enumerate() {
            let folder = bench.path().join(format!("job-{index}-{verdict}"));
            std::fs::create_dir(&folder).unwrap();
            std::fs::write(folder.join("sbom.json"), sbom(version)).unwrap();
            let mut codes = Vec::new();
            let mut log = String::new();
            for script in &job.scripts {
                let file = folder.join("script.sh");
                std::fs::write(&file, script).unwrap();
                let mut args = job.shell.to_vec();
                let file = file.to_string_lossy().into_owned();
                args.push(&file);
                let mut shell = shell(&folder, &bin, &args);
                shell
                    .env("STARLING_HOME", site.home())
                    .env("GITHUB_STEP_SUMMARY", folder.join("step-summary"));
                let ended = Ended::within(shell, DEADLINE);
                codes.push(ended.code);
                let _ = write!(log, "{ended:?}");
            }
            // Previously accepted findings do not fail; steps after the scan still run.
            let scan = if job.scripts[0].contains("--baseline") {
                0
            } else {
                verdict
            };
            assert_eq!(codes[0], scan, "{}: {log}", job.name);
            assert!(codes[1..].iter().all(|code| *code == 0), "{}: {log}", job.name);
            for file in job.files {
                let written = std::fs::read_to_string(folder.join(file)).unwrap_or_default();
                assert!(written.contains("sbom.json"), "{}: {file}: {written}", job.name);
            }
        }
    }
}

#[test]
fn curl_job_never_passes_without_an_answer() {
    use std::os::unix::fs::PermissionsExt;
    if let Some(tool) = missing_tool() {
        println!("skipped: this machine has no {tool}");
        return;
    }
    let bench = bench();
    let page = std::fs::read_to_string(workspace().join("docs/ci.md")).unwrap();
    let jobs = jobs(&page);
    let job = jobs.iter().find(|job| job.scripts[0].contains("curl")).unwrap();
    // Stand-ins for curl, each with the exit code that the job must have.
    for (index, (curl, code)) in [
        ("exit 7", 6),
        ("echo '{\"status\":503}' > verdict.json; exit 22", 3),
        ("printf '{\"exit_code\":0' > verdict.json; exit 18", 3),
        ("echo '<html>' > verdict.json", 3),
        ("echo '{\"exit_code\":1}' > verdict.json", 1),
        ("echo '{\"exit_code\":0}' > verdict.json", 0),
    ]
    .into_iter()
    .enumerate()
    {
        let folder = bench.path().join(format!("job-{index}"));
        std::fs::create_dir(&folder).unwrap();
        let bin = folder.join("bin");
        std::fs::create_dir(&bin).unwrap();
        let program = bin.join("curl");
        std::fs::write(&program, format!("#!/bin/sh\n{curl}\n")).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        // The verdict of an earlier build, which passed, is still there.
        std::fs::write(folder.join("verdict.json"), "{\"exit_code\":0}").unwrap();
        std::fs::write(folder.join("script.sh"), &job.scripts[0]).unwrap();
        let mut shell = shell(&folder, &bin, &["bash", "-e", "script.sh"]);
        shell.env("STARLING_HOME", &folder);
        let ended = Ended::within(shell, DEADLINE);
        assert_eq!(ended.code, code, "{curl}: {ended:?}");
    }
}
