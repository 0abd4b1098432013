//! The museum of lost edits: situations from public bug reports, played on haumana-sync and on its
//! rivals, and judged alike.
//!
//! Without an argument it plays what this build has, and fails where a verdict is another than the one
//! in `results.tsv`. `write` writes that file and `docs/museum.md`; `show NAME` shows how one exhibit
//! ends.

mod exhibit;
mod judge;
mod page;
mod play;
mod record;
mod results;
mod systems;

use exhibit::Exhibit;
use judge::Verdict;
use play::Done;
use results::Results;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use systems::Entry;

fn main() -> Done {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let exhibits = exhibit::all(&folder().join("exhibits"))?;
    let annex = exhibit::all(&folder().join("annex"))?;
    match arguments[..] {
        [] => check(&exhibits, &annex),
        ["write"] => write(&exhibits, &annex),
        ["show", name] => show(exhibits.iter().chain(&annex), name),
        _ => Err("usage: haumana-museum [write | show NAME]".into()),
    }
}

fn folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn results_file() -> PathBuf {
    folder().join("results.tsv")
}

fn page_file() -> PathBuf {
    folder().join("../docs/museum.md")
}

fn entries() -> Vec<Entry> {
    std::iter::once(systems::OURS).chain(systems::rivals()).collect()
}

fn verdict(exhibit: &Exhibit, system: &Entry) -> Done<Verdict> {
    Ok(judge::judge(exhibit, &play::play(exhibit, (system.make)()?.as_mut())?))
}

fn check(exhibits: &[Exhibit], annex: &[Exhibit]) -> Done {
    let kept = Results::read(&fs::read_to_string(results_file())?)?;
    let (mut played, mut failed) = (0, 0);
    for entry in entries() {
        for exhibit in exhibits.iter().chain(annex) {
            let verdict = verdict(exhibit, &entry)?;
            let expected = kept.get(entry.name, &exhibit.name);
            if expected != Some(&verdict) {
                let expected = expected.map(Verdict::to_string).unwrap_or_default();
                println!("{}, {}: {verdict}\n  results.tsv: {expected}", exhibit.name, entry.name);
                failed += 1;
            }
            played += 1;
        }
    }
    if fs::read_to_string(page_file())? != page::page(exhibits, &kept) {
        return Err(
            "docs/museum.md is not what results.tsv and the exhibits say: `write` it".into()
        );
    }
    let ours = exhibits.iter().chain(annex).filter_map(|of| kept.get(systems::OURS.name, &of.name));
    if let Some(lost) = ours.map(|verdict| &verdict.lost).find(|lost| !lost.is_empty()) {
        return Err(format!("{} loses {}", systems::OURS.name, lost.join(", ")).into());
    }
    println!("{played} verdicts, {failed} of them not as in results.tsv");
    if 0 < failed { Err("see above".into()) } else { Ok(()) }
}

fn write(exhibits: &[Exhibit], annex: &[Exhibit]) -> Done {
    if !cfg!(feature = "rivals") {
        return Err("build it with --features rivals".into());
    }
    let lock = fs::read_to_string(folder().join("Cargo.lock"))?;
    let mut results = Results::default();
    for entry in entries() {
        results.systems.push((entry.name.to_owned(), version(&entry, &lock)?));
        for exhibit in exhibits.iter().chain(annex) {
            let key = (entry.name.to_owned(), exhibit.name.clone());
            results.verdicts.insert(key, verdict(exhibit, &entry)?);
        }
    }
    fs::write(results_file(), results.print())?;
    Ok(fs::write(page_file(), page::page(exhibits, &results))?)
}

/// The version of a system, from the lock file or from the program.
fn version(entry: &Entry, lock: &str) -> Done<String> {
    let Some(package) = entry.package else { return Ok("this repository".to_owned()) };
    if package == "git" {
        let version = String::from_utf8(Command::new("git").arg("--version").output()?.stdout)?;
        return Ok(version.trim().trim_start_matches("git version ").to_owned());
    }
    let found = lock.split_once(&format!("name = \"{package}\"\nversion = \""));
    let version = found.and_then(|(_, rest)| rest.split_once('"')).ok_or("not in the lock file")?.0;
    Ok(format!("{package} {version}"))
}

fn show<'e>(exhibits: impl Iterator<Item = &'e Exhibit>, name: &str) -> Done {
    for exhibit in exhibits.filter(|exhibit| exhibit.name.starts_with(name)) {
        for entry in entries() {
            let ending = play::play(exhibit, (entry.make)()?.as_mut())?;
            println!("{}, {}: {}", exhibit.name, entry.name, judge::judge(exhibit, &ending));
            println!("  {:?}\n  told: {:?}", ending.views.first(), ending.aside.told);
        }
    }
    Ok(())
}
