//! Every committed input, and a bounded number of seeded mutations, through its target: in every run of the tests.

use std::time::{Duration, Instant};

use burstmesh_fuzz::mutate::{Random, mutated};
use burstmesh_fuzz::{ALL, named, runner};

/// Mutations per target; fewer where one input is a long conversation.
const MUTATIONS: u32 = 2_000;
/// No target goes on for longer: a slow machine tries fewer.
const AT_MOST: Duration = Duration::from_secs(2);

#[test]
fn the_committed_corpus_and_its_mutations_break_no_promise() {
    runner::keep_crashes();
    for target in &ALL {
        let corpus = runner::corpus(target);
        assert!(
            (5..=40).contains(&corpus.len()),
            "{} has {} inputs",
            target.name,
            corpus.len()
        );
        for (name, data) in &corpus {
            assert!(data.len() <= 4096, "{}/{name} is not small", target.name);
            runner::run(target, data);
        }
        let corpus: Vec<Vec<u8>> = corpus.into_iter().map(|(_, data)| data).collect();
        let (mut random, begun, mut done) = (Random::new(1), Instant::now(), 0);
        while done < MUTATIONS && begun.elapsed() < AT_MOST {
            runner::run(target, &mutated(&mut random, &corpus));
            done += 1;
        }
        println!(
            "{:<16} {done} mutations in {:?}",
            target.name,
            begun.elapsed()
        );
    }
}

#[test]
fn every_target_is_found_by_its_name() {
    for target in &ALL {
        assert!(named(target.name).is_some_and(|found| found.name == target.name));
    }
    assert!(named("nothing").is_none());
}
