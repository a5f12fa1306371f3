//! Reading the firewall's named counters, without starting a tool for it.

use super::message::{Attributes, Message};
use super::socket::{ASK, Socket};
use crate::error::Result;

const GET_OBJECT: u16 = (10 << 8) | 19;
const NFTA_OBJ_TABLE: u16 = 1;
const NFTA_OBJ_NAME: u16 = 2;
const NFTA_OBJ_TYPE: u16 = 3;
const NFTA_OBJ_DATA: u16 = 4;
const NFT_OBJECT_COUNTER: u32 = 1;
const NFTA_COUNTER_BYTES: u16 = 1;
const NFTA_COUNTER_PACKETS: u16 = 2;
/// Family (inet), version, resource.
const FIXED: [u8; 4] = [1, 0, 0, 0];
/// The longest name of a table or counter here, with the zero behind it.
const NAME: usize = 32;

/// What a counter has seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Packets.
    pub packets: u64,
    /// Their bytes, IP headers included.
    pub bytes: u64,
}

/// The counter `name` of the table `inet table`; names have at most 31 bytes.
///
/// # Errors
/// `ENOENT` if there is no such counter.
pub fn read(table: &str, name: &str) -> Result<Count> {
    let mut message = Message::new(GET_OBJECT, ASK, &FIXED);
    text(&mut message, NFTA_OBJ_TABLE, table)?;
    text(&mut message, NFTA_OBJ_NAME, name)?;
    message.attribute(NFTA_OBJ_TYPE, &NFT_OBJECT_COUNTER.to_be_bytes());
    let mut count = Count::default();
    Socket::open(libc::NETLINK_NETFILTER, 0)?.query("read a counter", message, |_, payload| {
        let data =
            Attributes::behind(payload, FIXED.len()).find(|(kind, _)| *kind == NFTA_OBJ_DATA);
        for (kind, value) in Attributes(data.map_or(&[], |(_, nested)| nested)) {
            let value = value.first_chunk().copied().map_or(0, u64::from_be_bytes);
            match kind {
                NFTA_COUNTER_BYTES => count.bytes = value,
                NFTA_COUNTER_PACKETS => count.packets = value,
                _ => {}
            }
        }
    })?;
    Ok(count)
}

/// Whether there is such a counter; also where the kernel does not say.
pub fn exists(table: &str, name: &str) -> bool {
    !read(table, name).is_err_and(|error| error.errno == libc::ENOENT)
}

/// A string as nftables wants it: with its zero.
fn text(message: &mut Message, kind: u16, value: &str) -> Result<()> {
    let mut bytes = [0; NAME];
    match bytes.get_mut(..value.len()) {
        Some(room) if value.len() < NAME => room.copy_from_slice(value.as_bytes()),
        _ => return Err(crate::Error::new("read a counter", libc::ENAMETOOLONG)),
    }
    message.attribute(kind, bytes.get(..=value.len()).unwrap_or_default());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{in_namespace, run};

    #[test]
    fn a_counter_is_read_as_nft_shows_it_and_a_missing_one_is_an_error() {
        in_namespace(|| {
            run("nft 'table inet t { counter c { packets 7 bytes 4294967396 }; counter d {}; }'");
            let expected = Count {
                packets: 7,
                bytes: 4_294_967_396,
            };
            assert_eq!(read("t", "c"), Ok(expected));
            assert_eq!(read("t", "d"), Ok(Count::default()));
            assert_eq!(read("t", "e").unwrap_err().errno, libc::ENOENT);
            let long = "a-name-that-no-table-of-ours-would-ever-have";
            assert_eq!(read("t", long).unwrap_err().errno, libc::ENAMETOOLONG);
        });
    }
}
