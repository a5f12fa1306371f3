//! Round trips of single datagrams at irregular times. `ping` sends a whole number of milliseconds after it was answered: beside a tunnel
//! that works in rounds it keeps in step with them, and finds by chance always the shortest or always the longest wait.

use std::io::Result as IoResult;
use std::net::{Ipv4Addr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};

use crate::emulator::rng::Rng;
use crate::{Lab, sys};

const PORT: u16 = 7;
/// What a ping carries.
const PAYLOAD: usize = 56;
/// Between two of them, microseconds: so many, and up to so many more.
const GAP: (u64, u64) = (20_000, 20_000);
const PATIENCE: Duration = Duration::from_millis(200);

/// Asks until it is stopped.
pub struct Echo {
    stop: Arc<AtomicBool>,
    asks: JoinHandle<IoResult<Vec<f64>>>,
    answers: JoinHandle<IoResult<()>>,
}

impl Echo {
    /// From `client` to `server`, which has the address `to`.
    pub fn start(lab: &Lab, client: &str, server: &str, to: Ipv4Addr) -> Result<Self> {
        let open = |ns: &str, port| {
            lab.ns(ns).inside(|| {
                let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port))?;
                socket.set_read_timeout(Some(PATIENCE))?;
                Ok(socket)
            })
        };
        let (near, far) = (open(client, 0)?, open(server, PORT)?);
        near.connect((to, PORT))?;
        let stop = Arc::new(AtomicBool::new(false));
        let (for_near, for_far) = (Arc::clone(&stop), Arc::clone(&stop));
        Ok(Self {
            stop,
            asks: thread::spawn(move || ask(&near, &for_near)),
            answers: thread::spawn(move || answer(&far, &for_far)),
        })
    }

    /// The median round trip in milliseconds of what was answered.
    pub fn stop(self) -> Result<f64> {
        self.stop.store(true, Relaxed);
        let died = |_| anyhow!("a thread that counts round trips died");
        let mut times = self.asks.join().map_err(died)??;
        self.answers.join().map_err(died)??;
        times.sort_by(f64::total_cmp);
        let middle = times.get(times.len() / 2).copied();
        middle.ok_or_else(|| anyhow!("nothing came back"))
    }
}

fn ask(socket: &UdpSocket, stop: &AtomicBool) -> IoResult<Vec<f64>> {
    sys::prefer_this_thread();
    let (mut rng, mut times) = (Rng::new(1, 0), Vec::new());
    let mut room = [0; PAYLOAD];
    while !stop.load(Relaxed) {
        thread::sleep(Duration::from_micros(GAP.0 + rng.next() % GAP.1));
        let (mut question, begun) = ([0; PAYLOAD], Instant::now());
        question[..8].copy_from_slice(&rng.next().to_ne_bytes());
        socket.send(&question)?;
        // A late answer to an earlier one is none to this.
        while socket.recv(&mut room).is_ok() {
            if room == question {
                times.push(begun.elapsed().as_secs_f64() * 1e3);
                break;
            }
        }
    }
    Ok(times)
}

fn answer(socket: &UdpSocket, stop: &AtomicBool) -> IoResult<()> {
    sys::prefer_this_thread();
    let mut room = [0; PAYLOAD];
    while !stop.load(Relaxed) {
        if let Ok((len, from)) = socket.recv_from(&mut room) {
            socket.send_to(room.get(..len).unwrap_or_default(), from)?;
        }
    }
    Ok(())
}
