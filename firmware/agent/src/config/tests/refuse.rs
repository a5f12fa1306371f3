use super::*;
use crate::config::schema::REFUSED;

fn refusing(names: &[String]) -> String {
    let lines = names.iter().map(|n| format!("\tlist refuse '{n}'\n"));
    let lines: String = lines.collect();
    GOOD.replacen("config mesh", &format!("{lines}\nconfig mesh"), 1)
}

#[test]
fn members_are_refused_by_their_names_and_each_wrong_one_is_told() {
    let name = |n: usize| format!("a0a1a2a3a4a5a6{n:02x}");
    let config = parse(&refusing(&[name(1), name(2)])).0.unwrap();
    let refused = config.community.refused.iter().map(|n| n.to_string());
    assert_eq!(refused.collect::<std::vec::Vec<_>>(), [name(1), name(2)]);
    let wrong = problems(&refusing(&["miller".into()]));
    assert!(
        wrong.len() == 1
            && wrong[0]
                .contains("option 'refuse': 'miller' cannot be read; copy the neighbour's 16"),
        "{wrong:?}"
    );
    let all: std::vec::Vec<_> = (0..=REFUSED).map(name).collect();
    let many = problems(&refusing(&all));
    assert!(
        many.len() == 1 && many[0].contains("more than 16 values of list 'refuse'"),
        "{many:?}"
    );
    assert_eq!(problems(&refusing(&all[..REFUSED])), [""; 0]);
}

#[test]
fn a_member_has_a_weight_from_one_to_nine() {
    let weighing = |value: &str| {
        let line = format!("\tlist weight '{value}'\n\nconfig mesh");
        GOOD.replacen("config mesh", &line, 1)
    };
    let config = parse(&weighing("a0a1a2a3a4a5a601=9")).0.unwrap();
    let weights = config.community.weights.iter();
    let weights = weights.map(|(node, weight)| (node.to_string(), *weight));
    let wanted = [("a0a1a2a3a4a5a601".into(), 9)];
    assert_eq!(weights.collect::<std::vec::Vec<_>>(), wanted);
    for (value, error) in [
        ("a0a1a2a3a4a5a601=0", "is out of range"),
        ("a0a1a2a3a4a5a601", "cannot be read"),
        ("miller=2", "cannot be read"),
    ] {
        let wrong = problems(&weighing(value));
        assert!(wrong.len() == 1 && wrong[0].contains(error), "{wrong:?}");
    }
}
