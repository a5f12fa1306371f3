//! What is lent now: the owner's rules, applied to the moment.

use super::accounts::Accounts;
use super::network::UplinkState;
use crate::config::{Config, Uplink};
use burstmesh_core::ledger::cap::{Pace, limit};
use burstmesh_core::node::gateway::{Gateway, UplinkConfig};
use burstmesh_core::time::Instant;
use burstmesh_core::usage::Forecast;
use burstmesh_core::wire::control::MAX_UPLINKS;
use burstmesh_core::wire::path::Cost;
use heapless::Vec;

/// Why an uplink is lent as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Its owner does not lend it.
    NotLent,
    /// The agent is paused.
    Paused,
    /// It is not the hour.
    Hours,
    /// Hours are set, and nobody knows the time.
    NoClock,
    /// The plan is used up.
    CapReached,
    /// No more than what is kept for its household was seen on it.
    Reserved,
    /// The plan is nearly used up: it is lent slowly.
    NearCap,
    /// Its household uses it now, or usually does at this hour, or its owner says so: room is kept for it.
    Habit,
    /// As its owner allows.
    Free,
}

impl Reason {
    /// It is lent, be it slowly.
    #[cfg(feature = "control-net")]
    pub const fn is_lent(self) -> bool {
        matches!(self, Self::NearCap | Self::Habit | Self::Free)
    }

    /// In words.
    pub const fn words(self) -> &'static str {
        match self {
            Self::NotLent => "not lent",
            Self::Paused => "paused",
            Self::Hours => "not lent at this hour",
            Self::NoClock => "not lent: the time is unknown",
            Self::CapReached => "not lent: the cap is reached",
            Self::Reserved => "not lent: no more was seen than what is kept",
            Self::NearCap => "lent slowly: near the cap",
            Self::Habit => "lent less: room is kept for the household",
            Self::Free => "lent",
        }
    }
}

/// What holds for each uplink now, by its number.
#[derive(Debug, Default)]
pub struct Lending {
    applied: Vec<UplinkConfig, MAX_UPLINKS>,
    reasons: Vec<Reason, MAX_UPLINKS>,
}

impl Lending {
    /// Why the uplink with this number is lent as it is.
    pub fn reason(&self, number: usize) -> Reason {
        self.reasons.get(number).copied().unwrap_or(Reason::NotLent)
    }

    /// What is lent at most of the uplink with this number, up and down, in kbit/s; 0: what is idle.
    pub fn limits(&self, number: usize) -> (u32, u32) {
        self.applied
            .get(number)
            .map_or((0, 0), |u| (u.lend_up_kbit, u.lend_down_kbit))
    }

    /// Applies the rules to the gateway. The counters were read just now.
    pub fn follow(
        &mut self,
        now: Instant,
        gateway: &mut Gateway<'_>,
        config: &Config,
        accounts: &Accounts,
        states: &[UplinkState],
        paused: bool,
    ) {
        self.reasons.clear();
        let mut wanted = Vec::new();
        for (number, uplink) in config.uplinks.iter().enumerate() {
            let pace = accounts.pace(now, uplink);
            let minute = accounts.minute_of_day(now, uplink);
            let mut forecast = accounts.forecast(now, uplink);
            let reserve = [uplink.reserve_up, uplink.reserve_down].map(|rate| rate.0);
            forecast.keep(reserve, gateway.found_kbit(number as u8));
            let reason = reason(uplink, paused, minute, pace, &forecast);
            let _ = self.reasons.push(reason);
            let ipv6 = states.get(number).is_some_and(|s| s.ipv6);
            let _ = wanted.push(UplinkConfig {
                ipv6,
                ..effective(uplink, reason, pace, &forecast)
            });
        }
        if wanted != self.applied {
            gateway.set_uplinks(now, &wanted);
            self.applied = wanted;
        }
        for (number, uplink) in config.uplinks.iter().enumerate() {
            gateway.set_left(number as u8, accounts.left(uplink));
        }
    }
}

fn reason(
    uplink: &Uplink,
    paused: bool,
    minute: Option<u16>,
    pace: Pace,
    forecast: &Forecast,
) -> Reason {
    if !uplink.lend {
        return Reason::NotLent;
    }
    if paused {
        return Reason::Paused;
    }
    if !uplink.hours.is_empty() {
        let Some(minute) = minute else {
            return Reason::NoClock;
        };
        if !uplink.hours.iter().any(|h| h.contains(minute)) {
            return Reason::Hours;
        }
    }
    match pace {
        Pace::Stop => Reason::CapReached,
        _ if forecast.kept => Reason::Reserved,
        Pace::Slow(_) => Reason::NearCap,
        Pace::Free if forecast.offered != [0, 0] => Reason::Habit,
        Pace::Free => Reason::Free,
    }
}

