use super::*;

fn bypassing(values: &[&str]) -> String {
    let lines = values.iter().map(|v| format!("\tlist bypass '{v}'\n"));
    let lines: String = lines.collect();
    GOOD.to_owned() + "config client 'more'\n\toption ifname 'br-more'\n" + &lines
}

#[test]
fn a_bypass_is_a_prefix_or_a_name_and_whatever_is_neither_is_told() {
    let config = parse(&bypassing(&["198.51.100.0/24", "2001:db8::/32"]))
        .0
        .unwrap();
    assert!(!config.bypasses_names);
    let before = config.bypasses.len();
    let config = parse(&bypassing(&[
        "198.51.100.0/24",
        "2001:db8::/32",
        "example.org",
    ]))
    .0
    .unwrap();
    assert!(config.bypasses_names && config.bypasses.len() == before);
    for name in [
        "de",
        "a-b.example",
        "xn--bcher-kva.example",
        "3.example",
        "192.0.2.x",
    ] {
        assert_eq!(problems(&bypassing(&[name])), [""; 0], "{name}");
    }
    for wrong in [
        "http://example.org",
        "example.org/",
        "example..org",
        ".example.org",
        "-a.example",
        "*.example.org",
        "example.org#53",
        "a b",
        "b\u{fc}cher.example",
        "192.0.2",
    ] {
        let told = problems(&bypassing(&[wrong]));
        assert!(
            told.len() == 1
                && told[0].contains(
                    "; write an address range or a name, such as '198.51.100.0/24' or 'example.org'"
                ),
            "{wrong}: {told:?}"
        );
    }
}

#[test]
fn a_rule_sends_direct_or_gives_a_lane_and_the_community_has_lanes_alone() {
    let config =
        parse(&(GOOD.to_owned() + "config rule\n\toption lane 'direct'\n\toption port '22'\n"));
    assert_eq!(config.0.unwrap().rules[0].lane, None);
    let all = problems(&(GOOD.to_owned() + "config rule\n\toption lane 'direct'\n"));
    assert!(
        all.len() == 1 && all[0].contains("about no connection in particular"),
        "{all:?}"
    );
    let all = problems(&GOOD.replacen("config mesh", "\toption lane 'direct'\n\nconfig mesh", 1));
    assert!(
        all.len() == 1 && all[0].contains("write auto, per_packet or per_session"),
        "{all:?}"
    );
}
