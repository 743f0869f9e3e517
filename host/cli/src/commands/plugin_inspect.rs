//! `shopwright plugin inspect`: what a component file is and may do.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;
use shopwright_registry::permissions;

use super::{
    Context,
    plugin::{print_permissions, print_secrets, trigger_words},
    plugin_build::{inspect, permissions_of, sandbox, size},
};
use crate::{
    failure::{Failure, Result, at_file},
    output::{self, fields},
};

/// Which component.
#[derive(Debug, Args)]
pub struct Inspect {
    /// The component file.
    file: PathBuf,
}

/// Does it.
pub fn run(context: &Context, args: Inspect) -> Result {
    let bytes = std::fs::read(&args.file).map_err(at_file(&args.file))?;
    let imports = inspect(&sandbox()?, &bytes)?;
    let manifest =
        shopwright_registry::extract(&bytes).map_err(|error| Failure::new("bad-manifest", error.to_string()))?;
    let asked = permissions_of(&imports)?;
    let hosts = manifest.as_ref().map(|manifest| manifest.http.clone()).unwrap_or_default();
    let summary = permissions::summary_with_hosts(&asked, &hosts);
    let permissions: Vec<_> = asked
        .iter()
        .map(|permission| {
            let function = permission.name();
            let narrowings = shopwright_policy::narrowings(&function);
            json!({"function": function, "words": permission.words, "risk": permission.risk, "kind": permission.kind,
                "narrowings": narrowings})
        })
        .collect();
    let wit = imports.functions.first().map(|function| function.version.clone());
    let answer = json!({
        "file": args.file, "digest": shopwright_registry::digest(&bytes), "size": bytes.len(), "wit": wit,
        "summary": summary, "permissions": permissions, "wasi": imports.wasi, "exports": imports.exports, "manifest": manifest,
    });
    context.show(&answer, |answer| {
        let text = |pointer: &str| answer.pointer(pointer).map(output::cell).unwrap_or_default();
        fields(&[
            ("plugin", format!("{} {}", text("/manifest/name"), text("/manifest/version")).trim().to_owned()),
            ("title", text("/manifest/title")),
            ("summary", text("/manifest/summary")),
            ("publisher", text("/manifest/publisher")),
            ("digest", text("/digest")),
            ("size", size(bytes.len())),
            ("built for", format!("shopwright:plugin {}", text("/wit")).trim().to_owned()),
            ("wasi", format!("{} interfaces, all stubbed", imports.wasi.len())),
        ]);
        match answer["manifest"]["workflow"].as_array() {
            None => output::line("It has no manifest: hosts take what `shopwright plugin build` makes."),
            Some(workflows) => {
                for workflow in workflows {
                    output::line(format!(
                        "workflow {}: {}",
                        output::cell(&workflow["name"]),
                        output::cell(&workflow["title"])
                    ));
                    for trigger in workflow["trigger"].as_array().into_iter().flatten() {
                        output::line(format!("  {}", trigger_words(trigger)));
                    }
                }
            }
        }
        output::line(format!("It {summary}."));
        print_permissions(&permissions, &json!(hosts));
        print_secrets(&answer["manifest"]["secret"]);
    });
    Ok(())
}
