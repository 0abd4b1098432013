//! How the house is built: arrows go one way, and the engine knows no kind by number or name.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The sources below `folder`, with their paths from there.
fn sources(folder: &Path) -> Vec<(String, String)> {
    let (mut found, mut open) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(next) = open.pop() {
        for entry in std::fs::read_dir(&next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(folder).unwrap().to_string_lossy().into_owned();
                found.push((name, code(&std::fs::read_to_string(&path).unwrap())));
            }
        }
    }
    found.sort();
    found
}

/// What is compiled into the library: no tests and no comments.
fn code(source: &str) -> String {
    let library = source.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    let is_code = |line: &&str| !line.trim_start().starts_with("//");
    library.lines().filter(is_code).collect::<Vec<&str>>().join("\n")
}

/// Which of a crate's modules name which.
fn arrows(crate_name: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut arrows: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (path, source) in sources(&root().join(crate_name).join("src")) {
        let first = path.split('/').next().unwrap_or_default();
        let from = first.trim_end_matches(".rs").to_owned();
        if from == "lib" {
            continue;
        }
        for place in source.split("crate::").skip(1) {
            for to in named(place).into_iter().filter(|to| *to != from) {
                arrows.entry(from.clone()).or_default().insert(to.to_owned());
            }
        }
    }
    arrows
}

/// The modules that a path names behind `crate::`: one, or those of a list in braces.
fn named(path: &str) -> Vec<&str> {
    let Some(list) = path.strip_prefix('{') else { return word(path).into_iter().collect() };
    let (mut depth, mut start, mut found) = (0, 0, Vec::new());
    for (at, c) in list.char_indices() {
        match c {
            '{' => depth += 1,
            ',' | '}' if depth == 0 => {
                found.extend(word(list[start..at].trim_start()));
                start = at + 1;
                if c == '}' {
                    break;
                }
            }
            '}' => depth -= 1,
            _ => {}
        }
    }
    found
}

/// The name of a module with which a path begins.
fn word(path: &str) -> Option<&str> {
    let end = path.find(|c: char| !(c.is_ascii_lowercase() || c == '_'));
    let word = &path[..end.unwrap_or(path.len())];
    (!word.is_empty()).then_some(word)
}

#[test]
fn a_list_in_braces_names_each_of_its_modules() {
    assert_eq!(vec!["calls"], named("calls::about;"));
    assert_eq!(vec!["calls", "doc", "cors"], named("{calls::{self, sync}, Api, doc,\n cors};"));
    assert_eq!(Vec::<&str>::new(), named("Api;"));
}

/// The modules from which arrows lead back to themselves.
fn circles(arrows: &BTreeMap<String, BTreeSet<String>>) -> Vec<&String> {
    let leads_back = |start: &&String| {
        let (mut seen, mut open) = (BTreeSet::new(), vec![*start]);
        while let Some(next) = open.pop() {
            for to in arrows.get(next).into_iter().flatten() {
                if to == *start {
                    return true;
                }
                if seen.insert(to) {
                    open.push(to);
                }
            }
        }
        false
    };
    arrows.keys().filter(leads_back).collect()
}

#[test]
fn no_two_modules_of_a_crate_point_at_each_other() {
    for crate_name in CRATES_WITHOUT_CIRCLES {
        let arrows = arrows(crate_name);

        assert!(1 < arrows.len(), "{crate_name} has modules");
        assert_eq!(Vec::<&String>::new(), circles(&arrows), "{crate_name}: {arrows:#?}");
    }
}

const CRATES_WITHOUT_CIRCLES: [&str; 9] = [
    "haumana-sync",
    "haumana-app",
    "haumana-api",
    "haumana-replica",
    "haumana-store-sqlite",
    "haumana-store-dynamo",
    "haumana-lambda",
    "haumana-import",
    "haumana-cli",
];

/// From the innermost crate outwards; a crate names only those before it.
const CRATES: [&str; 16] = [
    "haumana-derive",
    "haumana-sync",
    "haumana-app",
    "haumana-sim",
    "haumana-auth",
    "haumana-store-sqlite",
    "haumana-store-dynamo",
    "haumana-store-postgres",
    "haumana-replica",
    "haumana-api",
    "haumana-sim-run",
    "haumana-directory-cognito",
    "haumana-import",
    "haumana-lambda",
    "haumana-trim",
    "haumana-server",
];

