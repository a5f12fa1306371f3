use super::*;
use crate::testing::{in_namespace, run};
use burstmesh_core::data::coalesce::Coalescer;
use burstmesh_core::data::segment::Cut;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

#[test]
fn a_tunnel_device_exists_exactly_as_long_as_it_is_open() {
    in_namespace(|| {
        for open in [Tun::open, Tun::open_plain] {
            let tun = open("bmt%d").unwrap();
            assert_eq!(tun.name(), "bmt0");
            assert!(run("ip -o link").contains("bmt0"));
            assert_eq!(tun.read(&mut [0; 64]).unwrap(), None);
            drop(tun);
            assert!(!run("ip -o link").contains("bmt0"));
        }
    });
}

#[test]
fn what_is_written_before_a_packet_is_read_back() {
    let partial = Partial {
        start: 40,
        offset: 16,
    };
    for kind in [Kind::Tcp4, Kind::Tcp6, Kind::Udp] {
        let large = Large {
            kind,
            size: 1400,
            headers: 60,
        };
        let offload = Offload {
            large: Some(large),
            checksum: Some(partial),
        };
        assert_eq!(parse(&emit(offload)), Some(offload));
    }
    assert_eq!(parse(&emit(Offload::default())), Some(Offload::default()));
    assert_eq!(parse(&[0, 3, 0, 0, 0, 0, 0, 0, 0, 0]), None);
}

/// A thread in a network namespace of its own, which ends with it. It runs `work` when the device `tb` has been moved to it
/// and has its addresses.
fn far<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> (std::thread::JoinHandle<T>, impl FnOnce()) {
    let (says, hears) = std::sync::mpsc::channel();
    let (go, gone) = std::sync::mpsc::channel::<()>();
    let thread = std::thread::spawn(move || {
        // SAFETY: no pointers; affects this thread alone.
        assert_eq!(unsafe { libc::unshare(libc::CLONE_NEWNET) }, 0);
        // SAFETY: no pointers.
        says.send(unsafe { libc::gettid() }).unwrap();
        gone.recv().unwrap();
        run(
            "ip link set lo up; ip addr add 10.1.1.2/30 dev tb; ip addr add fd01::2/64 dev tb nodad; \
             ip link set tb mtu 1400 up",
        );
        work()
    });
    let move_in = move || {
        run(&format!("ip link set tb netns {}", hears.recv().unwrap()));
        go.send(()).unwrap();
    };
    (thread, move_in)
}

/// Two devices, one in the far namespace: what comes out of one goes into the other, changed by `pass`.
fn join(
    open: fn(&str) -> Result<Tun>,
    move_in: impl FnOnce(),
    mut pass: impl FnMut(&Tun, &mut [u8], Offload),
    until: impl Fn() -> bool,
) {
    let (a, b) = (open("ta").unwrap(), open("tb").unwrap());
    run(
        "ip addr add 10.1.1.1/30 dev ta; ip addr add fd01::1/64 dev ta nodad; ip link set ta mtu 1400 up",
    );
    move_in();
    let mut buffer = vec![0; 70_000];
    let begun = Instant::now();
    while !until() && begun.elapsed() < Duration::from_secs(20) {
        let mut idle = true;
        for (from, to) in [(&a, &b), (&b, &a)] {
            while let Some((len, offload)) = from.read(&mut buffer).unwrap() {
                idle = false;
                pass(to, &mut buffer[..len], offload);
            }
        }
        if idle {
            std::thread::sleep(Duration::from_micros(200));
        }
    }
}

const MUCH: usize = 3_000_000;

fn data() -> Vec<u8> {
    (0..MUCH).map(|n| (n / 13) as u8).collect()
}

/// A TCP transfer across both devices; `pass` sees every crossing. Gives the bytes that arrived.
fn transfer(
    open: fn(&str) -> Result<Tun>,
    address: &'static str,
    pass: impl FnMut(&Tun, &mut [u8], Offload),
) -> Vec<u8> {
    let done = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let finished = done.clone();
    let (server, move_in) = far(move || {
        let listener = TcpListener::bind((address, 7000)).unwrap();
        let mut all = Vec::new();
        listener.accept().unwrap().0.read_to_end(&mut all).unwrap();
        finished.store(true, std::sync::atomic::Ordering::Relaxed);
        all
    });
    let client = std::thread::spawn(move || {
        let begun = Instant::now();
        let mut stream = loop {
            match TcpStream::connect((address, 7000)) {
                Ok(stream) => break stream,
                Err(_) => assert!(begun.elapsed() < Duration::from_secs(5)),
            }
            std::thread::sleep(Duration::from_millis(20));
        };
        stream.write_all(&data()).unwrap();
    });
    join(open, move_in, pass, || {
        done.load(std::sync::atomic::Ordering::Relaxed)
    });
    client.join().unwrap();
    server.join().unwrap()
}

