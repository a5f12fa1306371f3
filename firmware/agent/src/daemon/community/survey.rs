//! A question of the command line: members are asked one after the other, and what they say is shown as it comes.

use super::compare::Compared;
use super::counted::{self, Counted, Loan};
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
use core::fmt::Write;
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
    /// That loan; none while the exit tells of our own paths.
    loan: Option<Loan>,
    /// The place from which on loans have not had their turn; `None` while no exit has told what it counted.
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
            loan: None,
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
            let about = |loan: Loan| Question::Paths(loan.cid);
            let question = self.loan.map_or(self.question, about);
            net.ask(now, member, question);
            return Step::Went;
        }
        match net.poll_answer(now) {
            None => Step::Waits,
            Some(Ok(Item::End)) if self.asks_of_next_loan(member, public, out) => Step::Went,
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

    /// What it says of paths counts: it is the exit in use, and our ledger is compared. Nobody else is to learn of our loans.
    fn counts_paths(&self, member: NodeId, exit: Option<NodeId>) -> bool {
        self.question == Question::Ledger && exit == Some(member)
    }

    /// Whether the exit is to be asked what it counted of another loan; shows what it said of the one before.
    fn asks_of_next_loan(
        &mut self,
        member: NodeId,
        public: &Public<'_>,
        out: &mut Response<'_>,
    ) -> bool {
        let view = &public.0;
        let counted = core::mem::take(&mut self.counted);
        let loans = counted::loans(view);
        if let Some(relay) = self.take_next_loan(member, view.gateway.exit_inside(), loans) {
            let _ = counted.show_lent(view, relay, &mut self.page, out);
        }
        self.loan.is_some()
    }

    /// The next loan's turn; gives the one before, if we still lend it.
    fn take_next_loan<T>(
        &mut self,
        member: NodeId,
        exit: Option<NodeId>,
        loans: impl Iterator<Item = (usize, Loan, T)>,
    ) -> Option<T> {
        let from = self.loans.filter(|_| self.counts_paths(member, exit));
        let (mut before, mut next) = (None, None);
        for (at, loan, lent) in loans {
            if self.loan == Some(loan) {
                before = from.map(|_| lent);
            } else if next.is_none() && from.is_some_and(|from| at >= from) {
                next = Some((at, loan));
            }
        }
        self.loan = next.map(|(_, loan)| loan);
        self.loans = next.map(|(at, _)| at + 1);
        self.asked = next.is_none();
        before
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
            Item::Path { .. } => {
                if self.hear_of_path(member, item, public.0.gateway.exit_inside(), out) {
                    let _ = counted::show_own(&public.0, item, &mut self.page, out);
                }
                return;
            }
            // Nobody was asked for it: as text it would stand in the midst of anything.
            Item::Log(_) if self.question != Question::Log => return,
            _ => {}
        }
        let _ = self.page.item(member, item, out);
    }

    /// What somebody says of a path; true: it is the exit, about one of our own.
    fn hear_of_path(
        &mut self,
        member: NodeId,
        item: &Item,
        exit: Option<NodeId>,
        out: &mut dyn Write,
    ) -> bool {
        if !self.counts_paths(member, exit) {
            return false;
        }
        if self.loan.is_some() {
            self.counted.add(item);
            return false;
        }
        self.loans = Some(0);
        let _ = self.page.begin(member, out);
        true
    }

    /// The next member's turn, whom nothing was asked yet.
    fn turn_to_next(&mut self) {
        (self.turn, self.asked) = (self.turn + 1, false);
        (self.loan, self.loans, self.counted) = (None, None, Counted::default());
    }

    /// The next member.
    fn next(&mut self, member: NodeId, state: &str, public: &Public<'_>, out: &mut Response<'_>) {
        self.turn_to_next();
        if self.question == Question::Log && state == "complete" {
            return;
        }
        let _ = self.page.begin(member, out);
        let compared = core::mem::take(&mut self.compared);
        let told = core::mem::take(&mut self.told);
        if self.question == Question::Ledger && state == "complete" && told {
            let accounts = public.0.accounts;
            let _ = self.page.open("", out);
            let _ = compared.show(accounts, member, self.page.is_json(), out);
        }
        let _ = self.page.close(state, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXIT: NodeId = NodeId([1; 8]);
    const OTHER: NodeId = NodeId([2; 8]);
    const PATH: Item = Item::Path {
        id: 1,
        seconds: 60,
        bytes: (10, 20),
        lost: (0, 0),
    };
    type Lent = (usize, Loan, &'static str);

    fn lent(place: usize, id: u32, what: &'static str) -> Lent {
        (place, Loan { id, cid: 100 + id }, what)
    }

    /// A survey that the exit has told of a path of ours.
    fn told() -> Survey {
        let mut survey = Survey::new(Question::Ledger, true);
        assert!(survey.hear_of_path(EXIT, &PATH, Some(EXIT), &mut String::new()));
        survey
    }

    /// The exit has told all; gives the loan that is shown, and the connection ID it is asked about next.
    fn told_all(survey: &mut Survey, loans: &[Lent]) -> (Option<&'static str>, Option<u32>) {
        survey.counted = Counted::default();
        let shown = survey.take_next_loan(EXIT, Some(EXIT), loans.iter().copied());
        assert_eq!(survey.asked, survey.loan.is_none());
        (shown, survey.loan.map(|loan| loan.cid))
    }

    #[test]
    fn paths_count_from_the_exit_in_use_alone_and_when_ledgers_are_compared() {
        let cases = [
            (Question::Ledger, OTHER, Some(EXIT)),
            (Question::Ledger, OTHER, None),
            (Question::Status, EXIT, Some(EXIT)),
            (Question::Log, EXIT, Some(EXIT)),
        ];
        for (question, member, exit) in cases {
            let (mut survey, mut out) = (Survey::new(question, true), String::new());
            assert!(!survey.hear_of_path(member, &PATH, exit, &mut out));
            // Who forges a row is asked about no loan.
            let loans = [lent(0, 7, "a")].into_iter();
            assert_eq!(survey.take_next_loan(member, exit, loans), None);
            assert_eq!((survey.loan, out.as_str()), (None, ""), "{question:?}");
        }
    }

    #[test]
    fn an_exit_that_is_not_in_use_any_more_is_asked_about_no_other_loan() {
        let (mut survey, loans) = (told(), [lent(0, 7, "a"), lent(1, 8, "b")]);
        assert_eq!(told_all(&mut survey, &loans), (None, Some(107)));
        let shown = survey.take_next_loan(EXIT, Some(OTHER), loans.into_iter());
        assert_eq!((shown, survey.loan), (None, None));
    }

    #[test]
    fn a_path_that_comes_first_begins_the_member() {
        let (mut survey, mut out) = (Survey::new(Question::Ledger, true), String::new());
        assert!(survey.hear_of_path(EXIT, &PATH, Some(EXIT), &mut out));
        survey.page.open("exit_paths", &mut out).unwrap();
        survey.page.close("complete", &mut out).unwrap();
        survey.page.end(0, &mut out).unwrap();
        let all = "{\"members\":[{\"node\":\"0101010101010101\",\"exit_paths\":[],\"state\":\"complete\"}],\"left_out\":0}\n";
        assert_eq!(out, all);
    }

    #[test]
    fn a_loan_is_found_again_wherever_it_is_and_nothing_is_shown_for_one_that_is_gone() {
        let mut survey = told();
        // The second is towards another exit.
        let [a, b, c] = [lent(0, 7, "a"), lent(2, 8, "b"), lent(3, 9, "c")];
        assert_eq!(told_all(&mut survey, &[a, b, c]), (None, Some(107)));
        // Lapsed meanwhile.
        assert_eq!(told_all(&mut survey, &[b, c]), (None, Some(108)));
        // Its place is another one; so is the third's, which has missed its turn: places only go up, and so there is an end.
        let moved = [lent(0, 9, "c"), lent(3, 8, "b"), lent(4, 6, "d")];
        assert_eq!(told_all(&mut survey, &moved), (Some("b"), Some(106)));
        // Asked for anew: another name, under the same connection ID.
        let anew = (4, Loan { id: 5, cid: 106 }, "d");
        assert_eq!(told_all(&mut survey, &[anew]), (None, None));
    }

    #[test]
    fn what_an_answer_that_was_cut_short_said_is_not_counted_for_the_next() {
        let (mut survey, loans) = (told(), [lent(0, 7, "a")]);
        assert_eq!(told_all(&mut survey, &loans), (None, Some(107)));
        assert!(!survey.hear_of_path(EXIT, &PATH, Some(EXIT), &mut String::new()));
        assert_ne!(survey.counted, Counted::default());
        survey.turn_to_next();
        assert_eq!(survey.counted, Counted::default());
        assert_eq!((survey.loan, survey.loans), (None, None));
    }
}
