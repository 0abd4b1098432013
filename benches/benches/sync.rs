//! Push, pull and no-op sync of 1,000, 10,000 and 100,000 pieces of about 1 kB: in memory, on SQLite,
//! and over HTTP on loopback.

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use haumana_benches::{Bench, body, pieces};

const SIZES: [usize; 3] = [1_000, 10_000, 100_000];

fn no_op(c: &mut Criterion) {
    for bench in Bench::all() {
        for size in SIZES {
            let held = bench.fill(size);
            let empty = body(&[], Some(&held.last));
            c.bench_function(&format!("no_op/{}/{size}", bench.name), |b| {
                b.iter(|| bench.post(&held.user, &empty));
            });
        }
    }
}

fn ten_changed(c: &mut Criterion) {
    for bench in Bench::all() {
        for size in SIZES {
            let mut held = bench.fill(size);
            let user = held.user.clone();
            c.bench_function(&format!("push_10/{}/{size}", bench.name), |b| {
                b.iter_batched(
                    || held.edit_ten(),
                    |sent| bench.post(&user, &sent),
                    BatchSize::PerIteration,
                );
            });
            let pull = body(&[], Some(&held.last));
            c.bench_function(&format!("pull_10/{}/{size}", bench.name), |b| {
                b.iter(|| bench.post(&held.user, &pull));
            });
        }
    }
}

fn whole(c: &mut Criterion) {
    let mut group = c.benchmark_group("whole");
    group.sample_size(10);
    for bench in Bench::all() {
        for size in [1_000, 10_000] {
            let new = body(&pieces(size), None);
            group.bench_function(format!("push/{}/{size}", bench.name), |b| {
                b.iter_batched(
                    || bench.new_user(),
                    |user| bench.post(&user, &new),
                    BatchSize::PerIteration,
                );
            });
            let held = bench.fill(size);
            let pull = body(&[], None);
            group.bench_function(format!("pull/{}/{size}", bench.name), |b| {
                b.iter(|| bench.post(&held.user, &pull));
            });
        }
    }
    group.finish();
}

criterion_group!(benches, no_op, ten_changed, whole);
criterion_main!(benches);
