use super::*;
use proptest::prelude::*;

/// Monday 2026-11-23 0:00 UTC.
const MONDAY: u32 = 1_795_392_000;
const WEEK: u32 = 7 * 86_400;

fn at(seconds: u32) -> Option<(Wall, Zone)> {
    Some((Wall(MONDAY + seconds), Zone(0)))
}

/// A week in which the household uses so many kbit/s downwards from 20 to 22 o'clock, and the line carries 20 Mbit/s at times.
fn live(usage: &mut Usage, week: u32, evening: u64) {
    for minute in 0..7 * 24 * 60 {
        let seconds = week * WEEK + minute * 60;
        let own = if (20..22).contains(&(minute / 60 % 24)) {
            evening * 60_000 / 8
        } else {
            0
        };
        let all = if minute % 500 < 20 {
            20_000 * 7_500
        } else {
            own
        };
        usage.handle_use(
            at(seconds),
            [own / 20, own],
            [own / 20, all.max(own)],
            60_000,
        );
    }
}

#[test]
fn an_evening_that_is_always_busy_is_expected_and_less_is_offered_than_at_noon() {
    let mut usage = Usage::default();
    assert_eq!(usage.forecast(at(0)), Forecast::default());
    (0..4).for_each(|week| live(&mut usage, week, 12_000));
    // Nobody uses it at the moment.
    usage.handle_use(at(4 * WEEK), [0; 2], [0; 2], 60_000);
    let hour = |h: u32| usage.forecast(at(4 * WEEK + h * 3_600 + 300));
    assert_eq!(hour(12).offered, [0, 0], "whatever is idle");
    let evening = hour(20);
    assert_eq!(evening.confidence, 80);
    assert!(
        (9_000..=12_000).contains(&evening.expected[1]),
        "{evening:?}"
    );
    assert_eq!(evening.offered[1], 14_336, "{evening:?}");
    let (noon, left) = (hour(12).idle[1], 20_000 - evening.expected[1]);
    assert_eq!(noon, 16_384, "the first three bits of 20 Mbit/s");
    assert!(
        evening.idle[1] <= left && evening.idle[1] > left / 2,
        "{evening:?}"
    );
    let before = usage.forecast(at(4 * WEEK + 19 * 3_600 + 55 * 60));
    assert_eq!(before.offered, evening.offered, "the next minutes count");
    assert_eq!(hour(22).offered, [0, 0]);
}

#[test]
fn weeks_that_differ_are_trusted_less_than_weeks_that_agree() {
    let (mut steady, mut mixed) = (Usage::default(), Usage::default());
    for week in 0..6 {
        live(&mut steady, week, 8_000);
        live(&mut mixed, week, if week % 2 == 0 { 16_000 } else { 0 });
    }
    let evening = at(6 * WEEK + 20 * 3_600 + 60);
    let (steady, mixed) = (steady.forecast(evening), mixed.forecast(evening));
    assert!(
        steady.confidence > 80 && mixed.confidence < 60,
        "{steady:?} {mixed:?}"
    );
}

#[test]
fn what_is_used_now_counts_at_once_where_habits_are_known_and_limits_nothing_where_they_are_not() {
    let mut usage = Usage::default();
    let run = |usage: &mut Usage, now, kbit: u64| {
        for _ in 0..150 {
            usage.handle_use(now, [0, kbit * 125], [0, kbit * 125], 1_000);
        }
    };
    run(&mut usage, None, 10_000);
    let forecast = usage.forecast(None);
    assert!((9_800..=10_000).contains(&forecast.now[1]), "{forecast:?}");
    assert_eq!((forecast.confidence, forecast.offered), (0, [0, 0]));
    live(&mut usage, 0, 0);
    run(&mut usage, at(WEEK), 10_000);
    let forecast = usage.forecast(at(WEEK + 150));
    assert_eq!(forecast.confidence, 50);
    assert_eq!(forecast.offered, [0, 14_336], "of 20 Mbit/s");
    run(&mut usage, at(WEEK + 150), 0);
    assert_eq!(usage.forecast(at(WEEK + 300)).offered, [0, 0]);
}

