//! Merging: short fields, long lyrics, refrains. Supports the bounds of `text_merge`.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use haumana_benches::texts;
use haumana_sync::merge::{Base, Side, merge_field};
use haumana_sync::record::Value;
use haumana_sync::schema::{Field, FieldType};
use haumana_sync::text::{Later, merge_text};
use haumana_sync::time::UnixMillis;
use std::hint::black_box;

const MAX_BYTES: usize = 200_000;

fn short_fields(c: &mut Criterion) {
    let (ours, theirs) = (Value::Text("Aloha ʻOe".into()), Value::Text("Aloha ʻOe ē".into()));
    let title = Field::new(1, "title", FieldType::text(4096));
    let none = std::collections::BTreeMap::new();
    let mut group = c.benchmark_group("merge_field");
    group.throughput(Throughput::Elements(1));
    group.bench_function("short_conflict", |b| {
        b.iter(|| {
            let server = Side { value: black_box(&ours), edited_at: UnixMillis(1) };
            let pushed = Side { value: black_box(&theirs), edited_at: UnixMillis(2) };
            merge_field(&title, Base::Moved { value: None, added_since: &none }, server, pushed)
        });
    });
    group.finish();
}

fn texts_of_songs(c: &mut Criterion) {
    let mut group = c.benchmark_group("merge_text");
    for (name, [base, server, pushed]) in [
        ("200_lines_one_edit_each", texts::one_edit_each(200)),
        ("refrains_40_verses", texts::refrains(40)),
        ("200_kB_nothing_in_common", texts::nothing_in_common(MAX_BYTES)),
    ] {
        group.bench_function(name, |b| {
            b.iter(|| merge_text(&base, &server, &pushed, Later::Pushed, MAX_BYTES));
        });
    }
    group.finish();
}

criterion_group!(benches, short_fields, texts_of_songs);
criterion_main!(benches);
