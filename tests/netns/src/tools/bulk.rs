//! Bulk flows of kernel TCP, or multipath TCP, between two namespaces: what each receiver got in a stretch of time.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddrV4, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread::{Scope, sleep};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use crate::lab::Lab;
use crate::sys;

/// Where the server listens.
const PORT: u16 = 5300;
/// A receiver may have to wait so long for its connection.
const PATIENCE: Duration = Duration::from_secs(10);

/// What runs.
#[derive(Debug, Clone, Copy)]
pub struct Bulk {
    /// Multipath TCP instead of TCP.
    pub multipath: bool,
    /// Congestion control, as the kernel calls it.
    pub congestion: &'static str,
    /// Flows at once.
    pub flows: usize,
    /// The server sends.
    pub down: bool,
    /// Not counted.
    pub start: Duration,
    /// Counted.
    pub length: Duration,
}

impl Bulk {
    /// Runs the flows between `client` and `server`, reached at `address`; payload bits per second of each.
    pub fn run(
        &self,
        lab: &Lab,
        client: &str,
        server: &str,
        address: Ipv4Addr,
    ) -> Result<Vec<f64>> {
        let (multipath, congestion) = (self.multipath, self.congestion);
        let listener = lab.ns(server).inside(move || {
            let socket = sys::stream_socket(multipath, congestion)?;
            sys::listen(&socket, PORT)?;
            Ok(TcpListener::from(socket))
        })?;
        let mut ends = Vec::new();
        for _ in 0..self.flows {
            let near = lab.ns(client).inside(move || {
                let socket = sys::stream_socket(multipath, congestion)?;
                sys::connect(&socket, SocketAddrV4::new(address, PORT)).context("connect")?;
                Ok(TcpStream::from(socket))
            })?;
            let (far, _) = listener.accept()?;
            ends.push(if self.down { (far, near) } else { (near, far) });
        }
        self.watch(&ends)
    }

    fn watch(&self, ends: &[(TcpStream, TcpStream)]) -> Result<Vec<f64>> {
        let counters: Vec<AtomicU64> = ends.iter().map(|_| AtomicU64::new(0)).collect();
        std::thread::scope(|scope| {
            for ((sender, receiver), counter) in ends.iter().zip(&counters) {
                receiver.set_read_timeout(Some(PATIENCE))?;
                send(scope, sender);
                receive(scope, receiver, counter);
            }
            let read = || counters.iter().map(|c| c.load(Relaxed)).collect::<Vec<_>>();
            sleep(self.start);
            let (begun, before) = (Instant::now(), read());
            sleep(self.length);
            let (seconds, after) = (begun.elapsed().as_secs_f64(), read());
            // Both ends of both: whoever is in a call comes back from it.
            for (sender, receiver) in ends {
                let _ = (
                    sender.shutdown(Shutdown::Both),
                    receiver.shutdown(Shutdown::Both),
                );
            }
            let got = before.iter().zip(&after).map(|(b, a)| a - b);
            let rates: Vec<f64> = got.map(|bytes| bytes as f64 * 8.0 / seconds).collect();
            ensure!(after.iter().any(|bytes| *bytes > 0), "nothing arrived");
            Ok(rates)
        })
    }
}

fn send<'s>(scope: &'s Scope<'s, '_>, mut sender: &'s TcpStream) {
    let data = vec![0u8; 64 << 10];
    scope.spawn(move || while sender.write_all(&data).is_ok() {});
}

fn receive<'s>(scope: &'s Scope<'s, '_>, mut receiver: &'s TcpStream, counter: &'s AtomicU64) {
    let mut data = vec![0u8; 256 << 10];
    scope.spawn(move || {
        while let Ok(got) = receiver.read(&mut data)
            && got > 0
        {
            counter.fetch_add(got as u64, Relaxed);
        }
    });
}

/// Jain's fairness of rates: 1 when all are equal, 1 / n when one has everything; 0 when nobody has anything.
pub fn jain(rates: &[f64]) -> f64 {
    let (sum, squares): (f64, f64) = (rates.iter().sum(), rates.iter().map(|r| r * r).sum());
    if squares > 0.0 {
        sum * sum / (rates.len() as f64 * squares)
    } else {
        0.0
    }
}
