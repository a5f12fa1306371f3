//! This process: its arguments, its privileges, its memory, its end.

use crate::error::{Error, Result, check};
use crate::file;
use core::ffi::{CStr, c_char, c_int};
use core::fmt;
use core::panic::PanicInfo;

/// Makes `main` of a no_std program from a function that takes [`Args`] and gives the exit code, and has a panic write
/// itself to standard error before the process aborts. Router builds have no texts of panics: there a panic is a crash, see
/// [`crate::signal::report_crashes`].
///
/// ```ignore
/// burstmesh_linux::entry!(run);
/// fn run(args: burstmesh_linux::process::Args) -> i32 { 0 }
/// ```
#[macro_export]
macro_rules! entry {
    ($main:path) => {
        #[unsafe(no_mangle)]
        extern "C" fn main(
            count: ::core::ffi::c_int,
            arguments: *const *const ::core::ffi::c_char,
        ) -> ::core::ffi::c_int {
            // SAFETY: exactly what the C library hands to main.
            $main(unsafe { $crate::process::Args::from_raw(count, arguments) })
        }

        /// The toolchain's own `core` is built to unwind and names this; the program aborts, so it is never called.
        #[cfg(not(test))]
        #[unsafe(no_mangle)]
        extern "C" fn rust_eh_personality() {}

        #[cfg(not(test))]
        #[panic_handler]
        fn panicked(info: &::core::panic::PanicInfo<'_>) -> ! {
            $crate::process::panicked(info)
        }
    };
}

/// The program's arguments; the first is its name.
#[derive(Clone, Debug)]
pub struct Args {
    next: *const *const c_char,
    left: usize,
}

impl Args {
    /// # Safety
    /// `count` and `arguments` are what `main` was called with.
    pub unsafe fn from_raw(count: c_int, arguments: *const *const c_char) -> Self {
        Self {
            next: arguments,
            left: usize::try_from(count).unwrap_or(0),
        }
    }
}

impl Iterator for Args {
    type Item = &'static CStr;

    fn next(&mut self) -> Option<&'static CStr> {
        self.left = self.left.checked_sub(1)?;
        // SAFETY: within the count; the strings live as long as the process.
        unsafe {
            let argument = CStr::from_ptr(*self.next);
            self.next = self.next.add(1);
            Some(argument)
        }
    }
}

/// Standard output or standard error, unbuffered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// For answers.
    Standard,
    /// For complaints.
    Error,
}

impl Output {
    /// Writes all of it; what cannot be written is lost.
    pub fn write(self, mut bytes: &[u8]) {
        let fd = if self == Self::Standard { 1 } else { 2 };
        while !bytes.is_empty() {
            // SAFETY: the bytes are readable for their length.
            let written =
                crate::fd::retry(|| unsafe { libc::write(fd, bytes.as_ptr().cast(), bytes.len()) });
            if written <= 0 {
                return;
            }
            bytes = bytes.get(written as usize..).unwrap_or(&[]);
        }
    }
}

impl fmt::Write for Output {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.write(text.as_bytes());
        Ok(())
    }
}

/// Says where and why, and aborts; the watchdog cleans up.
pub fn panicked(info: &PanicInfo<'_>) -> ! {
    crate::log::write(crate::log::Level::Error, format_args!("{info}"));
    // SAFETY: no pointers.
    unsafe { libc::abort() }
}

/// The number of this process.
pub fn id() -> u32 {
    // SAFETY: no pointers.
    unsafe { libc::getpid() as u32 }
}

/// Is it the superuser's?
pub fn is_root() -> bool {
    // SAFETY: no pointers.
    unsafe { libc::geteuid() == 0 }
}

/// Ends the process at once.
pub fn exit(code: i32) -> ! {
    // SAFETY: no pointers; nothing is registered to run at exit.
    unsafe { libc::_exit(code) }
}

/// The memory that this process occupies, in bytes; 0 if the kernel does not say.
pub fn resident_bytes() -> u64 {
    let mut buf = [0; 128];
    let pages = file::read("/proc/self/statm", &mut buf)
        .ok()
        .and_then(|text| {
            let field = text.split(|&byte| byte == b' ').nth(1)?;
            core::str::from_utf8(field).ok()?.parse::<u64>().ok()
        });
    // SAFETY: no pointers.
    let page = unsafe { libc::getauxval(libc::AT_PAGESZ) };
    pages.unwrap_or(0).saturating_mul(page as u64)
}

/// How far below its caller [`give_back_stack`] leaves the stack alone, and how much of it is given back from there.
const STACK_IN_USE: usize = 64 * 1024;
const STACK_USED: usize = 512 * 1024;