/// Writes to a device that takes nothing until it is up.
fn put(to: &Tun, bytes: &[u8], offload: Offload) {
    match to.write(bytes, offload) {
        Ok(_)
        | Err(Error {
            errno: libc::EIO, ..
        }) => {}
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn a_transfer_survives_being_cut_and_glued_in_few_crossings() {
    in_namespace(|| {
        for address in ["10.1.1.2", "fd01::2"] {
            let mut glue = Box::new(Coalescer::<4, 65536>::new());
            let (mut crossings, mut packets) = (0u32, 0u32);
            let arrived = transfer(Tun::open, address, |to, packet, offload| {
                glue.set_takes(to.takes());
                crossings += 1;
                let mut write = |offload: Offload, bytes: &[u8]| put(to, bytes, offload);
                match (offload.large, offload.checksum) {
                    (Some(large), Some(partial)) => {
                        let mut cut = Cut::new(packet, large, partial).unwrap();
                        while let Some(packet) = cut.next() {
                            assert!(packet.len() <= 1400);
                            packets += 1;
                            glue.push(packet, &mut write);
                        }
                    }
                    (None, Some(partial)) => {
                        assert!(burstmesh_core::data::segment::complete(packet, partial));
                        packets += 1;
                        glue.push(packet, &mut write);
                    }
                    _ => {
                        packets += 1;
                        glue.push(packet, &mut write);
                    }
                }
                glue.flush(&mut write);
            });
            assert!(arrived == data());
            assert!(crossings * 3 < packets, "{crossings} of {packets}");
            let counters = glue.counters();
            assert!(counters.pieces * 3 < counters.packets, "{counters:?}");
        }
    });
}

/// As where a kernel has no header before packets: the way that [`Tun::open`] takes then.
#[test]
fn a_transfer_passes_devices_without_large_segments_packet_by_packet() {
    in_namespace(|| {
        for address in ["10.1.1.2", "fd01::2"] {
            let mut glue = Box::new(Coalescer::<4, 65536>::new());
            let arrived = transfer(Tun::open_plain, address, |to, packet, offload| {
                assert!(packet.len() <= 1400);
                assert_eq!(offload, Offload::default());
                glue.set_takes(to.takes());
                let mut write = |offload: Offload, bytes: &[u8]| put(to, bytes, offload);
                glue.push(packet, &mut write);
                glue.flush(&mut write);
            });
            assert!(arrived == data());
            let counters = glue.counters();
            assert_eq!(counters.pieces, counters.packets, "{counters:?}");
        }
    });
}

#[test]
fn a_large_udp_segment_arrives_as_its_datagrams() {
    in_namespace(|| {
        let tun = Tun::open("tu").unwrap();
        if !tun.takes().udp {
            return drop(writeln!(
                std::io::stderr(),
                "SKIPPED: no UDP segments before Linux 6.2"
            ));
        }
        run("ip addr add 10.1.1.1/30 dev tu; ip link set tu mtu 1400 up");
        let socket = UdpSocket::bind("10.1.1.1:9000").unwrap();
        socket
            .set_read_timeout(Some(Duration::from_secs(2)))
            .unwrap();
        let mut glue = Box::new(Coalescer::<2, 65536>::new());
        glue.set_takes(tun.takes());
        let mut pieces = 0;
        let mut write = |offload: Offload, bytes: &[u8]| {
            pieces += 1;
            assert!(tun.write(bytes, offload).unwrap());
        };
        let payloads = [vec![1; 1000], vec![2; 1000], vec![3; 999]];
        for (n, payload) in payloads.iter().enumerate() {
            glue.push(&datagram(n as u16, payload), &mut write);
        }
        glue.flush(&mut write);
        assert_eq!(pieces, 1);
        for payload in &payloads {
            let mut got = [0; 2000];
            let n = socket.recv(&mut got).unwrap();
            assert_eq!(&got[..n], &payload[..]);
        }
    });
}

/// From 10.1.1.2:9000 to 10.1.1.1:9000.
fn datagram(identification: u16, payload: &[u8]) -> Vec<u8> {
    use burstmesh_core::wire::checksum::Sum;
    let length = (8 + payload.len()) as u16;
    let mut p = vec![0x45, 0];
    p.extend((20 + length).to_be_bytes());
    p.extend(identification.to_be_bytes());
    p.extend([0x40, 0, 64, 17, 0, 0, 10, 1, 1, 2, 10, 1, 1, 1]);
    p.extend(9000u16.to_be_bytes());
    p.extend(9000u16.to_be_bytes());
    p.extend(length.to_be_bytes());
    p.extend([0, 0]);
    p.extend(payload);
    let header = !Sum::of(&p[..20]).folded();
    p[10..12].copy_from_slice(&header.to_be_bytes());
    let sum = Sum::of(&p[12..]).plus(17).plus(length).field();
    p[26..28].copy_from_slice(&sum.to_be_bytes());
    p
}
