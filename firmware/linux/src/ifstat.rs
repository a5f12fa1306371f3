//! What has passed an interface.

use crate::error::Result;
pub use crate::netlink::Counters;
use crate::netlink::Rtnl;

/// The counters of the interface `name`, 64 bits wide on every machine; `None` if there is no such interface.
///
/// Traffic that the hardware forwards by itself (flow offload) is missing from them on some drivers.
pub fn counters(name: &str) -> Result<Option<Counters>> {
    Ok(Rtnl::open()?.link(name)?.map(|link| link.counters))
}
