//! `burstmesh status`, `log`, `ledger`, `pause`, `resume`, `refuse` and `accept`: ask the running agent.

use crate::cli::{Exit, Form};
use burstmesh_core::calendar::Day;
use burstmesh_core::identity::NodeId;
use burstmesh_linux::control;
use burstmesh_linux::process::Output;
use core::fmt::Write;

/// What the agent is asked for the ledger.
pub(super) fn ledger_question(
    form: Form,
    forget: Option<Day>,
    compare: bool,
) -> heapless::String<24> {
    let mut question = heapless::String::new();
    let _ = match (forget, form) {
        (Some(day), _) => write!(question, "ledger forget {}", day.0),
        (None, Form::Json) if compare => write!(question, "ledger compare json"),
        (None, _) if compare => write!(question, "ledger compare"),
        (None, Form::Table) => write!(question, "ledger"),
        (None, Form::Json) => write!(question, "ledger json"),
        (None, Form::Csv) => write!(question, "ledger csv"),
    };
    question
}

/// What the agent is asked for a log: its own, or a member's. What is no member's name is left to it to say.
pub(super) fn log_question(member: Option<&str>) -> heapless::String<24> {
    let mut question = heapless::String::new();
    let name = member.map(|name| name.get(..20).unwrap_or(name));
    let _ = question.push_str("log");
    if let Some(name) = name {
        let _ = question.push(' ');
        let _ = question.push_str(name);
    }
    question
}

/// What the agent is told for a pause.
pub(super) fn pause_question(minutes: u16) -> heapless::String<16> {
    let mut question = heapless::String::new();
    let _ = write!(question, "pause {minutes}");
    question
}

/// What the agent is told of a member that is refused, be it for some minutes, or no more.
pub(super) fn refusal(refused: bool, node: NodeId, minutes: Option<u16>) -> heapless::String<32> {
    let mut question = heapless::String::new();
    let word = if refused { "refuse" } else { "accept" };
    let _ = write!(question, "{word} {node}");
    if let Some(minutes) = minutes {
        let _ = write!(question, " {minutes}");
    }
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
