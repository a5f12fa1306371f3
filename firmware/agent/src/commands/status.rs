//! `burstmesh status`, `log`, `ledger`, `pause` and `resume`: ask the running agent.

use crate::cli::{Exit, Form};
use burstmesh_core::calendar::Day;
use burstmesh_linux::control;
use burstmesh_linux::process::Output;
use core::fmt::Write;

/// What the agent is asked for the ledger.
pub(super) fn ledger_question(form: Form, forget: Option<Day>) -> heapless::String<24> {
    let mut question = heapless::String::new();
    let _ = match (forget, form) {
        (Some(day), _) => write!(question, "ledger forget {}", day.0),
        (None, Form::Table) => write!(question, "ledger"),
        (None, Form::Json) => write!(question, "ledger json"),
        (None, Form::Csv) => write!(question, "ledger csv"),
    };
    question
}

/// What the agent is told for a pause.
pub(super) fn pause_question(minutes: u16) -> heapless::String<16> {
    let mut question = heapless::String::new();
    let _ = write!(question, "pause {minutes}");
    question
}

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
