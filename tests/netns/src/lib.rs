//! The namespace lab: real daemons and real kernel TCP over emulated lines, from a topology written as data.
//!
//! ```no_run
//! use std::time::Duration;
//! use burstmesh_netns::emulator::Way;
//! use burstmesh_netns::tools::{http::HttpServer, transfer};
//! use burstmesh_netns::{Lab, Topology};
//!
//! # fn main() -> anyhow::Result<()> {
//! let lab = Lab::up(&Topology::builtin("three-homes")?)?;
//! let web = lab.link("web")?;
//! let server = HttpServer::start(&lab, "web", 80)?;
//! let url = server.publish("file", 100_000_000, web.v4)?;
//!
//! // A daemon of ours: found where cargo built it, killed when the handle is dropped.
//! let config = lab.ns("gw1").dir().join("burstmesh.uci");
//! let agent = lab.daemon("gw1", "burstmesh", &["run", "--config", &config.display().to_string()])?;
//!
//! let running = transfer::start_download(&lab, "c1", &url, Duration::from_secs(20))?;
//! std::thread::sleep(Duration::from_secs(8));
//! lab.line("gw2").silent()?;
//! let result = running.finish()?;
//! println!("gap {:?}, agent {:?}", result.longest_gap, agent.usage()?);
//! println!("line 1 carried {} bytes down", lab.line("gw1").traffic(Way::Down).delivered.bytes);
//! # Ok(())
//! # }
//! ```
//!
//! Where to look: `topology` (what there is), `topology::plan` (who has which address), `lab` (building and reaching
//! it), `emulator` (lines and mesh), `tools` (curl, nginx, iperf3, ping, tcpdump), `canary` (was the machine quiet).
//!
//! Namespaces are called `bm<pid>-<run>-<name>`; look inside one with `ip netns exec`. Programs run with a `/run`
//! and an `/etc/resolv.conf` of their own. A home's gateway has `lan0`, `wan0`, `mesh0`; everyone else `eth0`. Labs
//! of one machine take turns, in whatever number of threads tests run. What dead runs left is removed by the next.

pub mod canary;
pub mod community;
pub mod daemon;
pub mod emulator;
pub mod exit;
pub mod lab;
pub mod namespace;
pub mod packages;
pub mod root;
mod sys;
pub mod tools;
pub mod topology;
pub mod units;

pub use daemon::{Daemon, Usage};
pub use lab::Lab;
pub use namespace::Namespace;
pub use topology::{LineSpec, Topology};