/// Gives the kernel back what calls that have returned had used of the main thread's stack: large values are made there at the
/// start, and it would stay resident for ever. Does nothing in another thread.
#[inline(never)]
pub fn give_back_stack() {
    let here = 0u8;
    // SAFETY: no pointers.
    let thread = unsafe { libc::syscall(libc::SYS_gettid) };
    let main = u32::try_from(thread) == Ok(id());
    let from = (&raw const here).addr() & !(STACK_IN_USE - 1);
    let Some(from) = from.checked_sub(STACK_IN_USE + STACK_USED).filter(|_| main) else {
        return;
    };
    let from = core::ptr::without_provenance_mut(from);
    // SAFETY: nothing else is ever mapped into the room into which the main thread's stack may grow (far more than this), and of the
    // stack nothing is in use below the frame of this function and 64 KB for the call. Where nothing is mapped nothing is done.
    unsafe { libc::madvise(from, STACK_USED, libc::MADV_DONTNEED) };
}

/// Neither this process nor any program that it starts can ever gain privileges that it does not hold now.
pub fn forbid_new_privileges() -> Result<()> {
    // SAFETY: no pointers.
    let done = unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
    check("forbid new privileges", done).map(drop)
}

const CAP_NET_ADMIN: u32 = 12;
const CAP_NET_RAW: u32 = 13;

/// Keeps only what configuring the network takes; programs that it starts (nft) get the same. Root without its other
/// capabilities still owns its files, so settings and keys can be read again, and nothing else is open to it.
pub fn keep_network_capabilities() -> Result<()> {
    set_capabilities(1 << CAP_NET_ADMIN | 1 << CAP_NET_RAW)?;
    for capability in [CAP_NET_ADMIN, CAP_NET_RAW] {
        let (raise, capability) = (
            libc::PR_CAP_AMBIENT_RAISE as libc::c_ulong,
            libc::c_ulong::from(capability),
        );
        let none: libc::c_ulong = 0;
        // SAFETY: no pointers.
        let done = unsafe { libc::prctl(libc::PR_CAP_AMBIENT, raise, capability, none, none) };
        // Kernels before 4.3 have none: nft must then be started by root.
        match check("pass on capabilities", done) {
            Err(Error {
                errno: libc::EINVAL,
                ..
            })
            | Ok(_) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// The kernel's own layout, version 3: two words of 32 capabilities each.
fn set_capabilities(low: u32) -> Result<()> {
    #[repr(C)]
    struct Header {
        version: u32,
        pid: c_int,
    }
    #[repr(C)]
    struct Data {
        effective: u32,
        permitted: u32,
        inheritable: u32,
    }
    let header = Header {
        version: 0x2008_0522,
        pid: 0,
    };
    let data = [
        Data {
            effective: low,
            permitted: low,
            inheritable: low,
        },
        Data {
            effective: 0,
            permitted: 0,
            inheritable: 0,
        },
    ];
    // SAFETY: both live until the call returns.
    let done = unsafe { libc::syscall(libc::SYS_capset, &raw const header, data.as_ptr()) };
    check("drop capabilities", done as c_int).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{in_namespace, run};

    #[test]
    fn arguments_are_read_in_order() {
        let argv = [
            c"burstmesh".as_ptr(),
            c"status".as_ptr(),
            c"--json".as_ptr(),
            core::ptr::null(),
        ];
        // SAFETY: as main gets them.
        let args = unsafe { Args::from_raw(3, argv.as_ptr()) };
        assert_eq!(
            args.collect::<Vec<_>>(),
            [c"burstmesh", c"status", c"--json"]
        );
    }

    #[test]
    fn resident_memory_is_plausible() {
        assert!((500_000..2_000_000_000).contains(&resident_bytes()));
    }

    #[test]
    fn root_with_the_networks_capabilities_alone_can_do_all_that_the_agent_needs() {
        in_namespace(|| {
            forbid_new_privileges().unwrap();
            keep_network_capabilities().unwrap();
            assert!(is_root());
            let tun = crate::tun::Tun::open("bm0").unwrap();
            crate::nft::apply(b"add table inet t\n").unwrap();
            let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
            assert!(
                status.contains("CapEff:\t0000000000003000\n")
                    && status.contains("NoNewPrivs:\t1\n")
            );
            let mut rtnl = crate::netlink::Rtnl::open().unwrap();
            let rule = crate::netlink::Rule::new(crate::netlink::Family::V4, 9, 9);
            rtnl.add_rule(&rule).unwrap();
            assert!(run("ip rule").contains("9:"));
            let index = rtnl.link_index(tun.name()).unwrap().unwrap();
            rtnl.set_link(index, true, Some(1400)).unwrap();
            assert!(run("grep CapEff /proc/self/status").contains("0000000000003000"));
        });
    }
}
