//! The modules of this crate use one another in one direction.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

type Arrows = BTreeMap<String, BTreeSet<String>>;

/// Adds what each top-level module of a folder of sources names of the others.
fn read(folder: &Path, module: Option<&str>, arrows: &mut Arrows) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let stem = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let name = module.unwrap_or(&stem);
        if path.is_dir() {
            read(&path, Some(name), arrows);
        } else if name != "lib" {
            let source = fs::read_to_string(&path).unwrap();
            let source = source.split("#[cfg(test)]\nmod tests").next().unwrap();
            arrows.entry(name.to_owned()).or_default().extend(named(source));
        }
    }
}

/// The modules that a source names after `crate::`.
fn named(source: &str) -> BTreeSet<String> {
    let code = source.lines().filter(|line| !line.trim_start().starts_with("//"));
    let code: String = code.collect::<Vec<_>>().join(" ");
    let word =
        |text: &str| text.chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect();
    let mut names = BTreeSet::new();
    for rest in code.split("crate::").skip(1) {
        match rest.strip_prefix('{') {
            Some(list) => {
                let list = list.split("};").next().unwrap();
                names.extend(list.split([',', '{', '}']).map(|name| word(name.trim())));
            }
            None => _ = names.insert(word(rest)),
        }
    }
    names
}

#[test]
fn no_module_uses_one_that_uses_it() {
    let mut arrows = Arrows::new();
    read(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src")), None, &mut arrows);
    let modules: BTreeSet<String> = arrows.keys().cloned().collect();
    for (module, used) in &mut arrows {
        used.retain(|name| name != module && modules.contains(name));
    }
    assert!(
        10 < modules.len() && arrows["router"].contains("calls"),
        "they were found: {arrows:?}"
    );

    // Modules that use no other one are taken away until none is left, or a circle.
    while let Some(leaf) = arrows.iter().find(|(_, used)| used.is_empty()) {
        let leaf = leaf.0.clone();
        arrows.remove(&leaf);
        arrows.values_mut().for_each(|used| _ = used.remove(&leaf));
    }

    assert!(arrows.is_empty(), "these use one another in a circle: {arrows:?}");
}
