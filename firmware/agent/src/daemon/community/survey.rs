//! A question of the command line: members are asked one after the other, and what they say is shown as it comes.

use super::compare::Compared;
use super::counted::{self, Counted};
use super::public::Public;
use super::show::Page;
use crate::config::values;
use crate::daemon::status::View;
use burstmesh_control_net::{Failed, Net};
use burstmesh_core::calendar::Day;
use burstmesh_core::identity::NodeId;
use burstmesh_core::ledger::Amount;
use burstmesh_core::time::Instant;
use burstmesh_core::wire::inside::{Item, Question};
use burstmesh_linux::control::{Response, Server};
use heapless::Vec;

/// Most members that are asked.
const MEMBERS: usize = 64;

/// How far a survey is.
pub enum Step {
    /// For a member.
    Waits,
    Went,
    Over,
}

/// A question under way.
pub struct Survey {
    question: Question,
    page: Page,
    members: Vec<NodeId, MEMBERS>,
    /// Members beyond those.
    left_out: u32,
    /// Whose turn it is.
    turn: usize,
    asked: bool,
    compared: Compared,
    /// It told of days.
    told: bool,
    /// What the exit counted of the loan whose turn it is.
    counted: Counted,
    /// Loans that it was asked about; `None` while no exit has told what it counted.
    loans: Option<usize>,
}

impl Survey {
    /// What a line of the command line asks; the inner `None`: nobody, and why is said.
    pub fn of(line: &str, view: &View<'_>, out: &mut Response<'_>) -> Option<Option<Self>> {
        let (line, json) = match line.strip_suffix(" json") {
            Some(line) => (line, true),
            None => (line, false),
        };
        let question = match line {
            "community" => Question::Status,
            "ledger compare" => Question::Ledger,
            line => {
                let text = line.strip_prefix("log ")?;
                let member = values::node(text).ok();
                if member.is_none() {
                    out.write(b"no member's name; write its 16 digits, as 'burstmesh status --community' shows them\n");
                }
                return Some(member.map(|member| {
                    let mut survey = Self::new(Question::Log, json);
                    survey.add(member);
                    survey
                }));
            }
        };
        let mut survey = Self::new(question, json);
        if question == Question::Status {
            survey.add(view.gateway.node_id());
        }
        if let Some(exit) = view.gateway.exit_inside() {
            survey.add(exit);
        }
        for (_, peer) in view.gateway.peers().filter(|(_, p)| p.is_inside()) {
            survey.add(peer.key.node_id());
        }
        Some(Some(survey))
    }

    fn new(question: Question, json: bool) -> Self {
        Self {
            question,
            page: Page::new(json),
            members: Vec::new(),
            left_out: 0,
            turn: 0,
            asked: false,
            compared: Compared::default(),
            told: false,
            counted: Counted::default(),
            loans: None,
        }
    }

    fn add(&mut self, member: NodeId) {
        if !self.members.contains(&member) && self.members.push(member).is_err() {
            self.left_out += 1;
        }
    }

    /// When there is something to do, unless an answer comes.
    pub fn poll_timeout(&self) -> Instant {
        if self.asked {
            Instant::FAR
        } else {
            Instant::ZERO
        }
    }

    /// Goes on as far as it can.
    pub fn go_on<const N: usize>(
        &mut self,
        now: Instant,
        net: &mut Net<N>,
        public: &mut Public<'_>,
        server: &mut Server,
    ) -> Step {
        let mut step = Step::Waits;
        let waits = server.tell_held(|out| step = self.tell(now, net, public, out));
        if waits { step } else { Step::Over }
    }

    fn tell<const N: usize>(
        &mut self,
        now: Instant,
        net: &mut Net<N>,
        public: &mut Public<'_>,
        out: &mut Response<'_>,
    ) -> Step {
        let Some(&member) = self.members.get(self.turn) else {
            if self.question != Question::Log {
                let _ = self.page.end(self.left_out, out);
            }
            return Step::Over;
        };
        if member == public.0.gateway.node_id() {
            let mut cursor = 0;
            while let Some(item) = public.shared(self.question, member, &mut cursor) {
                let _ = self.page.item(member, &item, out);
            }
            self.next(member, "this node", public, out);
            return Step::Went;
        }
        if !self.asked {
            self.asked = true;
            let loan = self
                .loans
                .and_then(|n| counted::loan(&public.0, n.checked_sub(1)?));
            let question = loan.map_or(self.question, |(_, cid)| Question::Paths(cid));
            net.ask(now, member, question);
            return Step::Went;
        }
        match net.poll_answer(now) {
            None => Step::Waits,
            Some(Ok(Item::End)) if self.asks_of_next_loan(public, out) => Step::Went,
            Some(Ok(Item::End)) => {
                self.next(member, "complete", public, out);
                Step::Went
            }
            Some(Ok(item)) => {
                self.hear(member, &item, public, out);
                Step::Went
            }
            Some(Err(Failed)) => {
                let state = match self.page.has_begun() {
                    true => "cut short",
                    false => "does not answer",
                };
                self.next(member, state, public, out);
                Step::Went
            }
        }
    }

    /// Whether the exit is to be asked what it counted of another loan; shows what it said of the one before.
    fn asks_of_next_loan(&mut self, public: &Public<'_>, out: &mut Response<'_>) -> bool {
        let Some(asked) = self.loans else {
            return false;
        };
        let counted = core::mem::take(&mut self.counted);
        // At first it has told of our own paths.
        let last = asked.checked_sub(1);
        if let Some((relay, _)) = last.and_then(|at| counted::loan(&public.0, at)) {
            let _ = counted.show_lent(&public.0, relay, &mut self.page, out);
        }
        let more = counted::loan(&public.0, asked).is_some();
        self.loans = more.then_some(asked + 1);
        self.asked = !more;
        more
    }

    /// A part of an answer.
    fn hear(&mut self, member: NodeId, item: &Item, public: &Public<'_>, out: &mut Response<'_>) {
        match *item {
            Item::Member {
                member, answers, ..
            } => {
                let other = NodeId(member);
                if answers && other != public.0.gateway.node_id() {
                    self.add(other);
                }
            }
            Item::Day {
                day,
                lent,
                borrowed,
            } => {
                self.told = true;
                let accounts = public.0.accounts;
                let amount = |(up, down)| Amount { up, down };
                let (lent, borrowed) = (amount(lent), amount(borrowed));
                self.compared
                    .add(accounts, member, Day(day), lent, borrowed);
            }
            Item::Path { .. } if self.loans.is_some_and(|n| n > 0) => {
                return self.counted.add(item);
            }
            Item::Path { .. } => {
                self.loans = Some(0);
                let _ = counted::show_own(&public.0, item, &mut self.page, out);
                return;
            }
            _ => {}
        }
        let _ = self.page.item(member, item, out);
    }

    /// The next member.
    fn next(&mut self, member: NodeId, state: &str, public: &Public<'_>, out: &mut Response<'_>) {
        (self.turn, self.asked, self.loans) = (self.turn + 1, false, None);
        if self.question == Question::Log && state == "complete" {
            return;
        }
        let _ = self.page.begin(member, out);
        let compared = core::mem::take(&mut self.compared);
        let told = core::mem::take(&mut self.told);
        if self.question == Question::Ledger && state == "complete" && told {
            let accounts = public.0.accounts;
            let _ = compared.show(accounts, member, self.page.is_json(), out);
        }
        let _ = self.page.close(state, out);
    }
}
