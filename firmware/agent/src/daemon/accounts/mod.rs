//! The accounts of the uplinks: who used how much on which day, kept over restarts; and beside them the pause.
//!
//! | file | what |
//! |---|---|
//! | `kept.rs` | what is in the file |
//! | `meter.rs` | what the household itself used: an interface's counters less what was lent |
//! | `store.rs` | the file, written rarely and by a thread of its own |
//! | `show.rs` | `burstmesh ledger` |

mod kept;
mod meter;
mod show;
mod store;

use super::Failure;
use super::pause::Pause;
use crate::config::{Config, Uplink};
use crate::limits::LEDGER_ROWS;
use burstmesh_core::calendar::{Day, Wall, Zone};
use burstmesh_core::ledger::cap::Pace;
use burstmesh_core::ledger::{Amount, Cap, Clock, Kind, Row, book};
use burstmesh_core::node::gateway::Gateway;
use burstmesh_core::time::{Duration, Instant};
use burstmesh_core::usage::{Forecast, Usage, kbit};
use burstmesh_core::wire::control::MAX_UPLINKS;
use burstmesh_linux::netlink::Rtnl;
use burstmesh_linux::{clock, fd, warn};
use meter::Meter;
use static_cell::ConstStaticCell;
use store::Store;

pub type Ledger = book::Ledger<LEDGER_ROWS>;

static LEDGER: ConstStaticCell<Ledger> = ConstStaticCell::new(Ledger::new());
static USAGE: ConstStaticCell<Habits> = ConstStaticCell::new([const { Usage::new() }; MAX_UPLINKS]);

/// How each uplink's household uses it, by the uplink's place in the ledger.
pub type Habits = [Usage; MAX_UPLINKS];

/// Counters are read this often.
const TICK: Duration = Duration::from_secs(1);
/// And this often near a cap, and while guests use a line that its household may need.
const TICK_NEAR: Duration = Duration::from_millis(200);
/// The file is written this often, and at a regular stop; before a cap's promise is used up, also in between.
const KEEP: Duration = Duration::from_secs(3_600);

/// Everything about the accounts.
pub struct Accounts {
    ledger: &'static mut Ledger,
    clock: Clock,
    /// By the uplink's number.
    meters: [Meter; MAX_UPLINKS],
    /// By the uplink's place in the ledger.
    caps: [Cap; MAX_UPLINKS],
    habits: &'static mut Habits,
    boot: u64,
    booked_at: Instant,
    store: Store,
    tick_at: Instant,
    keep_at: Instant,
    /// As the file is to have it.
    pause: Pause,
}

impl Accounts {
    /// Reads what was kept beside the private key.
    pub fn open(now: Instant, config: &Config, rtnl: &mut Rtnl) -> Result<Self, Failure> {
        let (ledger, habits) = (LEDGER.take(), USAGE.take());
        let mut kept = kept::Kept::default();
        let boot = kept::boot();
        let store = Store::open(&config.community.key_file, |body| {
            let when = (now, boot);
            if kept.read(body, ledger, habits, when, config, rtnl).is_err() {
                warn!("the ledger's file cannot be read: it begins anew");
                (*ledger, kept) = (Ledger::new(), kept::Kept::default());
                *habits = [const { Usage::new() }; MAX_UPLINKS];
            }
        })?;
        Ok(Self {
            ledger,
            clock: Clock::new(now, kept.wall),
            meters: kept.meters,
            caps: kept.caps,
            habits,
            boot,
            booked_at: now,
            store,
            tick_at: now,
            keep_at: now + KEEP,
            pause: kept.pause,
        })
    }

    /// To wait on: readable when the file is written.
    pub fn fd(&self) -> &fd::Fd {
        self.store.fd()
    }

    /// The pause that a run before this one has left.
    pub fn pause(&self) -> Pause {
        self.pause
    }

    /// It is kept from now on, at once.
    pub fn keep_pause(&mut self, now: Instant, pause: Pause) {
        self.pause = pause;
        (self.keep_at, self.tick_at) = (now, now);
    }

    /// When [`Self::handle_timeout`] has something to do.
    pub fn poll_timeout(&self) -> Instant {
        self.tick_at
    }

