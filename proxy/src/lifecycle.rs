//! Stop and reload, as flags that the data thread looks at, and what the supervisor (systemd) is told.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

type Waker = Box<dyn Fn() + Send + Sync>;

/// Shared by the signal thread, the control socket and the data thread.
#[derive(Default)]
pub struct Lifecycle {
    stop: AtomicBool,
    reload: AtomicBool,
    waker: Mutex<Option<Waker>>,
}

impl Lifecycle {
    /// Called when a flag changes, from another thread: to end the data thread's sleep.
    pub fn on_change(&self, waker: impl Fn() + Send + Sync + 'static) {
        *lock(&self.waker) = Some(Box::new(waker));
    }

    /// Asks the data thread to end.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Release);
        self.wake();
    }

    /// Whether the data thread is to end.
    pub fn stopping(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }

    /// Tells the data thread that communities or members changed.
    pub fn reload(&self) {
        self.reload.store(true, Ordering::Release);
        self.wake();
    }

    /// Whether communities or members changed since this was asked last.
    pub fn take_reload(&self) -> bool {
        self.reload.swap(false, Ordering::AcqRel)
    }

    /// Tells the supervisor that the exit serves.
    pub fn ready(&self) {
        notify("READY=1");
    }

    /// Tells the supervisor that the data thread is not stuck. Called once a second.
    pub fn alive(&self) {
        notify("WATCHDOG=1");
    }

    fn wake(&self) {
        if let Some(waker) = lock(&self.waker).as_ref() {
            waker();
        }
    }
}

impl Drop for Lifecycle {
    fn drop(&mut self) {
        notify("STOPPING=1");
    }
}

/// What a thread that panicked under a lock left behind is still whole: every holder writes one value.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// sd_notify(3). Without a supervisor that wants to know, or when it is gone, nothing happens.
fn notify(message: &str) {
    let Some(path) = std::env::var_os("NOTIFY_SOCKET") else {
        return;
    };
    let bytes = path.as_encoded_bytes();
    let address = match bytes.strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name),
        None => SocketAddr::from_pathname(&path),
    };
    if let (Ok(address), Ok(socket)) = (address, UnixDatagram::unbound()) {
        let _ = socket.send_to_addr(message.as_bytes(), &address);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::AtomicU32;

    #[test]
    fn a_reload_is_taken_once_and_wakes_the_sleeper() {
        let woken = Arc::new(AtomicU32::new(0));
        let lifecycle = Lifecycle::default();
        let count = woken.clone();
        lifecycle.on_change(move || {
            count.fetch_add(1, Ordering::Relaxed);
        });
        assert!(!lifecycle.take_reload());
        lifecycle.reload();
        assert!(lifecycle.take_reload() && !lifecycle.take_reload());
        assert!(!lifecycle.stopping());
        lifecycle.stop();
        assert!(lifecycle.stopping() && lifecycle.stopping());
        assert_eq!(woken.load(Ordering::Relaxed), 2);
    }
}
