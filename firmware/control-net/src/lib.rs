//! The control network inside, sans I/O: TCP over IPv6 (embassy-net) whose packets travel in sealed sessions and whose addresses no
//! kernel knows.
//!
//! [`Net`] takes packets and the time, and gives packets, answers, and when to call again. There is no executor: what embassy-net
//! would wait for is looked at when something has come or is due ([`once`]).
#![cfg_attr(not(test), no_std)]

mod clock;
mod desk;
mod device;
mod net;
#[cfg(test)]
mod tests;

pub use desk::Failed;
pub use net::{Memory, Net, Service};

use core::future::Future;
use core::pin::pin;
use core::task::{Context, Poll, Waker};

/// Looks once whether something has happened; nobody is woken.
fn once<T>(what: impl Future<Output = T>) -> Poll<T> {
    pin!(what).poll(&mut Context::from_waker(Waker::noop()))
}