    /// The passing of time; `true` when the counters were read.
    pub fn handle_timeout(
        &mut self,
        now: Instant,
        gateway: &mut Gateway<'_>,
        rtnl: &mut Rtnl,
        config: &Config,
    ) -> bool {
        if now < self.tick_at {
            return false;
        }
        self.book(now, gateway, rtnl, config);
        let (mut near, mut wanted) = (false, now >= self.keep_at);
        for uplink in &config.uplinks {
            if let Some((cap, plan)) = self.cap(uplink) {
                near |= cap.is_near(&plan);
                wanted |= cap.wants_promise(&plan);
            }
        }
        let often = near || gateway.serves_guests(now);
        self.tick_at = now + if often { TICK_NEAR } else { TICK };
        if wanted && self.store.is_free() {
            self.keep(now, config, false);
        }
        true
    }

    /// Books what was carried since the last time. To be called before uplinks change their numbers.
    pub fn book(
        &mut self,
        now: Instant,
        gateway: &mut Gateway<'_>,
        rtnl: &mut Rtnl,
        config: &Config,
    ) {
        self.clock
            .handle_time(now, Wall::sane(clock::wall_seconds()));
        let booking = self.clock.booking(now);
        let day = |number: usize| match (booking, config.uplinks.get(number)) {
            (Some(wall), uplink) => wall.day(uplink.map_or(Zone(0), |u| u.zone)),
            _ => Day::UNKNOWN,
        };
        if booking.is_some() {
            self.ledger.date_unknown(|_| day(0));
        }
        let lent = self.book_carried(gateway, config, day);
        let millis = now.since(self.booked_at).as_millis();
        let millis = u32::try_from(millis).unwrap_or(u32::MAX);
        self.booked_at = now;
        let uplinks = config.uplinks.iter().enumerate();
        for (((number, uplink), meter), lent) in uplinks.zip(&mut self.meters).zip(lent) {
            let own = match rtnl.link(&uplink.ifname) {
                Ok(Some(link)) => meter.read(&uplink.ifname, link.index, link.counters),
                _ => Amount::default(),
            };
            let Some(at) = place(self.ledger, config, number) else {
                continue;
            };
            self.ledger.book(Row {
                day: day(number),
                kind: Kind::Own,
                uplink: at,
                member: book::NOBODY,
                amount: own,
            });
            if let Some(cap) = self.caps.get_mut(usize::from(at)) {
                cap_follows(
                    cap,
                    uplink,
                    lent.sum() + own.sum(),
                    (&self.clock, now),
                    |from| self.ledger.total(at, from).sum(),
                );
            }
            if let Some(usage) = self.habits.get_mut(usize::from(at)) {
                let when = self.clock.shown(now).map(|wall| (wall, uplink.zone));
                let all = [own.up + lent.up, own.down + lent.down];
                usage.handle_use(when, [own.up, own.down], all, millis);
                let rates = |bytes: [u64; 2]| bytes.map(|bytes| kbit(bytes, millis));
                let ([up, down], now) = (usage.peak(), rates(all));
                let most = [up.max(now[0]), down.max(now[1])];
                let (own, lent) = (rates([own.up, own.down]), rates([lent.up, lent.down]));
                gateway.put_household_first(number as u8, most, own, lent);
            }
        }
    }

    /// Books what was lent and borrowed; gives what was lent of each uplink.
    fn book_carried(
        &mut self,
        gateway: &mut Gateway<'_>,
        config: &Config,
        day_of: impl Fn(usize) -> Day,
    ) -> [Amount; MAX_UPLINKS] {
        let mut all = [Amount::default(); MAX_UPLINKS];
        gateway.take_carried(|member, kind, number, amount| {
            let number = usize::from(number);
            // Borrowed bytes went over lines elsewhere: their days are those of our first uplink.
            let (mut day, mut uplink) = (day_of(0), Some(number as u8));
            if kind == Kind::Lent {
                (day, uplink) = (day_of(number), place(self.ledger, config, number));
                if let Some(meter) = self.meters.get_mut(number) {
                    meter.lent(amount);
                }
                if let Some(lent) = all.get_mut(number) {
                    lent.add(amount);
                }
            }
            if let Some(uplink) = uplink {
                self.ledger.book(Row {
                    day,
                    kind,
                    uplink,
                    member,
                    amount,
                });
            }
        });
        all
    }

