//! What a packet costs where it crosses into the kernel and back, system calls and the kernel's own part included: read from the
//! tunnel device and cut, sent, received, glued and written. As root, in a network namespace of its own.

use crate::{BATCH, PACKET, ROUNDS, packet};
use burstmesh_core::data::coalesce::Coalescer;
use burstmesh_core::data::segment::{Cut, Offload, complete};
use burstmesh_core::wire::checksum::Sum;
use burstmesh_linux::tun::Tun;
use burstmesh_linux::udp::{Options, RecvBatch, UdpSocket};
use std::error::Error;
use std::hint::black_box;
use std::net::SocketAddr;
use std::process::Command;
use std::time::{Duration, Instant};

/// Bytes of a datagram with a sealed packet in it.
const DATAGRAM: usize = 1400;
/// Bytes in front of the payload: IPv4, and TCP with timestamps.
const HEADERS: usize = 52;

/// Nanoseconds for each packet.
pub struct Costs {
    pub read: f64,
    pub write: f64,
    pub send: f64,
    pub receive: f64,
}

/// Measures all four. The calling thread is in another network namespace afterwards.
pub fn measure() -> Result<Costs, Box<dyn Error>> {
    // SAFETY: a plain integer; moves this thread alone, and with it the programs that it starts.
    if unsafe { libc::unshare(libc::CLONE_NEWNET) } != 0 {
        return Err(format!("a namespace: {}", std::io::Error::last_os_error()).into());
    }
    let (near, far) = (Tun::open("bench0")?, Tun::open("bench1")?);
    for (device, address) in [("bench0", "10.77.1.1/24"), ("bench1", "10.77.2.1/24")] {
        ip(&["address", "add", address, "dev", device])?;
        ip(&["link", "set", device, "up"])?;
    }
    ip(&["link", "set", "lo", "up"])?;
    std::fs::write("/proc/sys/net/ipv4/ip_forward", "1")?;
    let (write, read) = through(&near, &far)?;
    Ok(Costs {
        read,
        write,
        send: sending(&near)?,
        receive: receiving()?,
    })
}

fn ip(arguments: &[&str]) -> Result<(), Box<dyn Error>> {
    let done = Command::new("ip").args(arguments).status()?;
    done.success()
        .then_some(())
        .ok_or_else(|| format!("ip {} failed", arguments.join(" ")).into())
}

fn per_packet(spent: Duration) -> f64 {
    spent.as_nanos() as f64 / (ROUNDS as usize * BATCH) as f64
}

/// Segments of a flow into one device, which the kernel forwards to the other.
fn through(into: &Tun, from: &Tun) -> Result<(f64, f64), Box<dyn Error>> {
    let mut glue = Box::new(Coalescer::<4, 65536>::new());
    glue.set_takes(into.takes());
    let (mut written, mut read) = (Duration::ZERO, Duration::ZERO);
    let (mut buffer, mut packets, mut sequence) = (vec![0; 65536], 0, 0);
    for _ in 0..ROUNDS {
        let round: Vec<_> = (0..BATCH).map(|_| segment(&mut sequence)).collect();
        let mut failed = None;
        let mut write = |offload: Offload, bytes: &[u8]| {
            failed = into.write(bytes, offload).err().or(failed);
        };
        let begun = Instant::now();
        for packet in &round {
            glue.push(packet, &mut write);
        }
        glue.flush(&mut write);
        written += begun.elapsed();
        if let Some(error) = failed {
            return Err(error.to_string().into());
        }
        let begun = Instant::now();
        while let Some((len, offload)) = from.read(&mut buffer).map_err(|e| e.to_string())? {
            packets += cut(&mut buffer[..len], offload);
        }
        read += begun.elapsed();
    }
    // And a few of the kernel's own, which looks for IPv6 routers.
    let all = ROUNDS as usize * BATCH;
    assert!((all..all + 10).contains(&packets), "{packets} came out");
    Ok((per_packet(written), per_packet(read)))
}

/// Single packets of what was read, as the agent makes them.
fn cut(bytes: &mut [u8], offload: Offload) -> usize {
    match (offload.large, offload.checksum) {
        (Some(large), Some(partial)) => {
            let Some(mut cut) = Cut::new(bytes, large, partial) else {
                return 0;
            };
            let mut count = 0;
            while let Some(packet) = cut.next() {
                black_box(packet);
                count += 1;
            }
            count
        }
        (None, Some(partial)) => usize::from(complete(bytes, partial)),
        _ => 1,
    }
}

/// The flow's next one.
fn segment(sequence: &mut u32) -> Vec<u8> {
    let mut packet = packet();
    packet[6] = 0x40;
    packet[10..12].fill(0);
    packet[12..20].copy_from_slice(&[10, 77, 1, 2, 10, 77, 2, 2]);
    let sum = Sum::of(&packet[..20]).field();
    packet[10..12].copy_from_slice(&sum.to_be_bytes());
    packet[24..28].copy_from_slice(&sequence.to_be_bytes());
    *sequence += (PACKET - HEADERS) as u32;
    let sum = Sum::of(&packet[12..]).plus(6).plus((PACKET - 20) as u16);
    packet[36..38].copy_from_slice(&sum.field().to_be_bytes());
    packet
}

fn socket(address: &str, gro: bool) -> Result<UdpSocket, Box<dyn Error>> {
    let options = Options {
        gro,
        receive_buffer: 4 << 20,
        ..Options::default()
    };
    Ok(UdpSocket::bind(address.parse()?, &options).map_err(|e| e.to_string())?)
}

/// Runs that leave by a device which cuts nothing itself.
fn sending(device: &Tun) -> Result<f64, Box<dyn Error>> {
    let sender = socket("10.77.1.1:0", false)?;
    let to: SocketAddr = "10.77.1.9:9".parse()?;
    sender.connect(to).map_err(|e| e.to_string())?;
    let (run, mut buffer) = (vec![7; DATAGRAM * BATCH], vec![0; 65536]);
    let mut spent = Duration::ZERO;
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        let sent = sender.send_run(&run, DATAGRAM, None);
        spent += begun.elapsed();
        assert_eq!(sent, Ok(BATCH), "the run left");
        while device.read(&mut buffer).is_ok_and(|got| got.is_some()) {}
    }
    Ok(per_packet(spent))
}

/// Runs that the kernel hands over glued.
fn receiving() -> Result<f64, Box<dyn Error>> {
    let (receiver, sender) = (socket("127.0.0.1:0", true)?, socket("127.0.0.1:0", false)?);
    let to = receiver.local_addr().map_err(|e| e.to_string())?;
    sender.connect(to).map_err(|e| e.to_string())?;
    let run = vec![7; DATAGRAM * BATCH];
    let mut batch = Box::new(RecvBatch::<2, 65536>::new());
    let (mut spent, mut packets) = (Duration::ZERO, 0);
    for _ in 0..ROUNDS {
        let sent = sender.send_run(&run, DATAGRAM, None);
        assert_eq!(sent, Ok(BATCH), "the run left");
        let begun = Instant::now();
        let got = receiver.recv_batch(&mut batch);
        for mut datagram in batch.datagrams() {
            packets += datagram.segments().count();
        }
        spent += begun.elapsed();
        assert!(got.is_ok(), "{got:?}");
    }
    assert_eq!(packets, ROUNDS as usize * BATCH, "what left arrived");
    Ok(per_packet(spent))
}
