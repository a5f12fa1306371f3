//! The help texts. Paths and defaults in them are compared with the constants by tests.

pub(super) const ALL: &str = "\
burstmesh: the router agent that pools the neighbourhood's Internet lines

Usage: burstmesh COMMAND [OPTIONS]

Commands:
  run        run the agent in the foreground (the service does this)
  status     show uplinks, members, paths and flows of the running agent
  log        show the last lines of the running agent's log
  ledger     show who used how much of which uplink, by day
  pause      lend and borrow nothing for a while; clients use the own line
  resume     end a pause
  refuse     share no line with one member any more, from now on
  accept     share with it again
  check      say what is wrong with a configuration, and how to mend it
  keygen     make this gateway's private key, or a community's secret
  pubkey     show the public key that belongs to a private one
  limits     show the capacities and the fixed memory of this build
  help       help about a command, or 'help config': every option of the file

Options:
  -h, --help       this text; behind a command, help about that command
  -V, --version    the version

Exit codes:
  0  done                          1  failed at run time
  2  bad usage or configuration    3  the agent is not running

Example: what does the pool do, right now?
  burstmesh status
";

pub(super) const RUN: &str = "\
Runs the agent in the foreground until SIGTERM. SIGHUP reads the configuration
again.

Usage: burstmesh run [-c FILE] [--socket PATH] [--ubus PATH]

Options:
  -c, --config FILE    the configuration (default /etc/config/burstmesh)
  -s, --socket PATH    the control socket
                       (default /var/run/burstmesh/control.sock)
      --ubus PATH      OpenWrt's bus, where there is one
                       (default /var/run/ubus/ubus.sock)

A bad configuration is told as FILE:LINE: WHAT; HOW TO MEND IT, with exit
code 2; nothing is set up then.

Example:
  burstmesh run -c /tmp/try.conf --socket /tmp/try.sock
";

pub(super) const STATUS: &str = "\
Shows what the running agent does: its state in one sentence, uplinks, paths,
neighbours, flows, and what was refused.

Usage: burstmesh status [--community] [--json] [--socket PATH]

Options:
      --community      of all members of the community: they are asked one after
                       the other, and one that is silent for 3 s is shown so
  -j, --json           for programs
  -s, --socket PATH    the control socket
                       (default /var/run/burstmesh/control.sock)

Exit code 3 means that the agent is not running.

Example:
  burstmesh status --json
";

pub(super) const LOG: &str = "\
Shows the last lines of the running agent's log: 4 KB of it stay in memory,
whatever the system's log keeps. For older ones: logread -e burstmesh
A build with defmt gives frames: cargo xtask log, or defmt-print, reads them.

Usage: burstmesh log [--member ID] [--socket PATH]

Options:
      --member ID      that of another member, if its owner shares it (option
                       share_log); names are in: burstmesh status --community
  -s, --socket PATH    the control socket
                       (default /var/run/burstmesh/control.sock)

Exit code 3 means that the agent is not running.

Example:
  burstmesh log | tail -n 20
";

pub(super) const LEDGER: &str = "\
Shows by day how much the household used of each uplink, how much was lent to
whom, and what was borrowed from whom.

Usage: burstmesh ledger [--json | --csv] [--socket PATH]
       burstmesh ledger --compare [--json] [--socket PATH]
       burstmesh ledger --forget DAY [--socket PATH]

Options:
  -j, --json           for programs
      --csv            for spreadsheets
      --compare        beside what the ledgers of the other members say of the
                       same days, and how far they are apart
      --forget DAY     forget this day (such as 2026-11-25) and all before it
  -s, --socket PATH    the control socket
                       (default /var/run/burstmesh/control.sock)

What is lent and borrowed is counted in IP packets, the household's use at the
interface. Kept beside the private key, written every hour and at a stop. Where
there is no room for more, old days lose their members first and go later.
Exit code 3 means that the agent is not running.

Example:
  burstmesh ledger --csv > /tmp/ledger.csv
";

pub(super) const PAUSE: &str = "\
Lends and borrows nothing for a while, from now on: neighbours' traffic stops,
and this house's goes over its own line. It ends by itself, when the agent
starts again, or by 'burstmesh resume'.

Usage: burstmesh pause [MINUTES] [--socket PATH]

Options:
  MINUTES              1 to 1440 (default 60)
  -s, --socket PATH    the control socket
                       (default /var/run/burstmesh/control.sock)

Pooled connections of the clients end, as when the exit goes away.
Exit code 3 means that the agent is not running.

Example:
  burstmesh pause 90
";

pub(super) const RESUME: &str = "\
Ends a pause: lends and borrows again.

Usage: burstmesh resume [--socket PATH]

Options:
  -s, --socket PATH    the control socket
                       (default /var/run/burstmesh/control.sock)

Exit code 3 means that the agent is not running.

Example:
  burstmesh resume
";

pub(super) const REFUSE: &str = "\
Ends at once what a member uses of this house's lines, and what this house uses
of his. Everybody else is as before.

Usage: burstmesh refuse NODE [MINUTES] [--socket PATH]

Options:
  NODE                 the neighbour's 16 digits, as burstmesh status shows them
  MINUTES              1 to 1440 (default: until accepted, or the next start)
  -s, --socket PATH    the control socket

For good: list refuse in the community section of the configuration.

Example:
  burstmesh refuse a0a1a2a3a4a5a6a7 60
";

pub(super) const ACCEPT: &str = "\
Ends a refusal; one of the configuration's until the next start.

Usage: burstmesh accept NODE [--socket PATH]

Example:
  burstmesh accept a0a1a2a3a4a5a6a7
";

pub(super) const CHECK: &str = "\
Says everything that is wrong with a configuration, as FILE:LINE: WHAT; HOW TO
MEND IT. Changes nothing.

Usage: burstmesh check [-c FILE] [--json]

Options:
  -c, --config FILE    the configuration (default /etc/config/burstmesh)
  -j, --json           for programs

Exit code 0: the agent would run with it. Exit code 2: it would not.

Example:
  burstmesh check && /etc/init.d/burstmesh reload
";

pub(super) const KEYGEN: &str = "\
Makes a private key for this gateway, or what a new community begins with, and
prints it.

Usage: burstmesh keygen [--secret | --invitation NAME] [-o FILE]

Options:
      --secret         a community's secret instead of a private key
      --invitation NAME
                       an invitation to a new community of this name, without
                       an exit: for every router of it, this one too
  -o, --output FILE    write it to a new file that only its owner can read,
                       never over an existing one; of a private key the public
                       one is printed instead

The agent makes its own key at the first start. By hand this is only needed to
found a community. One with an exit is founded there: burstmesh-proxy community
add.

Example:
  burstmesh keygen --invitation 'Elm Street'
";

pub(super) const PUBKEY: &str = "\
Shows the public key that belongs to a private one: this gateway's identity, to
tell others.

Usage: burstmesh pubkey [-c FILE] [KEYFILE]

Options:
  -c, --config FILE    take the key file that this configuration names
                       (default /etc/config/burstmesh)

Example:
  burstmesh pubkey /etc/burstmesh/key
";

pub(super) const LIMITS: &str = "\
Shows how many of everything this build has room for, what each costs in
memory, and the sum, which never grows.

Usage: burstmesh limits [--json]

Options:
  -j, --json    for programs

Example:
  burstmesh limits
";
