//! What an interface has sent, for who asks often.

use crate::error::Result;
use crate::fd::Fd;
use crate::file;
use crate::netlink::Rtnl;
use crate::path::Path;

/// The counter of one interface. Netlink tells all about an interface at once, behind the lock that every change of the network
/// takes; `/sys` tells the one number, in a tenth of the time, and holds up nobody.
#[derive(Debug, Default)]
pub enum Sent {
    /// It is found out with the next question where to ask.
    #[default]
    Unknown,
    /// An open file in `/sys`. It ends with the interface, and stays with it when that gets another name.
    File(Fd),
    /// There is none, or it says something else: `/sys` shows the network namespace of whoever mounted it.
    Netlink,
}

impl Sent {
    /// Bytes that the interface `name` has sent since it exists; `None` if there is no such interface.
    ///
    /// Traffic that the hardware forwards by itself (flow offload) is missing from them on some drivers.
    pub fn bytes(&mut self, rtnl: &mut Rtnl, name: &str) -> Result<Option<u64>> {
        match self {
            Self::File(file) => match number(file) {
                Some(bytes) => return Ok(Some(bytes)),
                None => *self = Self::Unknown,
            },
            Self::Netlink => return told(rtnl, name),
            Self::Unknown => {}
        }
        let before = told(rtnl, name)?;
        let Some((file, bytes)) = open(name) else {
            *self = Self::Netlink;
            return Ok(before);
        };
        let after = told(rtnl, name)?;
        if before <= Some(bytes) && Some(bytes) <= after {
            // Where all say 0 it may be another one.
            if bytes > 0 {
                *self = Self::File(file);
            }
        } else {
            *self = Self::Netlink;
        }
        Ok(after)
    }
}

#[inline(never)]
fn told(rtnl: &mut Rtnl, name: &str) -> Result<Option<u64>> {
    Ok(rtnl.link(name)?.map(|link| link.counters.tx_bytes))
}

fn open(name: &str) -> Option<(Fd, u64)> {
    let path = Path::join(&["/sys/class/net/", name, "/statistics/tx_bytes"]).ok()?;
    let file = file::open(path.as_str(), libc::O_RDONLY, 0).ok()?;
    let bytes = number(&file)?;
    Some((file, bytes))
}

/// A number and the end of a line.
fn number(file: &Fd) -> Option<u64> {
    let mut text = [0; 24];
    // SAFETY: the buffer is ours for the length given.
    let read = unsafe { libc::pread(file.raw(), text.as_mut_ptr().cast(), text.len(), 0) };
    let line = text.get(..usize::try_from(read).ok()?)?;
    let digits = core::str::from_utf8(line.strip_suffix(b"\n")?).ok()?;
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{in_namespace, run};

    fn send() {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.send_to(&[0; 1000], "127.0.0.1:9").unwrap();
    }

    #[test]
    fn an_open_file_counts_on_and_one_that_ended_with_its_interface_is_opened_anew() {
        in_namespace(|| {
            // SAFETY: no pointers; affects this process only.
            assert_eq!(unsafe { libc::unshare(libc::CLONE_NEWNS) }, 0);
            run("mount --make-rprivate / && mount -t sysfs sysfs /sys");
            let (mut rtnl, mut sent) = (Rtnl::open().unwrap(), Sent::default());
            let make = "ip link add one type veth peer name two && ip addr add 10.7.0.1/24 dev one && ip link set two up && ip link set one up";
            for _ in 0..2 {
                run(make);
                run("ip neigh add 10.7.0.2 lladdr 02:00:00:00:00:02 dev one");
                let mut before = 0;
                for _ in 0..3 {
                    let socket = std::net::UdpSocket::bind("10.7.0.1:0").unwrap();
                    socket.send_to(&[0; 1000], "10.7.0.2:9").unwrap();
                    let bytes = sent.bytes(&mut rtnl, "one").unwrap().unwrap();
                    assert!(bytes >= before + 1_042, "{bytes}");
                    before = bytes;
                }
                assert!(matches!(sent, Sent::File(_)), "{sent:?}");
                run("ip link del one");
            }
            assert_eq!(sent.bytes(&mut rtnl, "one").unwrap(), None);
        });
    }

    #[test]
    fn a_file_of_another_namespace_is_not_believed() {
        in_namespace(|| {
            let (mut rtnl, mut sent) = (Rtnl::open().unwrap(), Sent::default());
            // What is mounted is the machine's own.
            send();
            let bytes = sent.bytes(&mut rtnl, "lo").unwrap().unwrap();
            assert!((1_028..100_000).contains(&bytes), "{bytes}");
            assert!(matches!(sent, Sent::Netlink), "{sent:?}");
        });
    }

    #[test]
    #[ignore = "prints what a question costs: cargo test -p burstmesh-linux asking -- --ignored --nocapture"]
    fn asking_the_file_is_cheaper_than_netlink() {
        let mut rtnl = Rtnl::open().unwrap();
        let mut each = |mut sent: Sent| {
            let _ = sent.bytes(&mut rtnl, "lo");
            let begun = std::time::Instant::now();
            for _ in 0..10_000 {
                sent.bytes(&mut rtnl, "lo").unwrap();
            }
            begun.elapsed() / 10_000
        };
        let [file, netlink] = [each(Sent::Unknown), each(Sent::Netlink)];
        std::println!("file {file:?}, netlink {netlink:?}");
        assert!(file < netlink);
    }
}
