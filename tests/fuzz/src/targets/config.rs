//! What people write or paste: the router's configuration, the exit's, an invitation.

use burstmesh_agent::config::Config;
use burstmesh_core::wire::invitation::Invitation;

/// The router's UCI file: it gives a configuration or says what is wrong, and every problem can be printed.
pub fn uci(data: &[u8]) {
    let (mut fatal, mut printed) = (false, String::new());
    let config = Config::parse(data, &mut |problem| {
        fatal |= problem.is_fatal();
        printed = problem.to_string();
        assert!(!printed.is_empty());
    });
    assert_eq!(config.is_none(), fatal, "{printed}");
}

/// An invitation: what is read can be handed on and means the same.
pub fn invitation(data: &[u8]) {
    let Ok(text) = core::str::from_utf8(data) else {
        return;
    };
    match Invitation::decode(text) {
        Ok(read) => {
            let again = read.encode().expect("what was read can be written");
            assert_eq!(Invitation::decode(&again), Ok(read));
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// The exit's TOML file.
pub fn exit_config(data: &[u8]) {
    let Ok(text) = core::str::from_utf8(data) else {
        return;
    };
    match burstmesh_proxy::config::Config::parse("config.toml", text) {
        Ok(config) => {
            let _ = config.resolver_here();
            assert!(config.resolvers().count() <= text.len());
        }
        Err(error) => assert!(error.to_string().contains("config.toml")),
    }
}
