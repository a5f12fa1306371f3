use super::problems;
use burstmesh_core::wire::invitation::{Invitation, Secret};

#[test]
fn a_community_without_an_exit_is_one_whose_invitation_names_none_or_that_says_so() {
    let invitation = Invitation {
        name: "hillside".parse().unwrap(),
        secret: Secret::new(core::array::from_fn(|n| n as u8 * 7)),
        exits: heapless::Vec::new(),
        expires: None,
        admission: None,
        admin: None,
    };
    let by_hand = |more: &str| {
        format!(
            "\toption name 'hillside'\n\toption secret 'AwswVXqfxOkOM1h9osfsETZbgKXK7xQ5XoOozfIXPGE='\n{more}"
        )
    };
    let with = |community: &str| {
        let rest = "config uplink 'wan'\n\toption ifname 'wan'\n\toption lend '1'\n\toption share_address '1'\n\
                    config mesh\n\toption ifname 'mesh0'\n";
        problems(&format!("config community\n{community}{rest}")).concat()
    };
    let invited = format!("\toption invitation '{}'\n", invitation.encode().unwrap());
    assert_eq!(with(&invited), "");
    assert_eq!(with(&by_hand("\toption no_exit '1'\n")), "");
    assert!(with(&by_hand("")).contains("no exit is configured"));
    let both = by_hand(
        "\toption no_exit '1'\nconfig exit 'main'\n\toption key '3p7bfXt9wbTTW2HC7OQ1Nz+DQ8hbeGdNrfx+FG+IK08='\n\tlist address '203.0.113.7:4455'\n",
    );
    assert!(with(&both).contains("an exit despite option no_exit"));
}
