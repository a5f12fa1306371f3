//! Wall time as accounts need it: days, billing periods, hours of the week. Whole seconds in 32 bits, which last until
//! 2106, so that a router never divides 64 bits.

use core::fmt;

/// Days from 1970-01-01 to 2020-01-01.
const EPOCH_2020: u32 = 18_262;
/// Before this (2025-01-01) no clock is right: the software is younger.
const YOUNGEST: u32 = 1_735_689_600;

/// Seconds since 1970 that a clock said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Wall(pub u32);

/// A fixed distance from UTC, in minutes to the east.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Zone(pub i16);

/// A day: 1 is 2020-01-01, 0 is a day that nobody knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day(pub u16);

impl Wall {
    /// What a system's clock says, if it can be right: a router without a clock of its own starts in 1970, or at the time of
    /// its youngest file.
    pub fn sane(seconds: u64) -> Option<Self> {
        let seconds = u32::try_from(seconds).ok()?;
        (seconds >= YOUNGEST).then_some(Self(seconds))
    }
    const fn local(self, zone: Zone) -> u32 {
        self.0.saturating_add_signed(zone.0 as i32 * 60)
    }
    /// The day in this zone.
    pub fn day(self, zone: Zone) -> Day {
        let days = (self.local(zone) / 86_400).saturating_sub(EPOCH_2020) + 1;
        Day(u16::try_from(days).unwrap_or(u16::MAX))
    }
    /// Minutes since midnight in this zone.
    pub fn minute_of_day(self, zone: Zone) -> u16 {
        (self.local(zone) % 86_400 / 60) as u16
    }
    /// Hours since Monday 0:00 in this zone, below 168.
    pub fn hour_of_week(self, zone: Zone) -> u8 {
        // 1970-01-01 was a Thursday.
        ((self.local(zone) / 3_600 + 72) % 168) as u8
    }
    /// Seconds from now to the beginning of `day` in this zone; zero if it has begun.
    pub fn until(self, day: Day, zone: Zone) -> u32 {
        let begins = (u32::from(day.0) + EPOCH_2020)
            .saturating_sub(1)
            .saturating_mul(86_400);
        begins.saturating_sub(self.local(zone))
    }
}

impl Day {
    /// A day that nobody knows.
    pub const UNKNOWN: Self = Self(0);

    /// Reads `2026-11-25`; `None` if there is no such day, or it lies before 2020.
    pub fn parse(text: &str) -> Option<Self> {
        let mut fields = text.splitn(3, '-');
        let year = fields.next()?.parse().ok()?;
        let month = fields.next()?.parse().ok()?;
        let date = (year, month, fields.next()?.parse().ok()?);
        (1..=LAST).map(Self).find(|day| day.date() == date)
    }

    /// Year, month (1 to 12) and day of the month, by the Gregorian calendar.
    pub fn date(self) -> (u16, u8, u8) {
        // Counted from March, so that the leap day is the last of its year. 2020-03-01 is day 61, and leap years come every
        // fourth year as long as 16 bits of days last (2100 apart).
        let skipped = u32::from(self.0 >= DAY_2100_03_01);
        let since = u32::from(self.0) + 1_400 + skipped;
        let (four, rest) = (since / 1_461, since % 1_461);
        let year = (rest / 365).min(3);
        let of_year = rest - year * 365;
        let month = (5 * of_year + 2) / 153;
        let day = of_year - (153 * month + 2) / 5 + 1;
        let years = 2_016 + 4 * four + year + u32::from(month >= 10);
        let month = if month < 10 { month + 3 } else { month - 9 };
        (years as u16, month as u8, day as u8)
    }
    /// The last `reset_day` of a month up to this day: when the billing period began. Months that are shorter begin theirs
    /// on their last day.
    pub fn period_start(self, reset_day: u8) -> Self {
        let (_, _, of_month) = self.date();
        let wanted = |length: u8| u16::from(reset_day.clamp(1, 31).min(length));
        let before = self.0.saturating_sub(u16::from(of_month));
        let this = wanted(self.month_length());
        if u16::from(of_month) >= this {
            return Self(before + this);
        }
        let length = Self(before).month_length();
        Self(before.saturating_sub(u16::from(length)) + wanted(length))
    }
    /// When the billing period after that of this day begins.
    pub fn next_period(self, reset_day: u8) -> Self {
        let start = self.period_start(reset_day);
        let mut days = (1..=32).map(|n| Self(self.0.saturating_add(n)));
        days.find(|day| day.period_start(reset_day) != start)
            .unwrap_or(self)
    }
    fn month_length(self) -> u8 {
        match self.date() {
            (year, 2, _) if year % 4 == 0 && year != 2100 => 29,
            (_, 2, _) => 28,
            (_, 4 | 6 | 9 | 11, _) => 30,
            _ => 31,
        }
    }
}

