//! The stack's interface: one packet at a time in, and one out.

use burstmesh_core::wire::inside::MTU;
use core::cell::RefCell;
use core::task::Context;
use embassy_net_driver::{Capabilities, Driver, HardwareAddress, LinkState, RxToken, TxToken};
use heapless::Vec;

/// Room for a packet; empty without one.
pub type Packet = Vec<u8, MTU>;

/// The packets on both sides of the interface.
pub struct Link {
    pub arrived: Packet,
    pub leaves: Packet,
}

/// The stack's end.
pub struct Device(pub &'static RefCell<Link>);

pub struct Arrived(Packet);
pub struct Leaves<'a>(&'a RefCell<Link>);

impl Driver for Device {
    type RxToken<'a> = Arrived;
    type TxToken<'a> = Leaves<'a>;

    fn receive(&mut self, cx: &mut Context<'_>) -> Option<(Arrived, Leaves<'_>)> {
        // What is answered at once needs its room.
        if self.0.borrow().arrived.is_empty() || !self.0.borrow().leaves.is_empty() {
            return None;
        }
        let arrived = core::mem::take(&mut self.0.borrow_mut().arrived);
        Some((Arrived(arrived), self.transmit(cx)?))
    }

    fn transmit(&mut self, _: &mut Context<'_>) -> Option<Leaves<'_>> {
        self.0.borrow().leaves.is_empty().then_some(Leaves(self.0))
    }

    fn link_state(&mut self, _: &mut Context<'_>) -> LinkState {
        LinkState::Up
    }

    fn capabilities(&self) -> Capabilities {
        let mut c = Capabilities::default();
        c.max_transmission_unit = MTU;
        c
    }

    fn hardware_address(&self) -> HardwareAddress {
        HardwareAddress::Ip
    }
}

impl RxToken for Arrived {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(mut self, read: F) -> R {
        read(&mut self.0)
    }
}

impl TxToken for Leaves<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, write: F) -> R {
        let leaves = &mut self.0.borrow_mut().leaves;
        // The stack keeps to the MTU.
        let _ = leaves.resize(len.min(MTU), 0);
        write(leaves)
    }
}
