//! One background thread of low priority, for work too slow for the data loop: handshakes.
//!
//! Requests and answers go through two small rings without locks; each side wakes the other through an event counter.

use crate::error::{Error, Result, check};
use crate::fd::{Fd, event};
use crate::signal;
use core::cell::UnsafeCell;
use core::ffi::c_void;
use core::mem::{ManuallyDrop, MaybeUninit};
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use core::sync::atomic::{AtomicBool, AtomicI32, AtomicU32};

/// Requests under way at once.
pub const DEPTH: usize = 4;
/// Enough for elliptic curves, also in unoptimised builds. Only what is touched becomes memory.
const STACK: usize = 256 * 1024;

type Work<Req, Resp> = fn(Req) -> Resp;

/// The thread and its mailbox, to be put into a static.
pub struct Worker<Req, Resp> {
    work: UnsafeCell<Option<Work<Req, Resp>>>,
    requests: Ring<Req>,
    answers: Ring<Resp>,
    started: AtomicBool,
    wake_worker: AtomicI32,
    wake_owner: AtomicI32,
}

// SAFETY: each ring has one producer and one consumer: the thread and the only `Owner`. `work` is written before the thread
// starts, and never after.
unsafe impl<Req: Send, Resp: Send> Sync for Worker<Req, Resp> {}

/// The data loop's end. There is one per worker; it may move between threads.
pub struct Owner<Req: 'static, Resp: 'static> {
    worker: &'static Worker<Req, Resp>,
    // Never closed: the thread uses them for as long as the process lives.
    answered: ManuallyDrop<Fd>,
    requested: ManuallyDrop<Fd>,
    under_way: usize,
}

impl<Req: Send + 'static, Resp: Send + 'static> Worker<Req, Resp> {
    /// A worker that has not started; all zero, so that a static of it costs no space in the binary.
    pub const fn new() -> Self {
        Self {
            work: UnsafeCell::new(None),
            requests: Ring::new(),
            answers: Ring::new(),
            started: AtomicBool::new(false),
            wake_worker: AtomicI32::new(0),
            wake_owner: AtomicI32::new(0),
        }
    }

    /// Starts the thread, which turns requests into answers by `work`, `nice` steps (0 to 19) below the data loop. Works
    /// once; a second time is `EBUSY`.
    pub fn start(&'static self, work: Work<Req, Resp>, nice: i32) -> Result<Owner<Req, Resp>> {
        if self.started.swap(true, Acquire) {
            return Err(Error::new("start the worker", libc::EBUSY));
        }
        let (answered, requested) = (ManuallyDrop::new(event()?), ManuallyDrop::new(event()?));
        self.wake_owner.store(answered.raw(), Relaxed);
        self.wake_worker.store(requested.raw(), Relaxed);
        // SAFETY: only the first caller comes here, and the thread does not run yet.
        unsafe { *self.work.get() = Some(work) };
        spawn::<Req, Resp>(self, nice)?;
        Ok(Owner {
            worker: self,
            answered,
            requested,
            under_way: 0,
        })
    }

    fn run(&self, work: Work<Req, Resp>) -> ! {
        loop {
            while let Some(request) = self.requests.pop() {
                // There is room: the owner lets no more than DEPTH be under way.
                let _ = self.answers.push(work(request));
                ring_bell(self.wake_owner.load(Relaxed));
            }
            await_bell(self.wake_worker.load(Relaxed));
        }
    }
}

impl<Req: Send + 'static, Resp: Send + 'static> Default for Worker<Req, Resp> {
    fn default() -> Self {
        Self::new()
    }
}

impl<Req: Send, Resp: Send> Owner<Req, Resp> {
    /// To wait on: readable when answers are there. To be polled until there are none.
    pub fn fd(&self) -> &Fd {
        &self.answered
    }

    /// Hands over a request; gives it back if [`DEPTH`] are under way.
    pub fn submit(&mut self, request: Req) -> core::result::Result<(), Req> {
        if self.under_way == DEPTH {
            return Err(request);
        }
        self.worker.requests.push(request)?;
        self.under_way += 1;
        ring_bell(self.requested.raw());
        Ok(())
    }

    /// The next answer, in the order of the requests; `None` when there is none yet.
    pub fn poll(&mut self) -> Option<Resp> {
        let answer = self.worker.answers.pop().or_else(|| {
            // Silence the bell first and look again: an answer that comes in between rings it anew.
            let _ = self.answered.read(&mut [0; 8]);
            self.worker.answers.pop()
        })?;
        self.under_way -= 1;
        Some(answer)
    }
}

/// Starts the thread with every signal blocked: signals belong to the data loop.
fn spawn<Req: Send + 'static, Resp: Send + 'static>(
    worker: &'static Worker<Req, Resp>,
    nice: i32,
) -> Result<()> {
    NICE.store(nice, Relaxed);
    let before = signal::mask_all(None);
    // SAFETY: attributes are set up before use; the argument lives for ever.
    let failed = unsafe {
        let mut attributes: libc::pthread_attr_t = core::mem::zeroed();
        let mut thread: libc::pthread_t = core::mem::zeroed();
        libc::pthread_attr_init(&mut attributes);
        libc::pthread_attr_setstacksize(&mut attributes, STACK);
        libc::pthread_attr_setdetachstate(&mut attributes, libc::PTHREAD_CREATE_DETACHED);
        let argument = core::ptr::from_ref(worker).cast_mut().cast::<c_void>();
        let failed = libc::pthread_create(&mut thread, &attributes, main::<Req, Resp>, argument);
        libc::pthread_attr_destroy(&mut attributes);
        failed
    };
    signal::mask_all(Some(&before));
    if failed == 0 {
        Ok(())
    } else {
        Err(Error::new("start the worker", failed))
    }
}