#[test]
fn a_line_that_was_never_filled_is_offered_a_little_more_each_time() {
    let mut usage = Usage::default();
    let bytes = |kbit: u32, seconds: u64| u64::from(kbit) * 125 * seconds;
    // The household uses a steady 5 Mbit/s of a line of 100 for a week, and then borrowers take what is offered.
    for hour in 0..168 {
        let use_of = [0, bytes(5_000, 3_600)];
        usage.handle_use(at(hour * 3_600), use_of, use_of, 3_600_000);
    }
    let (mut lent, mut limits) = (0, 0);
    for second in 0..900 {
        let now = at(WEEK + second);
        let all = (5_000 + lent).min(100_000);
        usage.handle_use(now, [0, bytes(5_000, 1)], [0, bytes(all, 1)], 1_000);
        lent = match usage.forecast(now).offered[1] {
            0 => 100_000,
            limit => limit,
        };
        limits += u32::from(lent < 100_000);
    }
    assert!(limits > 10, "at first it is taken for a slow line");
    assert_eq!(lent, 100_000, "whatever is idle");
}

#[test]
fn of_a_line_of_unknown_width_all_is_kept_where_something_is() {
    let mut usage = Usage::default();
    let keep = |usage: &Usage, reserve, found| {
        let mut forecast = usage.forecast(None);
        forecast.keep(reserve, found);
        (forecast.kept, forecast.offered)
    };
    assert!(!keep(&usage, [0; 2], [0; 2]).0, "nothing is to be kept");
    assert!(keep(&usage, [0, 5_000], [0; 2]).0);
    assert!(keep(&usage, [0, 5_000], [9_000, 5_000]).0);
    assert_eq!(keep(&usage, [0, 5_000], [0, 13_000]), (false, [0, 7_680]));
    // What was seen on the line counts too, whosever it was.
    for second in 0..60 {
        usage.handle_use(at(second), [0; 2], [125_000, 2_500_000], 1_000);
    }
    assert_eq!(usage.forecast(None).peak, [1_000, 20_000]);
    let offered = (false, [480, 15_360]);
    assert_eq!(keep(&usage, [500, 4_000], [0, 13_000]), offered);
}

#[test]
fn an_hour_that_was_hardly_seen_teaches_nothing_and_what_is_kept_comes_back() {
    let mut usage = Usage::default();
    for minute in 0..15 {
        usage.handle_use(at(minute * 60), [0, 75_000_000], [0; 2], 60_000);
    }
    usage.handle_use(at(3_600), [0; 2], [0; 2], 1_000);
    assert_eq!(usage.forecast(at(WEEK)).confidence, 0);
    live(&mut usage, 1, 12_000);
    let mut bytes = [0; Usage::EMITTED];
    usage.emit(&mut Writer::new(&mut bytes)).unwrap();
    let mut kept = Usage::default();
    kept.read(&mut Reader::new(&bytes)).unwrap();
    for hour in 0..168 {
        let (a, b) = (usage.bins.of(hour), kept.bins.of(hour));
        assert_eq!(a, b, "hour {hour}");
    }
    assert_eq!(kept.peak, usage.peak);
}

proptest! {
    #[test]
    fn what_is_kept_is_never_offered_and_most_of_the_rest_is(
        peak: [u32; 2], found: [u32; 2], reserve: [u32; 2], offered: [u32; 2],
    ) {
        let mut forecast = Forecast { peak, offered, ..Forecast::default() };
        forecast.keep(reserve, found);
        for way in 0..2 {
            let seen = peak[way].max(found[way]);
            let left = seen.saturating_sub(reserve[way]);
            if reserve[way] == 0 {
                prop_assert_eq!(forecast.offered[way], offered[way]);
            } else if !forecast.kept {
                let all = if offered[way] == 0 { left } else { left.min(offered[way]) };
                prop_assert!(forecast.offered[way] > 0 && forecast.offered[way] <= all);
                prop_assert!(forecast.offered[way] >= all - all / 8 - 1);
            } else {
                prop_assert!((0..2).any(|way| reserve[way] > 0
                    && peak[way].max(found[way]).saturating_sub(reserve[way]) < LEAST + LEAST / 8));
            }
        }
    }

    #[test]
    fn no_use_and_no_kept_bytes_make_it_overflow(
        bytes in proptest::collection::vec(any::<u8>(), Usage::EMITTED),
        used in proptest::collection::vec((any::<u32>(), any::<[u64; 2]>(), any::<[u64; 2]>(), any::<u32>()), 1..40),
    ) {
        let mut usage = Usage::default();
        usage.read(&mut Reader::new(&bytes)).unwrap();
        for (wall, own, all, millis) in used {
            let now = Some((Wall(wall), Zone(-840)));
            usage.handle_use(now, own, all, millis);
            let forecast = usage.forecast(now);
            prop_assert!(forecast.confidence <= 100);
        }
    }
}