fn effective(uplink: &Uplink, reason: Reason, pace: Pace, forecast: &Forecast) -> UplinkConfig {
    let [up, down] = forecast.offered;
    UplinkConfig {
        lend: matches!(reason, Reason::Free | Reason::NearCap | Reason::Habit),
        lend_up_kbit: limit(uplink.lend_up.0, pace, up),
        lend_down_kbit: limit(uplink.lend_down.0, pace, down),
        idle_kbit: forecast.idle,
        shares_address: uplink.share_address,
        ipv6: false,
        cost: if uplink.metered {
            Cost::METERED
        } else {
            Cost::new(uplink.cost)
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::values::Hours;

    fn uplink(text: &str) -> Uplink {
        let uci = format!(
            "config community\n\toption name 'a'\n\toption secret 'AwswVXqfxOkOM1h9osfsETZbgKXK7xQ5XoOozfIXPGE='\n\
             config exit 'one'\n\toption key '3p7bfXt9wbTTW2HC7OQ1Nz+DQ8hbeGdNrfx+FG+IK08='\n\tlist address '203.0.113.7:4455'\n\
             config mesh\n\toption ifname 'mesh0'\nconfig uplink 'wan'\n\toption ifname 'wan'\n{text}"
        );
        let config = Config::parse(uci.as_bytes(), &mut |p| panic!("{p}")).unwrap();
        config.uplinks[0].clone()
    }

    #[test]
    fn the_strictest_rule_decides_and_an_unknown_time_closes_hours() {
        let uplink = uplink("\toption lend '1'\n\tlist lend_hours '22:00-07:00'\n");
        assert_eq!(
            uplink.hours[0],
            Hours {
                from: 1320,
                to: 420
            }
        );
        let reason = |paused, minute, pace| {
            super::reason(&uplink, paused, minute, pace, &Forecast::default())
        };
        assert_eq!(reason(false, None, Pace::Free), Reason::NoClock);
        assert_eq!(reason(false, Some(12 * 60), Pace::Free), Reason::Hours);
        for minute in [22 * 60, 0, 7 * 60 - 1] {
            assert_eq!(reason(false, Some(minute), Pace::Free), Reason::Free);
        }
        assert_eq!(reason(false, Some(7 * 60), Pace::Free), Reason::Hours);
        assert_eq!(reason(false, Some(0), Pace::Slow(64)), Reason::NearCap);
        assert_eq!(reason(false, Some(0), Pace::Stop), Reason::CapReached);
        assert_eq!(reason(true, Some(0), Pace::Free), Reason::Paused);
    }

    #[test]
    fn near_the_cap_the_lower_limit_holds() {
        let uplink = uplink("\toption lend '1'\n\toption lend_up '1Mbit'\n");
        let free = effective(&uplink, Reason::Free, Pace::Free, &Forecast::default());
        assert_eq!((free.lend_up_kbit, free.lend_down_kbit), (1_000, 0));
        let slow = effective(
            &uplink,
            Reason::NearCap,
            Pace::Slow(2_000),
            &Forecast::default(),
        );
        assert_eq!((slow.lend_up_kbit, slow.lend_down_kbit), (1_000, 2_000));
        assert!(
            slow.lend
                && !effective(
                    &uplink,
                    Reason::CapReached,
                    Pace::Stop,
                    &Forecast::default()
                )
                .lend
        );
        let habit = Forecast {
            offered: [5_000, 5_000],
            idle: [0, 7_000],
            ..Forecast::default()
        };
        let evening = effective(&uplink, Reason::Habit, Pace::Free, &habit);
        assert_eq!(evening.idle_kbit, [0, 7_000]);
        assert_eq!(
            (evening.lend_up_kbit, evening.lend_down_kbit),
            (1_000, 5_000)
        );
        assert!(evening.lend);
    }

    #[test]
    fn what_is_kept_for_the_household_is_not_lent_and_none_of_a_line_of_unknown_width() {
        let uplink = uplink("\toption lend '1'\n\toption reserve_down '8Mbit'\n");
        let reserve = [uplink.reserve_up, uplink.reserve_down].map(|rate| rate.0);
        assert_eq!(reserve, [0, 8_000]);
        for (found, reason, down) in [
            (0, Reason::Reserved, 0),
            (8_000, Reason::Reserved, 0),
            (20_000, Reason::Habit, 11_264),
        ] {
            let mut forecast = Forecast::default();
            forecast.keep(reserve, [0, found]);
            let now = super::reason(&uplink, false, None, Pace::Free, &forecast);
            let config = effective(&uplink, now, Pace::Free, &forecast);
            assert_eq!((now, config.lend), (reason, down > 0));
            assert_eq!((config.lend_up_kbit, config.lend_down_kbit), (0, down));
        }
    }
}