#[test]
fn arrows_between_crates_go_one_way() {
    for (at, crate_name) in CRATES.iter().enumerate() {
        let manifest = root().join(crate_name).join("Cargo.toml");
        let Ok(manifest) = std::fs::read_to_string(manifest) else { continue };
        let after = manifest.split("[dependencies]").nth(1).unwrap_or_default();
        let dependencies = after.split("\n[").next().unwrap_or_default();
        let named = dependencies.lines().filter(|line| line.starts_with("haumana-"));
        for line in named {
            let end = line.find(|c: char| !(c.is_ascii_lowercase() || c == '-')).unwrap();
            let place = CRATES.iter().position(|known| *known == &line[..end]);
            assert!(place.is_some_and(|place| place < at), "{crate_name} depends on {line}");
        }
    }
}

#[test]
fn marks_of_tests_are_compiled_for_tests_alone() {
    let mut n_optional = 0;
    for crate_name in CRATES {
        let manifest = root().join(crate_name).join("Cargo.toml");
        let manifest = std::fs::read_to_string(manifest).unwrap();
        let after = manifest.split("\n[dependencies]").nth(1).unwrap_or_default();
        let dependencies = after.split("\n[").next().unwrap_or_default();
        for line in dependencies.lines().filter(|line| line.starts_with("cov-mark")) {
            assert!(line.contains("optional = true"), "{crate_name} is shipped with {line}");
            n_optional += 1;
        }
        let default = manifest.lines().find(|line| line.starts_with("default = "));
        assert!(!default.is_some_and(|line| line.contains("testing")), "{crate_name}");
    }
    assert_eq!(2, n_optional, "the core and the dialect have marks");
}

#[test]
fn tests_have_one_clock_that_is_set_and_one_source_of_chance() {
    // A hash of the product, the guide's example, and generators of crates that do not have the kit.
    let others = [
        "haumana-sync/src/lib.rs",
        "haumana-app/src/given.rs",
        "haumana-auth/tests/it/attacks/mutations.rs",
        "haumana-store-dynamo/src/testing/faults.rs",
        "haumana-store-dynamo/tests/it/meter.rs",
    ];
    let kit = "haumana-sync/src/conformance/chance.rs";
    let (step, sets) = (format!("9e37{}", "79b97f4a7c15"), format!("impl {} for", "Clock"));

    let (mut steps, mut clocks) = (Vec::new(), Vec::new());
    for path in every_source() {
        let source = std::fs::read_to_string(root().join(&path)).unwrap();
        // Tokens have a time of their own.
        let is_of_tokens = path.starts_with("haumana-auth/");
        let is_clock = source.contains(&sets) && source.contains("AtomicI64") && !is_of_tokens;
        clocks.extend(is_clock.then(|| path.clone()));
        let has_step = source.to_lowercase().replace('_', "").contains(&step);
        steps.extend((has_step && !others.contains(&path.as_str())).then_some(path));
    }

    assert_eq!((vec![kit.to_owned()], vec![kit.to_owned()]), (clocks, steps));
}

/// The sources of the workspace, tests too, with their paths from its root.
fn every_source() -> Vec<String> {
    let folders = std::fs::read_dir(root()).unwrap().map(|entry| entry.unwrap().path());
    let crates = folders.filter(|path| path.join("Cargo.toml").is_file());
    let mut found = Vec::new();
    for folder in crates {
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        let inside = ["src", "tests", "benches", "examples"].map(|inside| folder.join(inside));
        for inside in inside.iter().filter(|inside| inside.is_dir()) {
            let part = inside.file_name().unwrap().to_string_lossy();
            found.extend(
                sources(inside).into_iter().map(|(path, _)| format!("{name}/{part}/{path}")),
            );
        }
    }
    found.sort();
    found
}

#[test]
fn the_engine_knows_no_kind_by_number_or_name() {
    let rooms = ["engine", "merge", "schema", "store", "text", "record/content.rs", "sync.rs"];
    let words = [
        "KindNumber::PIECE",
        "KindNumber::SESSION",
        "Key::piece",
        "Key::session",
        "\"piece\"",
        "\"session\"",
        "piece_kind",
        "session_kind",
        "repertoire",
        "Phone",
    ];

    let all = sources(&root().join("haumana-sync/src"));
    let inside = |path: &str| rooms.iter().any(|room| path.starts_with(room));
    let mut n_files = 0;
    for (path, source) in all.iter().filter(|(path, _)| inside(path)) {
        n_files += 1;
        for word in words {
            assert!(!source.contains(word), "{path} names {word}");
        }
    }
    assert!(50 < n_files, "the sources are where this test looks for them: {n_files}");
}
