use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::vec;

const MEMBER: NodeId = NodeId([7; 8]);

fn row(day: u16, kind: Kind, member: u8, up: u64, down: u64) -> Row {
    Row {
        day: Day(day),
        kind,
        uplink: 0,
        member: NodeId([member; 8]),
        amount: Amount { up, down },
    }
}

#[test]
fn amounts_of_one_day_uplink_and_member_add_up() {
    let mut ledger = Ledger::<8>::new();
    for _ in 0..3 {
        ledger.book(row(5, Kind::Lent, 7, 10, 100));
        ledger.book(row(5, Kind::Own, 0, 1, 2));
        ledger.book(row(6, Kind::Borrowed, 7, 1, 1));
    }
    assert_eq!(ledger.rows().len(), 3);
    assert_eq!(
        ledger.total(0, Day(5)),
        Amount { up: 33, down: 306 },
        "borrowed bytes went over another line"
    );
    assert_eq!(ledger.total(0, Day(6)), Amount::default());
    assert_eq!(ledger.rows()[0].member, MEMBER);
}

#[test]
fn nothing_takes_no_row() {
    let mut ledger = Ledger::<2>::new();
    ledger.book(row(5, Kind::Lent, 7, 0, 0));
    assert!(ledger.rows().is_empty());
}

#[test]
fn what_was_booked_under_no_day_belongs_to_the_first_known_one_and_is_not_counted_twice() {
    let mut ledger = Ledger::<8>::new();
    ledger.book(row(0, Kind::Lent, 7, 10, 0));
    ledger.book(row(9, Kind::Lent, 7, 5, 0));
    assert_eq!(ledger.total(0, Day(9)).up, 15);
    ledger.date_unknown(|_| Day(9));
    ledger.date_unknown(|_| Day(9));
    assert_eq!(ledger.rows(), [row(9, Kind::Lent, 7, 15, 0)]);
}

#[test]
fn a_full_table_loses_members_of_old_days_first_then_old_days() {
    let mut ledger = Ledger::<6>::new();
    for day in 1..=2 {
        ledger.book(row(day, Kind::Own, 0, 1, 0));
        ledger.book(row(day, Kind::Lent, 7, 10, 0));
        ledger.book(row(day, Kind::Lent, 8, 10, 0));
    }
    ledger.book(row(3, Kind::Own, 0, 1, 0));
    assert_eq!(ledger.total(0, Day(1)).up, 43, "no byte is lost yet");
    let named = |d| move |r: &&Row| r.day == Day(d) && r.member != NOBODY;
    assert_eq!(ledger.rows().iter().filter(named(1)).count(), 0);
    assert_eq!(ledger.rows().iter().filter(named(2)).count(), 2);
    for day in 4..=9 {
        ledger.book(row(day, Kind::Own, 0, 1, 0));
    }
    let days: vec::Vec<u16> = ledger.rows().iter().map(|r| r.day.0).collect();
    assert!(days.contains(&9) && !days.contains(&1), "{days:?}");
}

#[test]
fn rows_are_shown_from_the_newest_day_on_the_household_first() {
    let mut ledger = Ledger::<8>::new();
    let rows = [
        row(3, Kind::Own, 0, 1, 0),
        row(3, Kind::Lent, 7, 1, 0),
        row(3, Kind::Lent, 8, 1, 0),
        row(2, Kind::Own, 0, 1, 0),
        row(2, Kind::Borrowed, 7, 1, 0),
    ];
    for at in [4, 2, 0, 3, 1] {
        ledger.book(rows[at]);
    }
    assert!(ledger.in_order().eq(&rows));
    assert_eq!(Ledger::<8>::new().in_order().count(), 0);
}

#[test]
fn a_forgotten_day_goes_with_all_before_it() {
    let mut ledger = Ledger::<8>::new();
    for day in 1..=4 {
        ledger.book(row(day, Kind::Own, 0, 1, 0));
    }
    ledger.forget(Day(2));
    assert_eq!(ledger.rows().len(), 2);
    assert_eq!(ledger.total(0, Day(1)).up, 2);
}

