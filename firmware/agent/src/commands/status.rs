//! `burstmesh status` and `burstmesh log`: ask the running agent.

use crate::cli::Exit;
use burstmesh_linux::control;
use burstmesh_linux::process::Output;
use core::fmt::Write;

pub(super) fn ask(socket: &str, question: &str) -> Exit {
    match control::request(socket, question, &mut |bytes| Output::Standard.write(bytes)) {
        Ok(()) => Exit::Success,
        Err(error) => {
            let _ = writeln!(
                Output::Error,
                "burstmesh: the agent does not answer at {socket} ({error}); is it running? See the log, or start it with: burstmesh run"
            );
            Exit::NotRunning
        }
    }
}
