//! Generates the commerce model's Rust types from `wit/0.1` and adds what serde needs:
//! snake_case names for cases, embedded JSON for `json` fields, defaults for lists.

use std::{env, fs, path::Path};

fn main() {
    let wit = Path::new("../../wit/0.1");
    println!("cargo::rerun-if-changed={}", wit.display());
    let mut resolve = wit_parser::Resolve::new();
    let (package, _) = resolve.push_dir(wit).expect("wit/0.1 parses");
    let world = resolve.select_world(&[package], Some("everything")).expect("wit/0.1 has the world `everything`");
    let opts = wasmtime_internal_wit_bindgen::Opts {
        additional_derive_attributes: ["serde::Serialize", "serde::Deserialize", "PartialEq"]
            .map(String::from)
            .to_vec(),
        ..Default::default()
    };
    let source = opts.generate(&mut resolve, world).expect("bindings for wit/0.1");
    let out = Path::new(&env::var("OUT_DIR").expect("cargo sets OUT_DIR")).join("wit.rs");
    fs::write(&out, with_serde_attributes(&source)).expect("write the generated types");
}

/// Inserts serde attributes line by line. The generated text has one item or field per line.
fn with_serde_attributes(source: &str) -> String {
    let mut out = String::with_capacity(source.len() + 4096);
    for line in source.lines() {
        let trimmed = line.trim_start();
        let is_field = trimmed.starts_with("pub ") && !trimmed.contains("fn ") && trimmed.ends_with(',');
        if is_field && trimmed.contains(": Json,") {
            out.push_str("#[serde(with = \"crate::json_text\", default = \"crate::json_text::empty\")]\n");
        } else if is_field && trimmed.contains("Vec<u8>,") {
            out.push_str("#[serde(with = \"crate::bytes_text\", default)]\n");
        } else if is_field && (trimmed.contains(": wasmtime::component::__internal::Vec<") || may_be_left_out(trimmed))
        {
            out.push_str("#[serde(default)]\n");
        }
        out.push_str(line);
        out.push('\n');
        if trimmed.starts_with("#[derive(") && trimmed.contains("serde::Serialize") {
            out.push_str("#[serde(rename_all = \"snake_case\")]\n");
        }
    }
    out
}

/// Fields whose empty value means "unknown" or "no", so that events written by hand stay short.
fn may_be_left_out(field: &str) -> bool {
    const NAMES: [&str; 9] =
        ["time_zone", "locale", "category", "description", "reason", "sku", "title", "internal", "repeatable"];
    let name = field.trim_start_matches("pub ").split(':').next().unwrap_or_default();
    NAMES.contains(&name)
}
