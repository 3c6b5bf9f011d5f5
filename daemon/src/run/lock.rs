//! The lock of a site's folder: a daemon waits for a command that is about to release it.

use std::time::Duration;

use starling_api::ShortPath;
use starling_api_types::{ErrorCode, Problem};
use starling_store::engine::HomeLock;
use tokio::net::UnixStream;
use tokio::time::Instant;

use crate::home::Home;
use crate::service::take_lock;

/// Longest time for which another process may hold the lock. A command that imports a complete corpus needs about a
/// minute.
const PATIENCE: Duration = Duration::from_secs(120);
/// Pause between two attempts.
const AGAIN: Duration = Duration::from_millis(50);

/// Takes the lock of the site's folder. Waits for a command that holds it; refuses at once if a daemon holds it.
///
/// # Errors
/// `store_locked` if a daemon uses the site, or another process does not release it.
pub(super) async fn wait_for_lock(home: &Home) -> Result<HomeLock, Problem> {
    wait_at_most(home, PATIENCE).await
}

async fn wait_at_most(home: &Home, patience: Duration) -> Result<HomeLock, Problem> {
    let deadline = Instant::now() + patience;
    let mut told = false;
    loop {
        match take_lock(home) {
            Err(problem) if problem.code == ErrorCode::StoreLocked => {
                if Instant::now() >= deadline || a_daemon_answers(home).await {
                    return Err(problem);
                }
                if !told {
                    tracing::info!(found = %problem.detail, "waiting for another process to release the site");
                    told = true;
                }
                tokio::time::sleep(AGAIN).await;
            }
            taken => return taken,
        }
    }
}

/// Returns true if a process listens on the site's socket: only a daemon does, and it keeps the lock.
async fn a_daemon_answers(home: &Home) -> bool {
    let socket = home.socket_path();
    let Ok(short) = ShortPath::to(&socket) else {
        return false;
    };
    UnixStream::connect(short.path()).await.is_ok()
}

#[cfg(test)]
mod tests {
    use starling_protocol::UnixMillis;

    use super::*;

    fn home(folder: &std::path::Path) -> Home {
        let home = Home::prepare(folder, &"site-a".parse().unwrap(), None, UnixMillis::EPOCH).unwrap();
        home.finish().unwrap();
        home
    }

    #[tokio::test]
    async fn lock_is_taken_when_a_command_releases_it() {
        let folder = tempfile::tempdir().unwrap();
        let home = home(folder.path());
        let held = take_lock(&home).unwrap();
        let mut waiting = std::pin::pin!(wait_for_lock(&home));
        // It waits as long as the lock is held.
        let early = tokio::time::timeout(AGAIN * 3, &mut waiting).await;
        assert!(early.is_err(), "{early:?}");
        drop(held);
        waiting.await.unwrap();
    }

    #[tokio::test]
    async fn lock_of_a_daemon_is_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let home = home(folder.path());
        let _held = take_lock(&home).unwrap();
        let _daemon = tokio::net::UnixListener::bind(home.socket_path()).unwrap();
        let problem = wait_for_lock(&home).await.unwrap_err();
        assert_eq!(problem.code, ErrorCode::StoreLocked);
    }

    #[tokio::test]
    async fn lock_that_is_not_released_is_refused_in_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let home = home(folder.path());
        let _held = take_lock(&home).unwrap();
        let problem = wait_at_most(&home, Duration::ZERO).await.unwrap_err();
        assert_eq!(problem.code, ErrorCode::StoreLocked);
    }
}
