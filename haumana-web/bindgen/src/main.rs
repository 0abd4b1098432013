//! Makes `haumana_web.js`, its types and the final WebAssembly, plain and compressed:
//! `haumana-web-bindgen WASM FOLDER`.

use brotli::enc::BrotliEncoderParams;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use wasm_bindgen_cli_support::Bindgen;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [wasm, folder] = arguments.as_slice() else {
        eprintln!("usage: haumana-web-bindgen WASM FOLDER");
        return ExitCode::from(2);
    };
    let mut bindgen = Bindgen::new();
    bindgen.input_path(wasm).typescript(true).remove_name_section(true);
    bindgen.remove_producers_section(true);
    let made = bindgen.web(true).and_then(|bindgen| bindgen.generate(folder));
    let wasm = Path::new(folder).join("haumana_web_bg.wasm");
    let js = Path::new(folder).join("haumana_web.js");
    match made.and_then(|()| Ok(shorten(&js).and_then(|()| compress(&wasm))?)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("haumana-web-bindgen: {why:#}");
            ExitCode::FAILURE
        }
    }
}

/// Takes comments and indentation out of the JavaScript. The types have the comments, too, and no page
/// loads those.
fn shorten(path: &Path) -> std::io::Result<()> {
    let (mut short, mut is_comment) = (String::new(), false);
    for line in std::fs::read_to_string(path)?.lines().map(str::trim) {
        is_comment |= line.starts_with("/**");
        if !is_comment && !line.is_empty() && !line.starts_with("//") {
            short += line;
            short.push('\n');
        }
        is_comment &= !line.ends_with("*/");
    }
    // No text of a person is in it, so blanks around these signs are for readers of the code alone.
    for sign in ["=", ",", "=>", "{", "===", "!==", "+", "&&", "||", ":", "?", "<", ">", ">=", "<="] {
        short = short.replace(&format!(" {sign} "), sign).replace(&format!("{sign} "), sign);
    }
    short = short.replace(") {", "){").replace("if (", "if(").replace("\n}", "}");
    std::fs::write(path, short)
}

/// Writes a file beside it as brotli, as small as it gets. Which block size is best is only found by
/// trying.
fn compress(path: &Path) -> std::io::Result<()> {
    let plain = std::fs::read(path)?;
    let mut best: Option<Vec<u8>> = None;
    for lgblock in 16..=18 {
        let compressed = compressed(&plain, lgblock)?;
        if best.as_ref().is_none_or(|best| compressed.len() < best.len()) {
            best = Some(compressed);
        }
    }
    std::fs::write(path.with_extension("wasm.br"), best.unwrap_or_default())
}

fn compressed(plain: &[u8], lgblock: i32) -> std::io::Result<Vec<u8>> {
    let mut compressed = Vec::new();
    let size_hint = plain.len();
    let params =
        BrotliEncoderParams { quality: 11, lgwin: 24, lgblock, size_hint, ..Default::default() };
    let mut writer = brotli::CompressorWriter::with_params(&mut compressed, 1 << 16, &params);
    writer.write_all(plain)?;
    drop(writer);
    Ok(compressed)
}
