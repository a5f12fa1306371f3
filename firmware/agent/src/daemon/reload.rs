//! What a new configuration changes in a running agent. Devices keep their numbers where they can, so that paths over
//! what did not change go on.

use crate::config::{Config, Mesh, Uplink};
use heapless::Vec;

/// A new configuration, its devices in the order of the old one.
pub struct Reload {
    pub new: Config,
}

impl Reload {
    /// Brings what both have into the old places.
    pub fn new(old: &Config, mut new: Config) -> Self {
        align(&old.uplinks, &mut new.uplinks, |a, b| a.ifname == b.ifname);
        align(&old.meshes, &mut new.meshes, |a, b| a.ifname == b.ifname);
        Self { new }
    }

    /// Community and key are what every session is made of.
    pub fn needs_restart(&self, old: &Config) -> bool {
        let new = &self.new;
        old.community.name != new.community.name
            || old.community.secret.bytes() != new.community.secret.bytes()
            || old.community.admin != new.community.admin
            || old.community.key_file != new.community.key_file
            || !new.community.enabled
    }

    /// Numbers of uplinks behind which another device stands now, or none.
    pub fn replaced_uplinks(&self, old: &Config) -> Vec<u8, 8> {
        replaced(&old.uplinks, &self.new.uplinks, |a: &Uplink, b| {
            a.ifname == b.ifname
        })
    }

    /// The same of mesh interfaces; another port counts as another one.
    pub fn replaced_meshes(&self, old: &Config) -> Vec<u8, 8> {
        replaced(&old.meshes, &self.new.meshes, |a: &Mesh, b| {
            a.ifname == b.ifname && a.port == b.port
        })
    }

    /// An exit is new, gone, has moved, or is preferred otherwise.
    pub fn exits_differ(&self, old: &Config) -> bool {
        let (old, new) = (&old.exits, &self.new.exits);
        old.len() != new.len()
            || old.iter().zip(new).any(|(a, b)| {
                a.key != b.key || a.addresses != b.addresses || a.preference != b.preference
            })
    }
}

/// Moves each item of `new` to the place that the same one has in `old`, as far as there are places.
fn align<T>(old: &[T], new: &mut [T], same: impl Fn(&T, &T) -> bool) {
    for (place, item) in old.iter().enumerate().take(new.len()) {
        if let Some(at) = new.iter().position(|n| same(item, n)) {
            new.swap(place, at);
        }
    }
}

fn replaced<T>(old: &[T], new: &[T], same: impl Fn(&T, &T) -> bool) -> Vec<u8, 8> {
    let kept = |n: &usize| matches!((old.get(*n), new.get(*n)), (Some(a), Some(b)) if same(a, b));
    (0..old.len())
        .filter(|n| !kept(n))
        .map(|n| n as u8)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn aligned(old: &[u8], new: &[u8]) -> (std::vec::Vec<u8>, std::vec::Vec<u8>) {
        let mut new = new.to_vec();
        align(old, &mut new, |a, b| a == b);
        let replaced = replaced(old, &new, |a, b| a == b);
        (new, replaced.to_vec())
    }

    #[test]
    fn what_stays_keeps_its_place_whatever_comes_or_goes() {
        assert_eq!(aligned(b"abc", b"cab"), (b"abc".to_vec(), vec![]));
        assert_eq!(aligned(b"ab", b"xba"), (b"abx".to_vec(), vec![]));
        assert_eq!(aligned(b"abc", b"xcb"), (b"xbc".to_vec(), vec![0]));
        // The last one moves to where the first one was, since places have no holes.
        assert_eq!(aligned(b"abc", b"bc"), (b"cb".to_vec(), vec![0, 2]));
        assert_eq!(aligned(b"ab", b""), (b"".to_vec(), vec![0, 1]));
    }
}
