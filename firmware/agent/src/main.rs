//! Entry point of the router agent.
#![no_std]
#![no_main]

use core::ffi::{c_char, c_int};

// `no_std` leaves the C library out of the link line; its start code and memcpy are ours to ask for.
#[link(name = "c")]
unsafe extern "C" {}

#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    // SAFETY: abort takes no arguments and never returns.
    unsafe { libc::abort() }
}

/// C entry point: the libc start code calls it.
#[unsafe(no_mangle)]
pub extern "C" fn main(_argc: c_int, _argv: *const *const c_char) -> c_int {
    0
}