/// The last day that a clock of 32 bits shows.
const LAST: u16 = 31_449;
/// 2100 is no leap year.
const DAY_2100_03_01: u16 = 29_280;

impl fmt::Display for Day {
    /// `2026-11-25`, or `unknown`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::UNKNOWN {
            return f.write_str("unknown");
        }
        let (year, month, day) = self.date();
        write!(f, "{year}-{month:02}-{day:02}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The calendar by counting, from 2020-01-01 on.
    fn counted() -> impl Iterator<Item = (Day, (u16, u8, u8))> {
        let (mut year, mut month, mut day) = (2020u16, 1u8, 0u8);
        (1..=u16::MAX - 40).map(move |n| {
            let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
            let length = match month {
                2 => 28 + u8::from(leap),
                4 | 6 | 9 | 11 => 30,
                _ => 31,
            };
            day += 1;
            if day > length {
                (day, month) = (1, month + 1);
            }
            if month > 12 {
                (month, year) = (1, year + 1);
            }
            (Day(n), (year, month, day))
        })
    }

    #[test]
    fn dates_agree_with_counting_through_a_century_and_more() {
        for (day, date) in counted() {
            assert_eq!(day.date(), date, "{day:?}");
        }
    }

    #[test]
    fn a_period_begins_on_the_reset_day_or_on_the_last_day_of_a_shorter_month() {
        for reset in [1, 15, 29, 31] {
            let mut start = Day(0);
            for (day, (_, _, of_month)) in counted().take(4_000).skip(62) {
                let last = day.month_length() == of_month;
                if of_month == reset || (last && reset > of_month) {
                    if start != Day(0) {
                        assert_eq!(start.next_period(reset), day);
                    }
                    start = day;
                }
                if start != Day(0) {
                    assert_eq!(day.period_start(reset), start, "{day} by {reset}");
                }
            }
        }
    }

    #[test]
    fn hours_and_days_are_those_of_the_zone() {
        // 2026-11-25 22:30:00 UTC, a Wednesday.
        let wall = Wall::sane(1_795_645_800).unwrap();
        assert_eq!(format!("{}", wall.day(Zone(0))), "2026-11-25");
        assert_eq!(wall.hour_of_week(Zone(0)), 2 * 24 + 22);
        assert_eq!(wall.minute_of_day(Zone(0)), 22 * 60 + 30);
        let east = Zone(120);
        assert_eq!(format!("{}", wall.day(east)), "2026-11-26");
        assert_eq!(wall.hour_of_week(east), 3 * 24);
        assert_eq!(wall.minute_of_day(east), 30);
        let (today, tomorrow) = (wall.day(Zone(0)), Day(wall.day(Zone(0)).0 + 1));
        assert_eq!(wall.until(tomorrow, Zone(0)), 5_400);
        assert_eq!(wall.until(today, Zone(0)), 0);
    }

    #[test]
    fn a_day_is_read_as_it_is_written() {
        for (day, _) in counted().take_while(|(day, _)| day.0 <= LAST).step_by(97) {
            assert_eq!(Day::parse(&format!("{day}")), Some(day));
        }
        for bad in [
            "",
            "2026",
            "2026-02-30",
            "2019-12-31",
            "26-1-1",
            "2026-11-25-1",
        ] {
            assert_eq!(Day::parse(bad), None, "{bad}");
        }
        assert_eq!(Wall(u32::MAX).day(Zone(0)), Day(LAST));
    }

    #[test]
    fn a_clock_that_starts_in_1970_is_not_believed() {
        assert_eq!(Wall::sane(30), None);
        assert_eq!(Wall::sane(u64::MAX), None);
        assert_eq!(format!("{}", Day::UNKNOWN), "unknown");
    }
}
