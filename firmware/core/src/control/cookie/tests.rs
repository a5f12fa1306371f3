use super::*;
use crate::control::handshake::{InitiateJob, RespondJob};
use crate::control::heard::Heard;
use crate::identity::{CommunityKeys, Identity, SecretKey};
use crate::wire::Capabilities;
use crate::wire::handshake::{CookieReply, Datagram, Hello};

const BUDGET: Budget = Budget {
    per_second: 2,
    burst: 4,
    waiting: 2,
};

fn credentials(secret: u8, community: &str) -> Credentials {
    Credentials {
        identity: Identity::new(SecretKey::from_bytes([secret; 32])),
        community: CommunityKeys::derive(community, &[0x42; 32]),
    }
}

fn gate() -> Gatekeeper {
    Gatekeeper::new(Instant::ZERO, &credentials(2, "example"), BUDGET, [8; 32])
}

fn job(counter: u64, cookie: Option<Cookie>) -> InitiateJob {
    InitiateJob {
        credentials: credentials(1, "example"),
        remote: credentials(2, "example").identity.public(),
        ephemeral: SecretKey::from_bytes([3; 32]),
        cid: 7,
        hello: Hello {
            epoch: 1,
            counter,
            caps: Capabilities::NONE,
            minor: 1,
            rekey_of: None,
            certificate: None,
        },
        cookie,
    }
}

fn init() -> Datagram {
    job(1, None).run().unwrap().datagram
}

fn at(ms: u64) -> Instant {
    Instant::from_millis(ms)
}

fn check(
    gate: &mut Gatekeeper,
    ms: u64,
    datagram: &[u8],
    waiting: u32,
) -> Result<Verdict, Refusal> {
    gate.check(
        at(ms),
        datagram,
        b"192.0.2.1:5000",
        waiting,
        &mut [0; CookieReply::LEN],
    )
}

/// Gets a cookie for an address from a gate under load.
fn cookie_for(gate: &mut Gatekeeper, ms: u64, source: &[u8]) -> Cookie {
    let initiated = job(1, None).run().unwrap();
    let mut reply = [0; CookieReply::LEN];
    let verdict = gate.check(at(ms), &initiated.datagram, source, 99, &mut reply);
    assert_eq!(verdict, Ok(Verdict::Challenge(CookieReply::LEN)));
    let theirs = credentials(2, "example");
    let keys = RecipientKeys::new(&theirs.community, &theirs.identity.public());
    keys.open_cookie(
        &CookieReply::parse(&reply).unwrap(),
        initiated.pending.mac1(),
    )
    .unwrap()
}

#[test]
fn each_refusal_has_its_counter() {
    let mut gate = gate();
    let good = init();
    assert_eq!(check(&mut gate, 0, &good, 0), Ok(Verdict::Admit));
    assert_eq!(check(&mut gate, 0, &good[..20], 0), Err(Refusal::Malformed));
    let mut other_version = good.clone();
    other_version[0] = 0x22;
    assert_eq!(
        check(&mut gate, 0, &other_version, 0),
        Err(Refusal::Version)
    );
    let elsewhere = InitiateJob {
        credentials: credentials(1, "neighbours"),
        ..job(1, None)
    };
    assert_eq!(
        check(&mut gate, 0, &elsewhere.run().unwrap().datagram, 0),
        Err(Refusal::Unknown)
    );
    let mut altered = good.clone();
    altered[50] ^= 1;
    assert_eq!(check(&mut gate, 0, &altered, 0), Err(Refusal::Forged));
    assert_eq!(
        check(&mut gate, 0, &good, 2),
        Ok(Verdict::Challenge(CookieReply::LEN))
    );
    gate.count_replayed();
    let expected = Counters {
        admitted: 1,
        malformed: 1,
        wrong_version: 1,
        wrong_community: 1,
        bad_mac: 1,
        cookie_sent: 1,
        over_budget: 0,
        replayed: 1,
        ..Counters::default()
    };
    assert_eq!(gate.counters(), expected);
}

#[test]
fn garbage_from_strangers_takes_nothing_from_members() {
    let mut gate = gate();
    let mut forged = init();
    forged[20] ^= 1;
    for ms in 0..1000 {
        assert_eq!(check(&mut gate, ms, &forged, 0), Err(Refusal::Forged));
    }
    assert_eq!(check(&mut gate, 1000, &init(), 0), Ok(Verdict::Admit));
}

#[test]
fn beyond_the_burst_a_cookie_is_asked_for_and_load_passes() {
    let mut gate = gate();
    for _ in 0..BUDGET.burst {
        assert_eq!(check(&mut gate, 0, &init(), 0), Ok(Verdict::Admit));
    }
    assert!(matches!(
        check(&mut gate, 0, &init(), 0),
        Ok(Verdict::Challenge(_))
    ));
    assert!(matches!(
        check(&mut gate, 9_000, &init(), 0),
        Ok(Verdict::Challenge(_))
    ));
    assert_eq!(check(&mut gate, 10_000, &init(), 0), Ok(Verdict::Admit));
}

