//! What drivers are told by ethtool's requests.

use crate::error::Result;
use crate::fd;
use crate::path::InterfaceName;

/// The same number on every architecture.
const SIOCETHTOOL: libc::c_ulong = 0x8946;
const GET_GRO: u32 = 0x2b;
const SET_GRO: u32 = 0x2c;

#[repr(C)]
struct Value {
    command: u32,
    data: u32,
}

/// Does the interface glue received packets of a flow together (GRO)?
pub fn gro(ifname: &str) -> Result<bool> {
    ask("read an interface's offloads", ifname, GET_GRO, 0).map(|value| value != 0)
}

/// Switches that on or off. A driver that cannot says `EOPNOTSUPP`.
pub fn set_gro(ifname: &str, on: bool) -> Result<()> {
    ask(
        "set an interface's offloads",
        ifname,
        SET_GRO,
        u32::from(on),
    )
    .map(drop)
}

/// Whether the interface computes checksums of what it sends.
#[cfg(test)]
pub(crate) fn set_checksums(ifname: &str, on: bool) -> Result<()> {
    const SET_TX_CHECKSUMS: u32 = 0x17;
    ask("", ifname, SET_TX_CHECKSUMS, u32::from(on)).map(drop)
}

fn ask(op: &'static str, ifname: &str, command: u32, data: u32) -> Result<u32> {
    let socket = fd::socket(op, libc::AF_INET, libc::SOCK_DGRAM, 0)?;
    let mut value = Value { command, data };
    // SAFETY: plain old data.
    let mut request: libc::ifreq = unsafe { core::mem::zeroed() };
    request.ifr_name = InterfaceName::new(ifname)?.to_kernel();
    request.ifr_ifru.ifru_data = (&raw mut value).cast();
    // SAFETY: a valid request; the value it points to lives until the call returns, and has the layout of both commands.
    unsafe { socket.ioctl(op, SIOCETHTOOL as u32, &mut request) }?;
    Ok(value.data)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{in_namespace, run};

    #[test]
    fn gro_is_switched_on_and_off() {
        in_namespace(|| {
            run("ip link add v0 type veth peer name v1");
            for on in [true, false, true] {
                set_gro("v0", on).unwrap();
                assert_eq!(gro("v0"), Ok(on));
            }
            assert_eq!(gro("nothing").unwrap_err().errno, libc::ENODEV);
        });
    }
}