#[test]
fn an_uplink_keeps_its_place_and_a_removed_one_gives_it_up_with_its_rows() {
    let mut ledger = Ledger::<8>::new();
    let all = |_: &str| true;
    for (at, name) in ["wan", "lte", "dsl", "sat"].into_iter().enumerate() {
        assert_eq!(ledger.place_of(name, all), Some(at as u8));
    }
    assert_eq!(ledger.place_of("dsl", all), Some(2));
    assert_eq!(ledger.place_of("new", all), None);
    let lte = Row {
        uplink: 1,
        ..row(3, Kind::Own, 0, 1, 1)
    };
    ledger.book(lte);
    ledger.book(Row {
        kind: Kind::Borrowed,
        ..lte
    });
    assert_eq!(ledger.place_of("new", |n| n != "lte"), Some(1));
    assert_eq!(ledger.name(1), "new");
    assert_eq!(ledger.total(1, Day(0)), Amount::default());
    assert_eq!(ledger.rows().len(), 1, "what a member lent stays");
}

fn bytes_of<const N: usize>(ledger: &Ledger<N>) -> vec::Vec<u8> {
    let mut out = vec![0; Ledger::<N>::EMITTED];
    let mut writer = Writer::new(&mut out);
    ledger.emit(&mut writer).unwrap();
    writer.written().to_vec()
}

#[test]
fn what_is_kept_fits_a_slot() {
    const { assert!(Ledger::<256>::EMITTED < 8 * 1024) };
    let mut ledger = Ledger::<256>::new();
    (0..256).for_each(|n| ledger.book(row(n + 1, Kind::Lent, 0, u64::MAX, 1)));
    assert_eq!(bytes_of(&ledger).len(), Ledger::<256>::EMITTED);
}

#[test]
fn a_build_with_fewer_rows_keeps_the_newest_days() {
    let mut ledger = Ledger::<16>::new();
    (1..=16).for_each(|n| ledger.book(row(n, Kind::Own, 0, 1, 1)));
    let mut small = Ledger::<4>::new();
    small.read(&mut Reader::new(&bytes_of(&ledger))).unwrap();
    assert_eq!(small.total(0, Day(13)), Amount { up: 4, down: 4 });
}

fn rows() -> impl Strategy<Value = vec::Vec<Row>> {
    let kinds = prop_oneof![Just(Kind::Own), Just(Kind::Lent), Just(Kind::Borrowed)];
    let one = (0u16..6, kinds, 0u8..4, 0u8..4, 0u64..1 << 40, any::<u32>()).prop_map(
        |(day, kind, uplink, member, up, down)| Row {
            uplink,
            ..row(day, kind, member, up, down.into())
        },
    );
    proptest::collection::vec(one, 0..60)
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(rows in rows()) {
        let mut ledger = Ledger::<64>::new();
        ledger.place_of("wan", |_| true);
        rows.into_iter().for_each(|r| ledger.book(r));
        let mut read = Ledger::<64>::new();
        read.read(&mut Reader::new(&bytes_of(&ledger))).unwrap();
        prop_assert_eq!(read.rows(), ledger.rows());
        prop_assert_eq!(read.name(0), "wan");
    }

    #[test]
    fn any_bytes_are_read_or_malformed(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = Ledger::<8>::new().read(&mut Reader::new(&bytes));
    }

    #[test]
    fn sums_per_day_and_kind_survive_any_order_and_a_crowd_of_members(rows in rows()) {
        // Room for the sums of all days, kinds and uplinks, not for members.
        let mut ledger = Ledger::<73>::new();
        let mut sums = BTreeMap::<(u16, u8, u8), u64>::new();
        for r in rows {
            *sums.entry((r.day.0, r.kind as u8, r.uplink)).or_default() += r.amount.up;
            ledger.book(r);
        }
        let mut kept = BTreeMap::<(u16, u8, u8), u64>::new();
        for r in ledger.rows() {
            *kept.entry((r.day.0, r.kind as u8, r.uplink)).or_default() += r.amount.up;
        }
        sums.retain(|_, v| *v > 0);
        kept.retain(|_, v| *v > 0);
        prop_assert_eq!(sums, kept);
    }
}
