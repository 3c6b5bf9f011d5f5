//! A small separate disk, and a program that fills it.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// Between two looks of the filler for room that came back.
const LOOK_EVERY: Duration = Duration::from_millis(1);
const BALLAST: &str = "ballast";

/// Fills the disk after a time and keeps it full until it is stopped.
pub(crate) struct Filler {
    path: PathBuf,
    leave: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Filler {
    pub(crate) fn start(disk: &Path, after: Duration) -> Self {
        let path = disk.join(BALLAST);
        let leave = Arc::new(AtomicBool::new(false));
        let (file, stop) = (path.clone(), Arc::clone(&leave));
        let thread = std::thread::spawn(move || {
            std::thread::sleep(after);
            let mut file = File::create(file).expect("an empty file can be made");
            while !stop.load(Ordering::Relaxed) {
                fill(&mut file);
                std::thread::sleep(LOOK_EVERY);
            }
        });
        Self {
            path,
            leave,
            thread: Some(thread),
        }
    }

    /// Fills the disk now except for some bytes, and returns when it is full.
    pub(crate) fn now(disk: &Path, room: u64) -> Self {
        let path = disk.join(BALLAST);
        let mut file = File::create(&path).expect("an empty file can be made");
        fill(&mut file);
        let length = file.metadata().expect("a file has a length").len();
        file.set_len(length.saturating_sub(room))
            .expect("a file can be cut");
        Self {
            path,
            leave: Arc::default(),
            thread: None,
        }
    }
}

impl Drop for Filler {
    fn drop(&mut self) {
        self.leave.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        let _ = fs::remove_file(&self.path);
    }
}

/// Writes until not a single byte fits.
fn fill(file: &mut File) {
    let block = vec![1; 1 << 20];
    for size in [1 << 20, 1 << 12, 1] {
        while file.write_all(&block[..size]).is_ok() {}
    }
}
