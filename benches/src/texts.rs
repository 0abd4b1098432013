//! Songs of any length, with an edit on each side.

/// A base, the server's text and the pushed one.
pub type Texts = [String; 3];

fn line(n: usize) -> String {
    format!("Haʻaheo ka ua i nā pali {n}\n")
}

/// A lyric of `lines` lines, with one line changed on each side.
pub fn one_edit_each(lines: usize) -> Texts {
    let with = |changed: Option<usize>| {
        (0..lines)
            .map(|n| if changed == Some(n) { format!("Ke nihi aʻela {n}\n") } else { line(n) })
            .collect()
    };
    [with(None), with(Some(lines / 4)), with(Some(lines * 3 / 4))]
}

/// Verses with the same refrain after each; one side adds a verse, the other changes a refrain.
pub fn refrains(verses: usize) -> Texts {
    let hui = "Aloha ʻoe, aloha ʻoe\nE ke onaona noho i ka lipo\n";
    let song = |verses: usize, special: Option<usize>| -> String {
        (0..verses)
            .map(|n| {
                let hui = if special == Some(n) { "Until we meet again\n" } else { hui };
                format!("{}{}\n{hui}\n", line(2 * n), line(2 * n + 1))
            })
            .collect()
    };
    [song(verses, None), song(verses + 1, None), song(verses, Some(verses / 2))]
}

/// Three texts of `bytes` bytes without one line in common.
pub fn nothing_in_common(bytes: usize) -> Texts {
    let text = |name: &str| {
        let mut text = String::with_capacity(bytes);
        for n in 0.. {
            let line = format!("{name} {n} {}\n", n * 7919 % 1000);
            if bytes < text.len() + line.len() {
                break;
            }
            text.push_str(&line);
        }
        text
    };
    [text("base"), text("kumu"), text("haumana")]
}
