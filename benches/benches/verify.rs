//! Verifying one token: with keys at hand, through the key cache, and one that is far too long.

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use haumana_auth::Verifier;
use haumana_benches::Tokens;

fn verify(c: &mut Criterion) {
    let tokens = Tokens::new();
    c.bench_function("verify/keys/google", |b| {
        let verify = |keys| tokens.verify_with(&keys, &tokens.good);
        b.iter_batched(|| tokens.fresh_keys(), verify, BatchSize::SmallInput);
    });
    c.bench_function("verify/again/google", |b| b.iter(|| tokens.verify(&tokens.good)));
    let verifier = tokens.verifier();
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let runtime = runtime.unwrap_or_else(|error| panic!("{error}"));
    c.bench_function("verify/cache/google", |b| {
        b.iter(|| runtime.block_on(verifier.verify(&tokens.good)));
    });
    for (name, n_bytes) in [("8kB", 8_193), ("8MB", 8_000_000)] {
        let token = "a".repeat(n_bytes);
        c.bench_function(&format!("verify/refused/{name}"), |b| b.iter(|| tokens.verify(&token)));
    }
}

criterion_group!(benches, verify);
criterion_main!(benches);
