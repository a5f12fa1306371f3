use super::*;
use crate::control::cookie::{Budget, Gatekeeper, Verdict};
use crate::control::handshake::tests::{credentials, hello, respond_job, welcome};
use crate::wire::handshake::CookieReply;

fn initiator() -> Initiator {
    Initiator::new(&credentials(1), credentials(2).identity.public(), 11)
}

fn at(ms: u64) -> Instant {
    Instant::from_millis(ms)
}

/// Makes the Init that is due.
fn send(initiator: &mut Initiator, now: Instant, counter: u64) -> Datagram {
    let seed = SecretKey::from_bytes([u8::try_from(counter).unwrap(); 32]);
    let job = initiator
        .poll_initiate(now, &credentials(1), hello(counter), seed)
        .expect("an Init is due");
    assert!(!initiator.wants_initiate(now), "one at a time");
    initiator
        .handle_initiated(now, job.run())
        .expect("it is wanted")
}

fn answer(init: &[u8]) -> Datagram {
    respond_job(init)
        .open()
        .unwrap()
        .respond(&welcome(), 9)
        .unwrap()
        .datagram
}

#[test]
fn a_first_answer_ends_the_handshake() {
    let mut initiator = initiator();
    assert_eq!(initiator.poll_timeout(), None);
    initiator.start(at(0), 5, None);
    let init = send(&mut initiator, at(0), 1);
    let job = initiator.handle_response(&answer(&init)).unwrap();
    let session = initiator.handle_finished(at(0), job.run()).unwrap();
    assert_eq!((session.cid, session.remote_cid), (5, 9));
    assert!(!initiator.is_active());
    assert_eq!(initiator.poll_timeout(), None);
}

#[test]
fn an_unanswered_init_is_repeated_ever_slower_up_to_eight_seconds_or_so() {
    let mut initiator = initiator();
    initiator.start(at(0), 5, None);
    let mut now = at(0);
    for (counter, seconds) in (1..).zip([1, 2, 4, 8, 8, 8]) {
        send(&mut initiator, now, counter);
        let next = initiator.poll_timeout().unwrap();
        let range = Duration::from_millis(750 * seconds)..Duration::from_millis(1250 * seconds);
        assert!(
            range.contains(&next.since(now)),
            "{counter}: {:?}",
            next.since(now)
        );
        initiator.handle_timeout(next);
        now = next;
    }
    assert_eq!(initiator.attempts(), 6);
}

#[test]
fn every_attempt_is_under_a_new_counter_and_only_the_last_can_be_answered() {
    let mut initiator = initiator();
    initiator.start(at(0), 5, None);
    let first = send(&mut initiator, at(0), 1);
    let later = initiator.poll_timeout().unwrap();
    initiator.handle_timeout(later);
    let second = send(&mut initiator, later, 2);

    let stale = initiator.handle_response(&answer(&first)).unwrap();
    assert_eq!(initiator.handle_finished(at(0), stale.run()), None);
    assert!(initiator.is_active(), "a bad answer does not end it");
    let good = initiator.handle_response(&answer(&second)).unwrap();
    assert_eq!(
        initiator
            .handle_finished(at(0), good.run())
            .unwrap()
            .counter,
        2
    );
}

#[test]
fn a_response_for_another_or_without_the_secret_or_unasked_costs_nothing() {
    let mut initiator = initiator();
    initiator.start(at(0), 5, None);
    let init = send(&mut initiator, at(0), 1);
    let response = answer(&init);

    let mut for_another = response.clone();
    for_another[4] ^= 1;
    assert_eq!(
        initiator.handle_response(&for_another).unwrap_err(),
        Refusal::Unknown
    );
    let mut altered = response.clone();
    altered[40] ^= 1;
    assert_eq!(
        initiator.handle_response(&altered).unwrap_err(),
        Refusal::Forged
    );
    let job = initiator.handle_response(&response).unwrap();
    assert_eq!(
        initiator.handle_response(&response).unwrap_err(),
        Refusal::Unknown,
        "one at a time"
    );
    initiator.handle_finished(at(0), job.run()).unwrap();
    assert_eq!(
        initiator.handle_response(&response).unwrap_err(),
        Refusal::Unknown
    );
}

