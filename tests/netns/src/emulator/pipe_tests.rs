use super::*;

const MS: Nanos = 1_000_000;

fn shape(mbit: u64, delay_ms: u64) -> Shape {
    Shape {
        rate: Some(Rate::mbit(mbit)),
        delay: Span::ms(delay_ms),
        ..Shape::default()
    }
}

/// Everything that comes out up to `now`, as (due, item); losses are left out.
fn arrivals(pipe: &mut Pipe<u32>, now: Nanos) -> Vec<(Nanos, u32)> {
    let mut out = Vec::new();
    while let Some(output) = pipe.poll(now) {
        if let Output::Arrived { packet, due } = output {
            out.push((due, packet.item));
        }
    }
    out
}

#[test]
fn a_packet_arrives_after_its_own_time_and_the_delay() {
    let mut pipe = Pipe::new(shape(20, 10), 1, 1, 0);
    pipe.offer(5 * MS, 0, 1500, 7).unwrap();
    assert_eq!(pipe.deadline(), Some(5 * MS + 600_000 + 10 * MS));
    assert!(pipe.poll(15 * MS).is_none());
    assert_eq!(arrivals(&mut pipe, 16 * MS), [(15 * MS + 600_000, 7)]);
    assert_eq!(pipe.deadline(), None);
}

#[test]
fn a_busy_line_sends_exactly_its_rate_however_late_it_is_polled() {
    let mut pipe = Pipe::new(shape(20, 10), 1, 1, 0);
    for item in 0..100 {
        pipe.offer(0, 0, 1500, item).unwrap();
    }
    let out = arrivals(&mut pipe, 1000 * MS);
    assert_eq!(out.len(), 100);
    assert_eq!(out.last().unwrap().0, 100 * 600_000 + 10 * MS);
    // Idle time earns no credit: the next packet takes its full time again.
    pipe.offer(2000 * MS, 0, 1500, 100).unwrap();
    assert_eq!(arrivals(&mut pipe, 3000 * MS), [(2010 * MS + 600_000, 100)]);
}

#[test]
fn a_full_queue_gives_the_packet_back() {
    let mut pipe = Pipe::new(
        Shape {
            queue: QueueLimit::Bytes(3000),
            ..shape(20, 10)
        },
        1,
        1,
        0,
    );
    for item in 0..3 {
        pipe.offer(0, 0, 1500, item).unwrap();
    }
    assert_eq!(pipe.backlog(), 3000);
    assert_eq!(pipe.offer(0, 0, 1500, 3), Err((Refusal::QueueFull, 3)));
    // One packet's time later there is room again.
    pipe.offer(600_000, 0, 1500, 4).unwrap();
}

#[test]
fn one_seed_loses_the_same_packets_and_another_seed_others() {
    let lost = |seed| {
        let mut pipe = Pipe::new(
            Shape {
                loss: Loss::percent(1.0),
                ..Shape::default()
            },
            1,
            seed,
            3,
        );
        let mut lost = Vec::new();
        for item in 0..20_000u32 {
            pipe.offer(u64::from(item) * MS, 0, 1500, item).unwrap();
            while let Some(output) = pipe.poll(u64::from(item) * MS) {
                if let Output::Lost(packet) = output {
                    lost.push(packet.item);
                }
            }
        }
        lost
    };
    assert_eq!(lost(1), lost(1));
    assert_ne!(lost(1), lost(2));
    assert!(
        (160..=240).contains(&lost(1).len()),
        "{} of 20000 lost at 1 %",
        lost(1).len()
    );
}

#[test]
fn jitter_stays_in_its_bounds_and_keeps_the_order() {
    let mut pipe = Pipe::new(
        Shape {
            jitter: Span::ms(10),
            ..shape(5, 100)
        },
        1,
        1,
        0,
    );
    let mut out = Vec::new();
    for item in 0..1000u32 {
        let now = u64::from(item) * 5 * MS;
        pipe.offer(now, 0, 1500, item).unwrap();
        out.extend(arrivals(&mut pipe, now));
    }
    out.extend(arrivals(&mut pipe, u64::MAX));
    let sent = |item: u32| u64::from(item) * 5 * MS + 2_400_000;
    assert!(
        out.iter()
            .enumerate()
            .all(|(index, (_, item))| index as u32 == *item),
        "order"
    );
    let delays: Vec<_> = out.iter().map(|(due, item)| due - sent(*item)).collect();
    assert!(
        delays
            .iter()
            .all(|delay| (90 * MS..=110 * MS).contains(delay))
    );
    assert!(
        delays.iter().any(|delay| *delay < 93 * MS) && delays.iter().any(|delay| *delay > 107 * MS)
    );
}

#[test]
fn a_silent_pipe_drops_what_it_holds_and_what_it_is_offered() {
    let mut pipe = Pipe::new(shape(20, 10), 1, 1, 0);
    for item in 0..4 {
        pipe.offer(0, 0, 1500, item).unwrap();
    }
    assert_eq!(pipe.silence(MS, true).len(), 4);
    assert_eq!(pipe.offer(MS, 0, 1500, 9), Err((Refusal::Silent, 9)));
    assert_eq!(arrivals(&mut pipe, 100 * MS), []);
    assert!(pipe.silence(100 * MS, false).is_empty());
    pipe.offer(100 * MS, 0, 1500, 10).unwrap();
    assert_eq!(arrivals(&mut pipe, 200 * MS), [(110 * MS + 600_000, 10)]);
}

#[test]
fn a_new_rate_holds_for_the_packets_that_still_wait() {
    let mut pipe = Pipe::new(shape(20, 0), 1, 1, 0);
    for item in 0..3 {
        pipe.offer(0, 0, 1500, item).unwrap();
    }
    pipe.reshape(0, shape(10, 0));
    assert_eq!(
        arrivals(&mut pipe, 10 * MS),
        [(600_000, 0), (1_800_000, 1), (3_000_000, 2)]
    );
}

#[test]
fn senders_of_a_medium_take_turns() {
    let mut pipe = Pipe::new(shape(100, 1), 3, 1, 0);
    for item in 0..30 {
        pipe.offer(0, 0, 1500, item).unwrap();
    }
    pipe.offer(0, 2, 1500, 100).unwrap();
    pipe.offer(0, 1, 1500, 200).unwrap();
    let order: Vec<_> = arrivals(&mut pipe, 1000 * MS)
        .iter()
        .map(|(_, item)| *item)
        .take(5)
        .collect();
    assert_eq!(order, [0, 200, 100, 1, 2]);
}

#[test]
fn a_black_hole_swallows_only_large_packets() {
    let mut pipe = Pipe::new(
        Shape {
            largest: Some(1400),
            ..Shape::default()
        },
        1,
        1,
        0,
    );
    assert_eq!(pipe.offer(0, 0, 1401, 1), Err((Refusal::TooLarge, 1)));
    pipe.offer(0, 0, 1400, 2).unwrap();
}
