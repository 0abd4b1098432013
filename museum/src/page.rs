//! The page of the museum, from the exhibits and the results.

use crate::exhibit::Exhibit;
use crate::judge::Verdict;
use crate::results::Results;
use std::fmt::Write;

/// The commit in which the exhibits were written down, before any of them was run, and the name of its
/// tree of exhibits, which is the same after a rebase.
const CHOSEN: (&str, &str) = ("010a1c84228f", "27d55a71a641");

/// The characters of a line of the page.
const WIDTH: usize = 100;

/// What stands above the tables.
const HEAD: &str = include_str!("page/head.txt");

/// How each system plays the scripts.
const SYSTEMS: &str = include_str!("page/systems.txt");

/// What became of ours.
const FOUND: &str = include_str!("page/found.txt");

/// Prints the page.
pub fn page(exhibits: &[Exhibit], results: &Results) -> String {
    let mut page = HEAD.replace("COMMIT", CHOSEN.0).replace("TREE", CHOSEN.1);
    totals(&mut page, exhibits, results);
    page.push_str(FOUND);
    page.push_str(SYSTEMS);
    matrix(&mut page, exhibits, results);
    page.push_str("\n## The exhibits\n");
    for exhibit in exhibits {
        show(&mut page, exhibit, results);
    }
    page
}

fn totals(page: &mut String, exhibits: &[Exhibit], results: &Results) {
    let edits: usize = exhibits.iter().map(|of| of.keep.len() + of.counters.len()).sum();
    let _ = writeln!(
        page,
        "\n## The table\n{} exhibits with {edits} edits that must survive:\n",
        exhibits.len()
    );
    page.push_str("| system | version | lost | only in the history | in an inbox or marked | ");
    page.push_str("doubled | garbled | came back | devices differ | exhibits with a loss |\n");
    page.push_str("|---|---|---|---|---|---|---|---|---|---|\n");
    for (system, version) in &results.systems {
        let verdicts: Vec<&Verdict> =
            exhibits.iter().filter_map(|of| results.get(system, &of.name)).collect();
        let sum = |part: fn(&Verdict) -> &Vec<String>| -> usize {
            verdicts.iter().map(|verdict| part(verdict).len()).sum()
        };
        let with_loss = verdicts.iter().filter(|verdict| !verdict.lost.is_empty()).count();
        let _ = writeln!(
            page,
            "| {system} | {version} | {} | {} | {} | {} | {} | {} | {} | {with_loss} |",
            sum(|verdict| &verdict.lost),
            sum(|verdict| &verdict.history),
            sum(|verdict| &verdict.told),
            sum(|verdict| &verdict.doubled),
            sum(|verdict| &verdict.garbled),
            sum(|verdict| &verdict.back),
            sum(|verdict| &verdict.apart),
        );
    }
    page.push('\n');
}

fn matrix(page: &mut String, exhibits: &[Exhibit], results: &Results) {
    page.push_str("\n## Every exhibit on every system\n");
    page.push_str("✓: all edits are in the record, each once. A number says how many edits ");
    page.push_str("became what stands before it.\n\n| |");
    for (system, _) in &results.systems {
        let _ = write!(page, " {system} |");
    }
    page.push_str("\n|---|");
    page.push_str(&"---|".repeat(results.systems.len()));
    page.push('\n');
    for exhibit in exhibits {
        let (number, _) = exhibit.name.split_once('-').unwrap_or_default();
        let _ = write!(page, "| [{number}](#{}) |", anchor(exhibit));
        for (system, _) in &results.systems {
            let cell = results.get(system, &exhibit.name).map(cell).unwrap_or_default();
            let _ = write!(page, " {cell} |");
        }
        page.push('\n');
    }
}

fn cell(verdict: &Verdict) -> String {
    let parts = verdict.parts().into_iter().filter(|(_, words)| !words.is_empty());
    let parts: Vec<String> = parts
        .map(|(name, words)| match name {
            "lost" => format!("**lost {}**", words.len()),
            name => format!("{name} {}", words.len()),
        })
        .collect();
    if parts.is_empty() { "✓".to_owned() } else { parts.join(", ") }
}

/// The heading of an exhibit.
fn heading(exhibit: &Exhibit) -> String {
    let (number, _) = exhibit.name.split_once('-').unwrap_or_default();
    format!("{number} {}", exhibit.title)
}

/// What links to it.
fn anchor(exhibit: &Exhibit) -> String {
    let heading = heading(exhibit).to_lowercase().replace(' ', "-");
    heading.chars().filter(|of| of.is_alphanumeric() || *of == '-').collect()
}

fn show(page: &mut String, exhibit: &Exhibit, results: &Results) {
    let _ = writeln!(page, "\n### {}", heading(exhibit));
    let _ = writeln!(page, "**{}**, <{}>\n", exhibit.system, exhibit.link);
    let _ = writeln!(page, "{}\n", wrapped(&exhibit.situation));
    let _ = writeln!(page, "{}\n", wrapped(&format!("*There:* {}", exhibit.elsewhere)));
    let _ = writeln!(page, "{}\n", wrapped(&format!("*Expected:* {}", exhibit.expect)));
    let _ = writeln!(page, "```text\n{}\n```", exhibit.script.join("\n"));
    for (place, (system, _)) in results.systems.iter().enumerate() {
        let Some(verdict) = results.get(system, &exhibit.name) else { continue };
        // Ours is shown always, rivals where something happened.
        if place == 0 || *verdict != Verdict::default() {
            let _ = writeln!(page, "- {system}: {verdict}");
        }
    }
}

/// A paragraph in lines of at most 100 characters.
fn wrapped(text: &str) -> String {
    let (mut lines, mut line) = (Vec::new(), String::new());
    for word in text.split(' ') {
        if !line.is_empty() && WIDTH <= line.chars().count() + word.chars().count() {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines.push(line);
    lines.join("\n")
}
