//! All capacities of the agent, and what each costs. Chosen at build time by a feature: `tiny` for routers with 64 MB of
//! memory, nothing (small) for 128 MB, `large` for 256 MB and more.

use burstmesh_core::data::coalesce::Coalescer;
use burstmesh_core::data::pool::{Block, Slot};
use burstmesh_core::data::queue::TxFlow;
use burstmesh_core::data::resequence::RxFlow;
use burstmesh_core::ledger::Ledger;
use burstmesh_core::ledger::slots::SLOT;
use burstmesh_core::node::gateway::Gateway;
use burstmesh_core::usage::Usage;
use burstmesh_core::wire::control::MAX_UPLINKS;
use burstmesh_linux::udp::RecvBatch;
use core::mem::size_of;

/// The name of the profile that this build has.
pub const PROFILE: &str = if cfg!(feature = "large") {
    "large"
} else if cfg!(feature = "tiny") {
    "tiny"
} else {
    "small"
};

/// Blocks of packet memory (256 bytes each; a full packet takes six).
pub const BLOCKS: usize = pick(3_000, 3_900, 32_000);
/// Packets held at a time.
pub const SLOTS: usize = pick(2_000, 3_000, 16_000);
/// Flows sent at a time.
pub const TX_FLOWS: usize = pick(256, 512, 2_048);
/// Flows received at a time.
pub const RX_FLOWS: usize = pick(256, 400, 2_048);
/// Bytes of a run of datagrams being sent: what fits a first-level cache of 32 KB with room for the rest.
pub const SEND_BUFFER: usize = 24 * 1024;
/// Glued datagrams received in one system call. Two: when one comes, no second call asks whether there are more.
pub const RECV_SLOTS: usize = 2;
/// Room for each: the kernel glues up to 64 KB, and a large segment from the TUN is as long.
pub const RECV_BYTES: usize = 64 * 1024;
/// Flows whose packets are glued at a time on their way to the clients.
pub const GLUE_FLOWS: usize = pick(3, 4, 8);
/// Bytes of each glued segment.
pub const GLUE_BYTES: usize = pick(16, 24, 64) * 1024;

/// Rows of the ledger: with a dozen members ten days by member, and months by uplink.
pub const LEDGER_ROWS: usize = 256;

/// Most static memory that the profile may take, in bytes.
pub const BUDGET: usize = pick(2_500_000, 3_500_000, 16_000_000);

const fn pick(tiny: usize, small: usize, large: usize) -> usize {
    if cfg!(feature = "large") {
        large
    } else if cfg!(feature = "tiny") {
        tiny
    } else {
        small
    }
}

/// One line of the table.
#[derive(Clone, Copy, Debug)]
pub struct Line {
    /// What it is.
    pub what: &'static str,
    /// How many.
    pub count: usize,
    /// Bytes of one.
    pub each: usize,
}

/// Everything static, largest parts by name.
pub const TABLE: [Line; 9] = [
    Line {
        what: "packet blocks",
        count: BLOCKS,
        each: size_of::<Block>(),
    },
    Line {
        what: "packets held",
        count: SLOTS,
        each: size_of::<Slot>(),
    },
    Line {
        what: "flows sent",
        count: TX_FLOWS,
        each: size_of::<TxFlow>(),
    },
    Line {
        what: "flows received",
        count: RX_FLOWS,
        each: size_of::<RxFlow>(),
    },
    Line {
        what: "gateway (neighbours, paths)",
        count: 1,
        each: size_of::<Gateway<'static>>(),
    },
    Line {
        what: "buffers",
        count: 1,
        each: SEND_BUFFER
            + size_of::<RecvBatch<RECV_SLOTS, RECV_BYTES>>()
            + size_of::<Coalescer<GLUE_FLOWS, GLUE_BYTES>>(),
    },
    Line {
        what: "ledger, habits",
        count: 1,
        each: size_of::<Ledger<LEDGER_ROWS>>() + SLOT + MAX_UPLINKS * size_of::<Usage>(),
    },
    Line {
        what: "control network",
        count: 1,
        each: crate::daemon::CONTROL_NET,
    },
    Line {
        what: "log",
        count: 1,
        each: burstmesh_linux::log::KEPT,
    },
];

/// Sum of the table in bytes.
pub const fn total() -> usize {
    let (mut sum, mut i) = (0, 0);
    while i < TABLE.len() {
        sum += TABLE[i].count * TABLE[i].each;
        i += 1;
    }
    sum
}

// The build ends here where a profile outgrows its budget, with the table as its message.
const _: () = assert!(total() <= BUDGET, "{}", OVER_BUDGET.as_str());

const OVER_BUDGET: Page = Page::over_budget();

/// A text made by the compiler.
struct Page {
    text: [u8; 512],
    used: usize,
}

impl Page {
    const fn over_budget() -> Self {
        let mut page = Self {
            text: [b' '; 512],
            used: 0,
        };
        page.word("static memory is over the profile's budget; count x bytes:\n");
        let mut i = 0;
        while i < TABLE.len() {
            page.number(TABLE[i].count);
            page.word(" x ");
            page.number(TABLE[i].each);
            page.word("  ");
            page.word(TABLE[i].what);
            page.word("\n");
            i += 1;
        }
        page.number(total());
        page.word(" in all, and the budget is ");
        page.number(BUDGET);
        page
    }

    const fn word(&mut self, word: &str) {
        let mut i = 0;
        while i < word.len() {
            self.text[self.used] = word.as_bytes()[i];
            self.used += 1;
            i += 1;
        }
    }

    const fn number(&mut self, number: usize) {
        if number >= 10 {
            self.number(number / 10);
        }
        self.text[self.used] = b'0' + (number % 10) as u8;
        self.used += 1;
    }

    const fn as_str(&self) -> &str {
        match core::str::from_utf8(self.text.split_at(self.used).0) {
            Ok(text) => text,
            Err(_) => "static memory is over the profile's budget",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_of_a_build_over_budget_has_the_whole_table() {
        let text = Page::over_budget();
        let text = text.as_str();
        for line in &TABLE {
            let row = format!("{} x {}  {}\n", line.count, line.each, line.what);
            assert!(text.contains(&row), "{text}");
        }
        assert!(text.ends_with(&format!("{} in all, and the budget is {BUDGET}", total())));
    }
}