    /// All that was booked, in no order.
    #[cfg(feature = "control-net")]
    pub fn rows(&self) -> &[Row] {
        self.ledger.rows()
    }

    /// The uplink's cap, if its owner set one.
    pub fn cap(&self, uplink: &Uplink) -> Option<(&Cap, burstmesh_core::ledger::cap::Plan)> {
        let at = self.ledger.find(&uplink.name)?;
        Some((self.caps.get(usize::from(at))?, uplink.plan()?))
    }

    /// Bytes that may be lent until the next reading; `None`: there is no cap.
    pub fn left(&self, uplink: &Uplink) -> Option<u64> {
        uplink.plan()?;
        Some(self.cap(uplink).map_or(0, |(cap, plan)| cap.left(&plan)))
    }

    /// How fast the cap lets an uplink be lent.
    pub fn pace(&self, now: Instant, uplink: &Uplink) -> Pace {
        let believed = self.clock.believed(now);
        self.cap(uplink)
            .map_or(Pace::Free, |(cap, plan)| cap.pace(&plan, believed))
    }

    /// What its household is likely to need of an uplink in the next minutes.
    pub fn forecast(&self, now: Instant, uplink: &Uplink) -> Forecast {
        let at = self.ledger.find(&uplink.name).map(usize::from);
        let usage = at.and_then(|at| self.habits.get(at));
        let when = self.clock.shown(now).map(|wall| (wall, uplink.zone));
        usage.map_or(Forecast::default(), |usage| usage.forecast(when))
    }

    /// The minute of the day at an uplink; `None` as long as nobody knows.
    pub fn minute_of_day(&self, now: Instant, uplink: &Uplink) -> Option<u16> {
        self.clock
            .shown(now)
            .map(|wall| wall.minute_of_day(uplink.zone))
    }

    /// The file may have been written: the counters are to be read, for more may be lent.
    pub fn handle_written(&mut self, now: Instant) {
        if let Some(good) = self.store.handle_written() {
            self.caps.iter_mut().for_each(|c| c.handle_written(good));
            self.tick_at = if good { now } else { self.tick_at };
        }
    }

    /// Writes the file.
    fn keep(&mut self, now: Instant, config: &Config, last: bool) {
        self.keep_at = now + KEEP;
        for uplink in &config.uplinks {
            let at = self.ledger.find(&uplink.name).map(usize::from);
            let cap = at.and_then(|at| self.caps.get_mut(at));
            if let (Some(cap), Some(plan)) = (cap, uplink.plan()) {
                cap.promise(&plan, last);
            }
        }
        let wall = self.clock.believed(now);
        let Self {
            ledger,
            caps,
            habits,
            meters,
            boot,
            store,
            pause,
            ..
        } = self;
        store.write(|out| {
            kept::emit(out, wall, ledger, *boot, caps, meters, config)?;
            habits.iter().try_for_each(|usage| usage.emit(out))?;
            pause.emit(now, out)
        });
    }

    /// The agent stops: writes the last of it, and waits until it is on the disk.
    pub fn stop(mut self, now: Instant, config: &Config) {
        self.store.wait();
        self.keep(now, config, true);
        self.store.wait();
    }
}

/// The cap follows what was used, and what day it is.
fn cap_follows(
    cap: &mut Cap,
    uplink: &Uplink,
    used: u64,
    (clock, now): (&Clock, Instant),
    used_since: impl FnOnce(Day) -> u64,
) {
    let Some(plan) = uplink.plan() else {
        *cap = Cap::default();
        return;
    };
    cap.handle_used(used);
    if let Some(wall) = clock.believed(now) {
        let settled = clock.is_settled(now);
        cap.handle_day(&plan, wall.day(plan.zone), settled, used_since);
    }
}

/// The ledger's place of the uplink with this number.
fn place(ledger: &mut Ledger, config: &Config, number: usize) -> Option<u8> {
    let name = &config.uplinks.get(number)?.name;
    ledger.place_of(name, |other| config.uplinks.iter().any(|u| u.name == other))
}
