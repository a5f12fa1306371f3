//! The control socket: one command a connection, answered in lines. `status` gives JSON, `reload` gives `ok`.

use std::fs::Permissions;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::files;

/// No command is longer.
const MAX_COMMAND: u64 = 64;
const PATIENCE: Duration = Duration::from_secs(5);

/// Answers one command: `Err` is told to the caller.
pub type Handler = Arc<dyn Fn(&str) -> Result<String> + Send + Sync>;

/// The socket, for as long as this lives. Whoever has it is the daemon: it is taken before anything is set up.
#[derive(Debug)]
pub struct Socket {
    path: PathBuf,
    listener: UnixListener,
}

impl Drop for Socket {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

impl Socket {
    /// Opens the socket. What a crash left behind is replaced.
    ///
    /// # Errors
    /// Another daemon answers there, or the path cannot be bound.
    pub fn bind(path: &Path) -> Result<Self> {
        let place = || format!("the control socket {}", path.display());
        if UnixStream::connect(path).is_ok() {
            bail!("another burstmesh-proxy answers at {}", path.display());
        }
        if let Some(folder) = path.parent() {
            files::private_dir(folder).with_context(place)?;
        }
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(error).with_context(place);
            }
            _ => {}
        }
        let listener = UnixListener::bind(path).with_context(place)?;
        // Members' addresses and rates are nobody else's business.
        std::fs::set_permissions(path, Permissions::from_mode(0o660)).with_context(place)?;
        Ok(Self {
            path: path.to_owned(),
            listener,
        })
    }

    /// Answers on a thread of its own from now on; whoever asked before was kept waiting.
    ///
    /// # Errors
    /// There is no thread to be had.
    pub fn serve(&self, handler: Handler) -> Result<()> {
        let listener = self.listener.try_clone()?;
        thread::Builder::new()
            .name("control".into())
            .spawn(move || {
                for stream in listener.incoming().flatten() {
                    if let Err(error) = answer(&stream, &handler) {
                        tracing::debug!("control socket: {error}");
                    }
                }
            })?;
        Ok(())
    }
}

fn answer(mut stream: &UnixStream, handler: &Handler) -> std::io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut command = String::new();
    BufReader::new(stream.take(MAX_COMMAND)).read_line(&mut command)?;
    match handler(command.trim()) {
        Ok(text) => write!(stream, "ok\n{text}\n"),
        Err(error) => writeln!(stream, "error\n{error:#}"),
    }
}

/// Why a command got no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// Nobody listens there.
    #[error("burstmesh-proxy is not running (nobody answers at {0})")]
    NotRunning(PathBuf),
    #[error("the control socket {0}: {1}")]
    Io(PathBuf, std::io::Error),
    /// The daemon's own words.
    #[error("{0}")]
    Refused(String),
}

/// Asks the running daemon.
///
/// # Errors
/// See [`AskError`].
pub fn ask(path: &Path, command: &str) -> Result<String, AskError> {
    use ErrorKind::{ConnectionRefused, NotFound};
    let io = |error| AskError::Io(path.into(), error);
    let mut stream = UnixStream::connect(path).map_err(|error| match error.kind() {
        NotFound | ConnectionRefused => AskError::NotRunning(path.into()),
        _ => io(error),
    })?;
    stream.set_read_timeout(Some(PATIENCE)).map_err(io)?;
    writeln!(stream, "{command}").map_err(io)?;
    let mut text = String::new();
    stream.read_to_string(&mut text).map_err(io)?;
    match text.split_once('\n') {
        Some(("ok", body)) => Ok(body.trim_end().to_owned()),
        Some((_, reason)) => Err(AskError::Refused(reason.trim_end().to_owned())),
        None => Err(AskError::NotRunning(path.into())),
    }
}
