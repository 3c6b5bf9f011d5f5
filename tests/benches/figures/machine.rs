//! The machine of the figures, and the system's data about a process and the loopback interface.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

/// Set in the process that runs in a separate network namespace.
const OWN_NETWORK: &str = "STARLING_BENCH_OWN_NETWORK";

/// Describes machine, system and compiler in one line.
pub(crate) fn describe() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let after = |text: &str, key: &str| {
        let line = text
            .lines()
            .find(|line| line.starts_with(key))
            .unwrap_or_default()
            .to_owned();
        line.split_once(':')
            .map(|(_, value)| value.trim().to_owned())
            .unwrap_or_default()
    };
    let kibibytes = after(&read("/proc/meminfo"), "MemTotal")
        .replace(" kB", "")
        .parse::<u64>()
        .unwrap_or(0);
    let rustc = Command::new("rustc").arg("--version").output().ok();
    let rustc = rustc.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    let load = read("/proc/loadavg");
    format!(
        "machine: {cores} cores of {}, {:.0} GiB, Linux {}, {}; load at the start {}",
        after(&read("/proc/cpuinfo"), "model name"),
        kibibytes as f64 / f64::from(1 << 20),
        read("/proc/sys/kernel/osrelease").trim(),
        rustc.unwrap_or_default(),
        load.split(' ').next().unwrap_or_default(),
    )
}

/// Returns the resident memory of a process now, in bytes, and its maximum.
pub(crate) fn resident(process: u32) -> (u64, u64) {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let bytes = |key: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(key));
        let kibibytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
        kibibytes.unwrap_or(0) * 1_024
    };
    (bytes("VmRSS:"), bytes("VmHWM:"))
}

/// Returns the processor time that a process and its threads have used, in seconds.
pub(crate) fn processor_seconds(process: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let fields = stat
        .rsplit_once(')')
        .map(|(_, fields)| fields)
        .unwrap_or_default();
    let ticks = |index: usize| {
        fields
            .split_whitespace()
            .nth(index)
            .and_then(|text| text.parse::<u64>().ok())
    };
    // 100 ticks a second on every Linux that is built for servers.
    (ticks(11).unwrap_or(0) + ticks(12).unwrap_or(0)) as f64 / 100.0
}

/// Returns bytes and packets on the loopback interface, each counted once, link headers included.
pub(crate) fn loopback() -> (u64, u64) {
    let counters = std::fs::read_to_string("/proc/net/dev").unwrap_or_default();
    let line = counters
        .lines()
        .find_map(|line| line.trim_start().strip_prefix("lo:"));
    let mut fields = line
        .unwrap_or_default()
        .split_whitespace()
        .map(|text| text.parse().unwrap_or(0));
    (fields.next().unwrap_or(0), fields.next().unwrap_or(0))
}

/// Restarts in a separate network namespace. Returns true if that worked.
pub(crate) fn enter_own_network() -> bool {
    if std::env::var_os(OWN_NETWORK).is_some() {
        return true;
    }
    let works = Command::new("unshare")
        .args(["--net", "--", "ip", "link", "set", "lo", "up"])
        .status();
    if !works.is_ok_and(|status| status.success()) {
        return false;
    }
    let this = std::env::current_exe().unwrap();
    let error = Command::new("unshare")
        .args([
            "--net",
            "--",
            "sh",
            "-c",
            "ip link set lo up && exec \"$0\" \"$@\"",
        ])
        .arg(this)
        .args(std::env::args_os().skip(1))
        .env(OWN_NETWORK, "1")
        .exec();
    panic!("restarting in a network namespace: {error}");
}

/// Returns the bytes that a folder and its content take on the disk.
pub(crate) fn folder_bytes(folder: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let mut total = 0;
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let metadata = entry.metadata().unwrap();
            if metadata.is_dir() {
                folders.push(entry.path());
            } else {
                total += metadata.blocks() * 512;
            }
        }
    }
    total
}
