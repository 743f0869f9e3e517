//! Generates the bindings to the host from `wit/0.1` and gives every record the JSON form it has on
//! the host: snake_case names, embedded documents for `json` fields, and the same fields that may be
//! left out.

use std::{env, fs, path::Path};

use wit_bindgen_core::{
    Files, WorldGenerator as _,
    wit_parser::{Resolve, Type, TypeDefKind, TypeOwner},
};
use wit_bindgen_rust::{Opts, WithOption};

/// Fields of texts and flags whose empty value means "unknown" or "no"; the host reads them alike.
const MAY_BE_LEFT_OUT: [&str; 9] =
    ["time-zone", "locale", "category", "description", "reason", "sku", "title", "internal", "repeatable"];

/// Written by hand in the crate, so that its fields cannot be computed with by mistake.
const MONEY: &str = "shopwright:plugin/types@0.1.0/money";

fn main() {
    let wit = Path::new("../../wit/0.1");
    println!("cargo::rerun-if-changed={}", wit.display());
    println!("cargo::rerun-if-changed=build.rs");
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_dir(wit).expect("wit/0.1 parses");
    let world = resolve.select_world(&[package], Some("everything")).expect("wit/0.1 has the world `everything`");

    let mut opts = Opts {
        runtime_path: Some("::shopwright_sdk::__private::rt".into()),
        default_bindings_module: Some("::shopwright_sdk::bindings".into()),
        pub_export_macro: true,
        generate_all: true,
        additional_derive_attributes: ["PartialEq", "::serde::Serialize", "::serde::Deserialize"]
            .map(String::from)
            .to_vec(),
        with: vec![(MONEY.into(), WithOption::Path("::shopwright_sdk::Money".into()))],
        ..Opts::default()
    };
    add_serde_attributes(&resolve, &mut opts);

    let mut files = Files::default();
    opts.build().generate(&mut resolve, world, &mut files).expect("bindings for wit/0.1");
    let (_, source) = files.iter().next().expect("one file is generated");
    let mut source = String::from_utf8(source.to_vec()).expect("bindings are text");
    add_names(&resolve, &mut source);
    let out = Path::new(&env::var("OUT_DIR").expect("cargo sets OUT_DIR")).join("bindings.rs");
    fs::write(out, source).expect("write the bindings");
}

fn add_serde_attributes(resolve: &Resolve, opts: &mut Opts) {
    for (_, definition) in resolve.types.iter() {
        let (Some(name), TypeOwner::Interface(interface)) = (&definition.name, definition.owner) else { continue };
        let Some(interface_name) = resolve.id_of(interface) else { continue };
        let selector = format!("{interface_name}/{name}");
        if selector == MONEY {
            continue;
        }
        let mut attribute = |member: &str, text: &str| {
            opts.additional_member_attributes.push((format!("{selector}.{member}"), text.to_owned()));
        };
        match &definition.kind {
            TypeDefKind::Record(record) => {
                for field in &record.fields {
                    if is_json(resolve, &field.ty) {
                        attribute(
                            &field.name,
                            r#"#[serde(with = "crate::json_text", default = "crate::json_text::empty")]"#,
                        );
                    } else if is_list(resolve, &field.ty) || MAY_BE_LEFT_OUT.contains(&field.name.as_str()) {
                        attribute(&field.name, "#[serde(default)]");
                    }
                }
            }
            TypeDefKind::Variant(_) | TypeDefKind::Enum(_) => {}
            _ => continue,
        }
        opts.additional_type_attributes.push((selector, "#[serde(rename_all = \"snake_case\")]".into()));
    }
}

/// Lets every enum say its name: `High` is `high`, `PartlyRefunded` is `partly refunded`.
fn add_names(resolve: &Resolve, source: &mut String) {
    for (_, definition) in resolve.types.iter() {
        let (Some(name), TypeOwner::Interface(interface)) = (&definition.name, definition.owner) else { continue };
        let TypeDefKind::Enum(cases) = &definition.kind else { continue };
        let Some(interface) = &resolve.interfaces[interface].name else { continue };
        let path = format!("shopwright::plugin::{}::{}", interface.replace('-', "_"), camel(name));
        source.push_str(&format!(
            "impl ::core::fmt::Display for {path} {{\n fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> \
             ::core::fmt::Result {{\n f.write_str(match self {{\n"
        ));
        for case in &cases.cases {
            source.push_str(&format!("Self::{} => {:?},\n", camel(&case.name), case.name.replace('-', " ")));
        }
        source.push_str("})\n}\n}\n");
    }
}

fn camel(name: &str) -> String {
    let mut upper = true;
    let mut camel = String::new();
    for c in name.chars() {
        if c == '-' {
            upper = true;
        } else {
            camel.extend(if upper { c.to_uppercase().collect::<Vec<_>>() } else { vec![c] });
            upper = false;
        }
    }
    camel
}

fn is_json(resolve: &Resolve, ty: &Type) -> bool {
    let Type::Id(mut id) = *ty else { return false };
    loop {
        let definition = &resolve.types[id];
        if definition.name.as_deref() == Some("json") {
            return true;
        }
        match definition.kind {
            TypeDefKind::Type(Type::Id(next)) => id = next,
            _ => return false,
        }
    }
}

fn is_list(resolve: &Resolve, ty: &Type) -> bool {
    matches!(ty, Type::Id(id) if matches!(resolve.types[*id].kind, TypeDefKind::List(_)))
}
