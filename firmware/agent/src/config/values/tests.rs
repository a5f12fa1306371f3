use super::*;
use proptest::prelude::*;

#[test]
fn rates_are_read_with_their_units() {
    for (text, bits) in [
        ("0", 0),
        ("0Mbit", 0),
        ("20Mbit", 20_000_000),
        ("512kbit", 512_000),
        ("2.5Mbit", 2_500_000),
        ("16.384 Mbit", 16_384_000),
        ("100GBIT", RATE_MAX),
        ("64kbit", RATE_MIN),
    ] {
        assert_eq!(rate(text), Ok(Rate((bits / 1_000) as u32)), "{text}");
    }
}

#[test]
fn rates_that_could_be_misread_are_refused() {
    for (text, error) in [
        ("20", ValueError::NoUnit),
        ("20MB", ValueError::BadUnit),
        ("20Mbps", ValueError::BadUnit),
        ("20Mbit/s", ValueError::BadUnit),
        ("fast", ValueError::Malformed),
        ("", ValueError::Malformed),
        ("-1Mbit", ValueError::Malformed),
        ("1.2.3Mbit", ValueError::Malformed),
        ("1.Mbit", ValueError::Malformed),
        ("1.2345Mbit", ValueError::Malformed),
        ("0.5bit", ValueError::OutOfRange),
        ("63kbit", ValueError::OutOfRange),
        ("101Gbit", ValueError::OutOfRange),
        ("99999999999999999999Gbit", ValueError::OutOfRange),
        ("18446744073709551Gbit", ValueError::OutOfRange),
    ] {
        assert_eq!(rate(text), Err(error), "{text}");
    }
}

#[test]
fn durations_are_read_with_their_units() {
    assert_eq!(duration("10s"), Ok(Duration::from_secs(10)));
    assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
    assert_eq!(duration("5m"), Ok(Duration::from_secs(300)));
    assert_eq!(duration("1.5h"), Ok(Duration::from_secs(5400)));
    assert_eq!(duration("0"), Ok(Duration::ZERO));
    assert_eq!(duration("10"), Err(ValueError::NoUnit));
    assert_eq!(duration("10min"), Err(ValueError::BadUnit));
    assert_eq!(duration("25h"), Err(ValueError::OutOfRange));
}

#[test]
fn addresses_are_numeric_and_have_a_port() {
    assert!(address("203.0.113.7:4455").is_ok());
    assert!(address("[2001:db8::7]:4455").is_ok());
    for (text, error) in [
        ("203.0.113.7", ValueError::NoPort),
        ("2001:db8::7", ValueError::NoPort),
        ("[2001:db8::7]", ValueError::NoPort),
        ("exit.example.org:4455", ValueError::NotNumeric),
        ("exit.example.org", ValueError::NotNumeric),
        ("203.0.113.7:0", ValueError::Unusable),
        ("0.0.0.0:4455", ValueError::Unusable),
        ("[ff02::1]:4455", ValueError::Unusable),
        ("[fe80::1]:4455", ValueError::Unusable),
        ("203.0.113.7:70000", ValueError::Malformed),
        ("300.0.113.7:4455", ValueError::Malformed),
        ("", ValueError::Malformed),
    ] {
        assert_eq!(address(text), Err(error), "{text}");
    }
}

#[test]
fn prefixes_must_not_have_host_bits() {
    assert_eq!(prefix("198.51.100.0/24").map(|p| p.length), Ok(24));
    assert_eq!(prefix("198.51.100.7").map(|p| p.length), Ok(32));
    assert_eq!(prefix("2001:db8::/32").map(|p| p.length), Ok(32));
    assert_eq!(prefix("0.0.0.0/0").map(|p| p.length), Ok(0));
    assert_eq!(prefix("::/0").map(|p| p.length), Ok(0));
    let meant = prefix("198.51.100.0/24").unwrap();
    assert_eq!(prefix("198.51.100.7/24"), Err(ValueError::HostBits(meant)));
    for text in [
        "",
        "/24",
        "198.51.100.0/",
        "198.51.100.0/+8",
        "198.51.100/24",
        "a/b",
    ] {
        assert_eq!(prefix(text), Err(ValueError::Malformed), "{text}");
    }
    assert_eq!(prefix("198.51.100.0/33"), Err(ValueError::OutOfRange));
    assert_eq!(prefix("2001:db8::/129"), Err(ValueError::OutOfRange));
    assert_eq!(prefix("2001:db8::/999"), Err(ValueError::OutOfRange));
}

#[test]
fn device_names_follow_the_kernel() {
    assert!(ifname("pppoe-wan").is_ok());
    assert!(ifname("eth0.2").is_ok());
    assert_eq!(ifname("a-name-too-long-"), Err(ValueError::TooLong(15)));
    for text in ["", ".", "..", "a b", "a/b", "eth0:1", "@wan"] {
        assert_eq!(ifname(text), Err(ValueError::Malformed), "{text}");
    }
    assert_eq!(ifname("bm0"), Err(ValueError::ReservedDevice));
    assert_eq!(ifname("lo"), Err(ValueError::ReservedDevice));
}