/// Passed to the thread that starts next.
static NICE: AtomicI32 = AtomicI32::new(0);

extern "C" fn main<Req: Send + 'static, Resp: Send + 'static>(
    argument: *mut c_void,
) -> *mut c_void {
    // SAFETY: the static worker that `spawn` passed.
    let worker = unsafe { &*argument.cast::<Worker<Req, Resp>>() };
    // Linux gives each thread a niceness of its own. Failing costs smoothness, not correctness.
    // SAFETY: no pointers.
    let _ = check("lower a thread's priority", unsafe {
        let thread = libc::syscall(libc::SYS_gettid);
        libc::setpriority(
            libc::PRIO_PROCESS as _,
            thread as libc::id_t,
            NICE.load(Relaxed),
        )
    });
    // SAFETY: written before this thread was started.
    if let Some(work) = unsafe { *worker.work.get() } {
        worker.run(work);
    }
    core::ptr::null_mut()
}

fn ring_bell(fd: i32) {
    let one = 1u64.to_ne_bytes();
    // SAFETY: eight readable bytes. Full means that it rings already.
    unsafe { libc::write(fd, one.as_ptr().cast(), one.len()) };
}

fn await_bell(fd: i32) {
    let mut poll = libc::pollfd {
        fd,
        events: libc::POLLIN,
        revents: 0,
    };
    let mut count = [0u8; 8];
    // SAFETY: one valid pollfd, eight writable bytes.
    unsafe {
        libc::poll(&mut poll, 1, -1);
        libc::read(fd, count.as_mut_ptr().cast(), count.len());
    }
}

/// A ring for one producer and one consumer.
struct Ring<T> {
    slots: [UnsafeCell<MaybeUninit<T>>; DEPTH],
    pushed: AtomicU32,
    popped: AtomicU32,
}

impl<T> Ring<T> {
    const fn new() -> Self {
        let slots = [const { UnsafeCell::new(MaybeUninit::uninit()) }; DEPTH];
        Self {
            slots,
            pushed: AtomicU32::new(0),
            popped: AtomicU32::new(0),
        }
    }

    fn slot(&self, number: u32) -> *mut MaybeUninit<T> {
        self.slots[number as usize % DEPTH].get()
    }

    /// By the producer only.
    fn push(&self, value: T) -> core::result::Result<(), T> {
        let pushed = self.pushed.load(Relaxed);
        if pushed.wrapping_sub(self.popped.load(Acquire)) as usize == DEPTH {
            return Err(value);
        }
        // SAFETY: the consumer does not touch this slot until `pushed` says so.
        unsafe { (*self.slot(pushed)).write(value) };
        self.pushed.store(pushed.wrapping_add(1), Release);
        Ok(())
    }

    /// By the consumer only.
    fn pop(&self) -> Option<T> {
        let popped = self.popped.load(Relaxed);
        if popped == self.pushed.load(Acquire) {
            return None;
        }
        // SAFETY: written before `pushed` passed it; the producer does not touch it until `popped` says so.
        let value = unsafe { (*self.slot(popped)).assume_init_read() };
        self.popped.store(popped.wrapping_add(1), Release);
        Some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_come_back_as_answers_in_their_order() {
        static WORKER: Worker<[u64; 9], u64> = Worker::new();
        let sum = |request: [u64; 9]| request.iter().sum();
        let mut owner = WORKER.start(sum, 10).unwrap();
        assert_eq!(WORKER.start(sum, 10).err().unwrap().errno, libc::EBUSY);
        let (mut next, mut answered) = (0, 0);
        while answered < 20_000 {
            while next < 20_000 && owner.submit([next; 9]).is_ok() {
                next += 1;
            }
            assert!(owner.fd().wait_readable(5000).unwrap());
            while let Some(answer) = owner.poll() {
                assert_eq!(answer, answered * 9);
                answered += 1;
            }
        }
        assert_eq!(owner.poll(), None);
        assert!(!owner.fd().wait_readable(0).unwrap());
    }

    #[test]
    fn a_full_mailbox_gives_the_request_back_and_the_thread_is_nice() {
        static GATE: AtomicBool = AtomicBool::new(false);
        static WORKER: Worker<u32, libc::c_int> = Worker::new();
        let niceness = |_| {
            while !GATE.load(Acquire) {
                std::thread::sleep(std::time::Duration::from_millis(1));
            }
            // SAFETY: no pointers.
            unsafe {
                libc::getpriority(
                    libc::PRIO_PROCESS as _,
                    libc::syscall(libc::SYS_gettid) as libc::id_t,
                )
            }
        };
        let mut owner = WORKER.start(niceness, 7).unwrap();
        for request in 0..DEPTH as u32 {
            owner.submit(request).unwrap();
        }
        assert_eq!(owner.submit(99), Err(99));
        assert_eq!(owner.poll(), None);
        GATE.store(true, Release);
        let mut answered = 0;
        while answered < DEPTH {
            assert!(owner.fd().wait_readable(5000).unwrap());
            while let Some(niceness) = owner.poll() {
                assert_eq!(niceness, 7);
                answered += 1;
            }
        }
        owner.submit(1).unwrap();
    }
}
