//! The rules before lose edits in histories in which ours lose none.

use haumana_sim::before::{PAGE_BYTES, Rules, Score, run};

const HISTORIES: u64 = 60;

async fn sum(rules: Rules, pieces: usize) -> Score {
    let mut sum = Score::default();
    for seed in 0..HISTORIES {
        match run(rules, seed, pieces).await {
            Ok(score) => sum += score,
            Err(violation) => panic!("history {seed}: {}", violation.text),
        }
    }
    sum
}

#[tokio::test]
async fn the_last_push_wins_loses_what_ours_keeps() {
    let before = sum(Rules::Before { page_bytes: PAGE_BYTES }, 3).await;

    let ours = sum(Rules::Ours, 3).await;

    assert!(100 < before.lost, "the rules before lose edits: {before:?}");
    assert!(1000 < ours.edits, "something is typed: {ours:?}");
    let nothing = Score { histories: ours.histories, edits: ours.edits, ..Score::default() };
    assert_eq!(nothing, ours, "ours lose, strand, double and garble nothing");
}

#[tokio::test]
async fn what_is_behind_the_first_page_reaches_no_other_phone() {
    let whole = sum(Rules::Before { page_bytes: PAGE_BYTES }, 8).await;

    let cut = sum(Rules::Before { page_bytes: 3000 }, 8).await;

    assert!(whole.apart < cut.apart, "phones differ for good: {whole:?} {cut:?}");
}