#[test]
fn ports_are_1_to_65535() {
    assert_eq!(port("4454"), Ok(4454));
    assert_eq!(port("0"), Err(ValueError::OutOfRange));
    assert_eq!(port("65536"), Err(ValueError::OutOfRange));
    assert_eq!(port("+1"), Err(ValueError::Malformed));
    assert_eq!(port(""), Err(ValueError::Malformed));
}

#[test]
fn a_secret_must_be_generated() {
    let typed = text::key_to_text(b"correct horse battery staple 123");
    assert_eq!(secret(&typed), Err(ValueError::WeakSecret));
    assert_eq!(
        secret("hunter2"),
        Err(ValueError::Key(TextError::Length(7)))
    );
    let generated = text::key_to_text(&core::array::from_fn(|i| (i * 37 % 251) as u8));
    assert!(secret(&generated).is_ok());
}

#[test]
fn the_other_kinds_refuse_what_they_are_not() {
    assert_eq!(boolean("enabled"), Ok(true));
    assert_eq!(boolean("maybe"), Err(ValueError::Malformed));
    assert_eq!(log_level("debug"), Ok(LogLevel::Debug));
    assert_eq!(log_level("loud"), Err(ValueError::Malformed));
    assert!(path("/etc/burstmesh/key").is_ok());
    for text in ["", "key", "/etc/", "/"] {
        assert_eq!(path(text), Err(ValueError::Malformed));
    }
    assert_eq!(community_name(" x"), Err(ValueError::Malformed));
    assert_eq!(
        community_name(&"x".repeat(33)),
        Err(ValueError::TooLong(32))
    );
    assert_eq!(key(&text::key_to_text(&[0; 32])), Err(ValueError::WeakKey));
}

proptest! {
    #[test]
    fn every_whole_rate_is_read_as_itself(n in 0u64..=100_000) {
        prop_assert_eq!(rate(&format!("{n}Mbit")), Ok(Rate(n as u32 * 1_000)));
        let n = n + 64;
        prop_assert_eq!(rate(&format!("{n}kbit")), Ok(Rate(n as u32)));
    }

    #[test]
    fn every_masked_prefix_is_read_back(ip: u32, length in 0u8..=32) {
        let prefix_ = Prefix { address: masked(IpAddr::V4(ip.into()), length), length };
        prop_assert_eq!(prefix(&prefix_.to_string()), Ok(prefix_));
    }

    #[test]
    fn no_text_makes_any_kind_panic(text in "\\PC{0,50}|[0-9.]{0,30}[a-zA-Z]{0,5}|[0-9a-f:.\\[\\]/]{0,40}") {
        let _ = (boolean(&text), log_level(&text), community_name(&text), ifname(&text), port(&text));
        let _ = (rate(&text), duration(&text), key(&text), secret(&text), invitation(&text));
        let _ = (address(&text), prefix(&text), path(&text), label(&text));
    }
}

#[test]
fn volumes_days_zones_and_hours_are_read_with_their_units() {
    assert_eq!(volume("0"), Ok(0));
    assert_eq!(volume("1.5TB"), Ok(1_500_000_000_000));
    assert_eq!(volume("500gb"), Ok(500_000_000_000));
    assert_eq!(volume("500"), Err(ValueError::NoUnit));
    assert_eq!(volume("5GiB"), Err(ValueError::BadUnit));
    assert_eq!(volume("49MB"), Err(ValueError::OutOfRange));
    assert_eq!(month_day("31"), Ok(31));
    assert_eq!(month_day("0"), Err(ValueError::OutOfRange));
    assert_eq!(zone("+05:30"), Ok(Zone(330)));
    assert_eq!(zone("-03:30"), Ok(Zone(-210)));
    assert_eq!(zone("+15:00"), Err(ValueError::OutOfRange));
    assert_eq!(zone("1"), Err(ValueError::Malformed));
    let night = hours("22:00-07:00").unwrap();
    assert!(night.contains(1_439) && night.contains(0) && !night.contains(420));
    let day = hours("7:30-24:00").unwrap();
    assert!(day.contains(450) && day.contains(1_439) && !day.contains(0));
    assert_eq!(hours("22:00-22:00"), Err(ValueError::OutOfRange));
    assert_eq!(hours("22-7"), Err(ValueError::Malformed));
}

#[test]
fn small_numbers_are_read_up_to_their_most() {
    assert_eq!((code_point("0"), code_point("63")), (Ok(0), Ok(63)));
    assert_eq!(code_point("64"), Err(ValueError::OutOfRange));
    assert_eq!((preference("0"), preference("9")), (Ok(0), Ok(9)));
    assert_eq!(preference("10"), Err(ValueError::OutOfRange));
    assert_eq!(preference("-1"), Err(ValueError::Malformed));
    assert_eq!((cost("0"), cost("3")), (Ok(0), Ok(3)));
    assert_eq!(cost("4"), Err(ValueError::OutOfRange));
    assert_eq!(cost("cheap"), Err(ValueError::Malformed));
}

#[test]
fn a_members_name_is_sixteen_digits() {
    let name = node("a0a1a2a3a4a5a6a7").unwrap();
    assert_eq!(name.to_string(), "a0a1a2a3a4a5a6a7");
    for text in ["", "a0a1", "+0a1a2a3a4a5a6a7", "a0a1a2a3a4a5a6a7b"] {
        assert_eq!(node(text), Err(ValueError::Malformed), "{text}");
    }
}
