use crate::traffic::{fill_down, fill_up};
use crate::world::World;

/// Keeps packets of one flow waiting at gateway 0.
fn upload(next: &mut u32) -> impl FnMut(&mut World) + '_ {
    |w| fill_up(w, 0, 7, 60, next)
}

/// Keeps packets of one flow waiting at the exit for gateway 0.
fn download(next: &mut u32) -> impl FnMut(&mut World) + '_ {
    |w| fill_down(w, 0, 7, 60, next)
}

fn three_lines() -> World {
    let mut w = World::three();
    w.run(3_000);
    w
}

#[test]
fn an_upload_gets_the_sum_of_three_lines_in_order() {
    let (mut w, mut next) = (three_lines(), 0);
    w.run_with(4_000, 1_000, upload(&mut next));
    let before = w.exits[0].at(0).bytes;
    w.run_with(8_000, 1_000, upload(&mut next));
    let got = w.exits[0].at(0).bytes - before;
    let share = got as f64 / (60e6 / 8.0 * 8.0) * 100.0;
    println!("{share:.1} %");
    assert!(share >= 85.0, "{share:.1} %\n{}", w.describe());
    assert!(w.exits[0].at(0).in_order(7));
    assert_eq!(w.exits[0].at(0).corrupt, 0);
    assert!(w.gateways[1].forwarded > 1_000 && w.gateways[2].forwarded > 1_000);
}

#[test]
fn what_is_relayed_either_way_is_told_from_what_is_ours() {
    let (mut w, mut next) = (three_lines(), 0);
    w.run_with(2_000, 1_000, upload(&mut next));
    w.run_with(2_000, 1_000, download(&mut next));
    for lender in &w.gateways[1..3] {
        assert!(lender.relayed > 1_000);
        assert_eq!(lender.relayed, lender.forwarded);
    }
}

#[test]
fn a_download_gets_the_sum_of_three_lines_in_order() {
    let (mut w, mut next) = (three_lines(), 0);
    w.run_with(4_000, 1_000, download(&mut next));
    let before = w.gateways[0].at.bytes;
    w.run_with(8_000, 1_000, download(&mut next));
    let got = w.gateways[0].at.bytes - before;
    let share = got as f64 / (60e6 / 8.0 * 8.0) * 100.0;
    println!("{share:.1} %");
    assert!(share >= 85.0, "{share:.1} %\n{}", w.describe());
    assert!(w.gateways[0].at.in_order(7));
    assert_eq!(w.gateways[0].at.corrupt, 0);
}