#[test]
fn a_cookie_is_used_at_once_and_only_for_its_life() {
    let mut initiator = initiator();
    let nobody_waits = Budget {
        waiting: 0,
        ..Budget::ROUTER
    };
    let mut gate = Gatekeeper::new(at(0), &credentials(2), nobody_waits, [8; 32]);
    initiator.start(at(0), 5, None);
    let init = send(&mut initiator, at(0), 1);
    let mut reply = [0; CookieReply::LEN];
    assert_eq!(
        gate.check(at(0), &init, b"here", 0, &mut reply),
        Ok(Verdict::Challenge(61))
    );
    initiator.handle_cookie(at(10), &reply).unwrap();

    let again = initiator.poll_timeout().unwrap();
    assert!(again < at(10) + COOKIE_RETRY);
    initiator.handle_timeout(again);
    let init = send(&mut initiator, again, 2);
    assert_eq!(
        gate.check(again, &init, b"elsewhere", 0, &mut reply),
        Ok(Verdict::Challenge(61))
    );
    assert_eq!(
        gate.check(again, &init, b"here", 0, &mut reply),
        Ok(Verdict::Admit)
    );

    let old = again + COOKIE_LIFE;
    initiator.handle_timeout(old);
    let init = send(&mut initiator, old, 3);
    assert_eq!(
        init[init.len() - 16..],
        [0; 16],
        "an old cookie is not used"
    );
}

#[test]
fn a_cookie_for_another_message_is_refused_and_a_second_one_does_not_hurry() {
    let mut initiator = initiator();
    let mut gate = Gatekeeper::new(
        at(0),
        &credentials(2),
        Budget {
            waiting: 0,
            ..Budget::ROUTER
        },
        [8; 32],
    );
    initiator.start(at(0), 5, None);
    let mut reply = [0; CookieReply::LEN];
    assert_eq!(
        initiator.handle_cookie(at(0), &[0x14; 61]),
        Err(Refusal::Unknown)
    );
    let first = send(&mut initiator, at(0), 1);
    gate.check(at(0), &first, b"here", 0, &mut reply).unwrap();
    let mut altered = reply;
    altered[40] ^= 1;
    assert_eq!(
        initiator.handle_cookie(at(0), &altered),
        Err(Refusal::Forged)
    );
    initiator.handle_cookie(at(0), &reply).unwrap();

    let now = initiator.poll_timeout().unwrap();
    initiator.handle_timeout(now);
    let second = send(&mut initiator, now, 2);
    assert_eq!(
        initiator.handle_cookie(now, &reply),
        Err(Refusal::Forged),
        "it answers the first"
    );
    let before = initiator.poll_timeout();
    gate.check(now, &second, b"moved", 0, &mut reply).unwrap();
    initiator.handle_cookie(now, &reply).unwrap();
    assert_eq!(initiator.poll_timeout(), before);
}

#[test]
fn a_cancelled_handshake_takes_no_late_results() {
    let mut initiator = initiator();
    initiator.start(at(0), 5, None);
    let job = initiator
        .poll_initiate(
            at(0),
            &credentials(1),
            hello(1),
            SecretKey::from_bytes([1; 32]),
        )
        .unwrap();
    initiator.cancel();
    assert!(initiator.handle_initiated(at(0), job.run()).is_none());

    initiator.start(at(0), 5, None);
    let init = send(&mut initiator, at(0), 2);
    let job = initiator.handle_response(&answer(&init)).unwrap();
    initiator.start(at(1), 6, Some(9));
    assert_eq!(initiator.handle_finished(at(0), job.run()), None);
    let job = initiator
        .poll_initiate(
            at(1),
            &credentials(1),
            hello(3),
            SecretKey::from_bytes([1; 32]),
        )
        .unwrap();
    assert_eq!(
        (job.cid, job.hello.rekey_of),
        (6, Some(9)),
        "the new one is not disturbed"
    );
}

#[test]
fn a_peer_that_is_no_key_is_tried_again_only_after_a_while() {
    let mut initiator = Initiator::new(&credentials(1), PublicKey([0; 32]), 11);
    initiator.start(at(0), 5, None);
    let job = initiator
        .poll_initiate(
            at(0),
            &credentials(1),
            hello(1),
            SecretKey::from_bytes([1; 32]),
        )
        .unwrap();
    assert!(initiator.handle_initiated(at(0), job.run()).is_none());
    assert!(initiator.poll_timeout().unwrap() >= at(750));
    assert!(!initiator.wants_initiate(at(700)));
}