#[test]
fn even_with_cookies_no_more_than_the_budget_gets_through() {
    let mut gate = gate();
    let cookie = cookie_for(&mut gate, 0, b"192.0.2.1:5000");
    let init = job(1, Some(cookie)).run().unwrap().datagram;
    let mut admitted = 0;
    for ms in 0..10_000 {
        match check(&mut gate, ms, &init, 0) {
            Ok(Verdict::Admit) => admitted += 1,
            other => assert_eq!(other, Err(Refusal::Forbidden)),
        }
    }
    assert_eq!(admitted, BUDGET.burst + 10 * BUDGET.per_second - 1);
    assert_eq!(gate.counters().over_budget, 10_000 - admitted);
}

#[test]
fn a_flood_of_replayed_inits_does_not_starve_whoever_answers_for_his_address() {
    let mut gate = gate();
    let captured = init();
    let mut cookie = None;
    let mut admitted = 0;
    for ms in 0..60_000 {
        let _ = gate.check(
            at(ms),
            &captured,
            b"attacker",
            0,
            &mut [0; CookieReply::LEN],
        );
        if ms % 1000 == 500 {
            let cookie =
                *cookie.get_or_insert_with(|| cookie_for(&mut gate, ms, b"192.0.2.1:5000"));
            let init = job(ms, Some(cookie)).run().unwrap().datagram;
            admitted += u32::from(check(&mut gate, ms, &init, 0) == Ok(Verdict::Admit));
        }
    }
    assert_eq!(admitted, 60);
    assert_eq!(
        gate.counters().admitted,
        60 + BUDGET.burst,
        "the flood got no more than the first burst"
    );
}

#[test]
fn a_source_is_given_eight_cookies_a_second_and_others_are_given_theirs() {
    let mut gate = gate();
    cookie_for(&mut gate, 5_000, b"somebody");
    let init = init();
    let mut given = |source: &[u8], ms| {
        let verdict = gate.check(at(ms), &init, source, 9, &mut [0; CookieReply::LEN]);
        matches!(verdict, Ok(Verdict::Challenge(_)))
    };
    let mut heard = 0;
    for second in 6..106 {
        let flood = (0..20).filter(|i| given(b"attacker", second * 1000 + i));
        assert_eq!(flood.count(), usize::from(COOKIES));
        heard += u32::from(given(b"somebody", second * 1000 + 999));
    }
    // Sometimes both share a place, never for long.
    assert!((85..100).contains(&heard), "{heard}");
    // From more addresses than there are places all together are given no more than that.
    let spread = (0..2_000u32).filter(|n| given(&n.to_be_bytes(), 200_000));
    assert_eq!(spread.count(), usize::from(COOKIES) * PLACES);
}

#[test]
fn a_cookie_holds_for_two_to_four_minutes_and_for_its_address_only() {
    let mut gate = gate();
    let cookie = cookie_for(&mut gate, 100_000, b"192.0.2.1:5000");
    let init = job(1, Some(cookie)).run().unwrap().datagram;
    assert_eq!(check(&mut gate, 110_000, &init, 9), Ok(Verdict::Admit));
    assert_eq!(check(&mut gate, 239_000, &init, 9), Ok(Verdict::Admit));
    assert!(matches!(
        check(&mut gate, 240_000, &init, 9),
        Ok(Verdict::Challenge(_))
    ));
    let elsewhere = gate.check(
        at(110_000),
        &init,
        b"192.0.2.1:5001",
        9,
        &mut [0; CookieReply::LEN],
    );
    assert!(matches!(elsewhere, Ok(Verdict::Challenge(_))));
}

#[test]
fn no_two_cookie_replies_share_a_nonce() {
    let mut gate = gate();
    let mut nonces = std::collections::BTreeSet::new();
    for second in 0..100 {
        let mut reply = [0; CookieReply::LEN];
        gate.check(at(second * 1000), &init(), b"x", 9, &mut reply)
            .unwrap();
        nonces.insert(CookieReply::parse(&reply).unwrap().nonce);
    }
    assert_eq!(nonces.len(), 100);
}

#[test]
fn a_replayed_init_passes_the_gate_but_not_the_table() {
    let mut gate = gate();
    let mut heard = Heard::<8>::new();
    let init = init();
    let mut open = |ms| {
        assert_eq!(check(&mut gate, ms, &init, 0), Ok(Verdict::Admit));
        let job = RespondJob {
            credentials: credentials(2, "example"),
            ephemeral: SecretKey::from_bytes([4; 32]),
            datagram: init.clone(),
            admission: None,
        };
        let opened = job.open().unwrap();
        heard.note(
            at(ms),
            opened.initiator,
            opened.hello.epoch,
            opened.hello.counter,
        )
    };
    assert!(open(0).is_ok());
    assert_eq!(open(1000), Err(Refusal::Replayed));
}
