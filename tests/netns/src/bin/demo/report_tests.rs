//! The page from a recording made up by hand.

use std::time::Duration;

use burstmesh_netns::tools::ping::{PingReport, Reply};

use super::*;
use crate::recorder::Sample;

fn step(title: &'static str, pooled: bool, begun: f64, seconds: u64) -> Step {
    let bytes = 75_000_000;
    let transfer = Transfer {
        bins: vec![bytes / (seconds * 10); seconds as usize * 10],
        bytes,
        duration: Duration::from_secs(seconds),
        first_byte: Duration::ZERO,
        longest_gap: Duration::from_millis(120),
        complete: true,
        intact: true,
        exit_code: Some(0),
        said: String::new(),
    };
    let ping = PingReport {
        sent: 2,
        replies: vec![Reply {
            at: begun + 1.0,
            number: 1,
            rtt_ms: 42.0,
        }],
    };
    let span = (begun, begun + seconds as f64);
    Step {
        title,
        pooled,
        way: Way::Down,
        span,
        transfer: Some(transfer),
        ping,
        lost: vec![begun + 1.1],
        late: Duration::from_micros(1500),
    }
}

fn recording() -> Recording {
    let sample = |at, rate| Sample {
        at,
        down: vec![rate; 3],
        up: vec![0.0; 3],
    };
    Recording {
        lines: vec![Rate::mbit(20); 3],
        samples: (1..60)
            .map(|second| sample(f64::from(second), 18e6))
            .collect(),
        steps: vec![
            step("alone", false, 0.0, 40),
            step("pooled", true, 41.0, 12),
        ],
        marks: vec![(45.0, "a line goes silent")],
    }
}

#[test]
fn the_page_compares_alone_and_pooled() {
    let page = render(&recording());
    assert!(
        page.contains("Download<b>50.0 Mbit/s</b>3.3 times the 15.0 of the own line"),
        "{page}"
    );
    assert!(
        page.contains(
            "<td>75 MB<td>12.0 s<td>50.0 Mbit/s<td>83 %<td>120 ms<td>42 ms<td>42 ms<td>1 of 2<td>1.5 ms"
        ),
        "{page}"
    );
    assert!(page.contains("a line goes silent</text>"));
    assert!(page.contains("<b>120 ms</b>longest gap; the file arrived whole"));
}

#[test]
fn the_page_needs_nothing_from_elsewhere() {
    let page = render(&recording());
    for word in ["http", "src=", "<script", "@import", "NaN", "inf"] {
        assert!(!page.contains(word), "{word}");
    }
    assert_eq!(page.matches("<svg").count(), 3);
}

#[test]
fn a_file_that_did_not_arrive_whole_is_said_to_be_so() {
    let mut recording = recording();
    recording.steps[1].transfer.as_mut().unwrap().intact = false;
    assert!(render(&recording).contains("not whole"));
}

#[test]
fn a_demonstration_without_an_answer_to_any_ping_still_makes_a_page() {
    let mut recording = recording();
    recording.steps[1].ping.replies.clear();
    let page = render(&recording);
    assert!(page.contains("no answer") && !page.contains("inf"));
}
