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
        if !is_comment && !line.is_empty() {
            short += line;
            short.push('\n');
        }
        is_comment &= !line.ends_with("*/");
    }
    std::fs::write(path, short)
}

/// Writes a file beside it as brotli, as small as it gets.
fn compress(path: &Path) -> std::io::Result<()> {
    let plain = std::fs::read(path)?;
    let mut compressed = Vec::new();
    let hint = plain.len();
    let params = BrotliEncoderParams { quality: 11, lgwin: 24, size_hint: hint, ..Default::default() };
    let mut writer = brotli::CompressorWriter::with_params(&mut compressed, 1 << 16, &params);
    writer.write_all(&plain)?;
    drop(writer);
    std::fs::write(path.with_extension("wasm.br"), compressed)
}
