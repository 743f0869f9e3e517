//! Components that no toolchain would make, written by hand.

use shopwright_registry::Manifest;

use crate::probe;

/// Where a component carries its manifest.
const SECTION: &str = "shopwright:manifest";

/// A plugin whose core module has these further items, and whose `run` does `body` (an expression that leaves
/// nothing on the stack) before it ends as done.
pub fn plugin(name: &str, items: &str, body: &str) -> Vec<u8> {
    package(name, &component("shopwright:plugin/handler@0.1.0", "", items, body))
}

/// `bytes` with a manifest of one workflow, `script`.
pub fn package(name: &str, bytes: &[u8]) -> Vec<u8> {
    shopwright_registry::embed(bytes, &manifest(name)).expect("it is embedded")
}

/// A manifest of one workflow, `script`, on `hostile.go`.
pub fn manifest(name: &str) -> Manifest {
    let text = format!(
        "name = \"{name}\"\nversion = \"1.0.0\"\ntitle = \"Hostile\"\nsummary = \"Misbehaves.\"\npublisher = \"nobody\"\nwit = \"0.1\"\n\
         [[workflow]]\nname = \"script\"\ntitle = \"Misbehave\"\n[[workflow.trigger]]\nevent = [\"hostile.go\"]\n[workflow.retry]\nmax = 0\n"
    );
    Manifest::parse_toml_with(&text, "plugin.toml", &mut |_| Ok(String::new())).expect("a manifest")
}

/// A component that exports the handler as `wit/0.1` has it. `imports` are further imports of its own.
pub fn component(export: &str, imports: &str, items: &str, body: &str) -> Vec<u8> {
    let event = r#"(record (field "id" string) (field "kind" string) (field "at" u64) (field "concerns" (list string)) (field "data" string))"#;
    let trigger =
        r#"(variant (case "event" $event) (case "schedule" u64) (case "manual" string) (case "continued" string))"#;
    let outcome = r#"(variant (case "done" string) (case "continue-as-new" string))"#;
    let failure = r#"(variant (case "retry" string) (case "fatal" string))"#;
    let run = r#"(param "workflow" string) (param "trigger" $trigger) (param "settings" string) (result (result $outcome (error $failure)))"#;
    wat::parse_str(format!(
        r#"(component
            (import "shopwright:plugin/events@0.1.0" (instance $events
                (type $event' {event})
                (export "event" (type (eq $event')))))
            (alias export $events "event" (type $event))
            {imports}
            (core module $m
                (memory (export "memory") 1)
                (global $free (mut i32) (i32.const 4096))
                (data (i32.const 32) "null")
                {items}
                (func (export "realloc") (param i32 i32 i32 i32) (result i32)
                    (local $at i32)
                    (local.set $at (i32.and (i32.add (global.get $free) (i32.const 15)) (i32.const -16)))
                    (global.set $free (i32.add (local.get $at) (local.get 3)))
                    (local.get $at))
                (func (export "run") (param i32 i32 i32 i64 i32 i32 i32 i64 i32 i32 i32 i32 i32 i32) (result i32)
                    {body}
                    (i32.store (i32.const 0) (i32.const 0))
                    (i32.store (i32.const 4) (i32.const 0))
                    (i32.store (i32.const 8) (i32.const 32))
                    (i32.store (i32.const 12) (i32.const 4))
                    (i32.const 0)))
            (core instance $i (instantiate $m))
            (type $trigger {trigger})
            (type $outcome {outcome})
            (type $failure {failure})
            (func $run {run} (canon lift (core func $i "run") (memory (core memory $i "memory")) (realloc (core func $i "realloc"))))
            (component $named
                (type $event' {event})
                (import "import-type-event" (type $event (eq $event')))
                (type $trigger' {trigger})
                (import "import-type-trigger" (type $trigger (eq $trigger')))
                (type $outcome' {outcome})
                (import "import-type-outcome" (type $outcome (eq $outcome')))
                (type $failure' {failure})
                (import "import-type-failure" (type $failure (eq $failure')))
                (import "import-func-run" (func $run {run}))
                (export $trigger-named "trigger" (type $trigger))
                (export $outcome-named "outcome" (type $outcome))
                (export $failure-named "failure" (type $failure))
                (export "run" (func $run) (func (param "workflow" string) (param "trigger" $trigger-named) (param "settings" string)
                    (result (result $outcome-named (error $failure-named))))))
            (instance $handler (instantiate $named
                (with "import-type-event" (type $event))
                (with "import-type-trigger" (type $trigger))
                (with "import-type-outcome" (type $outcome))
                (with "import-type-failure" (type $failure))
                (with "import-func-run" (func $run))))
            (export "{export}" (instance $handler)))"#
    ))
    .expect("it is a component")
}

/// A component that imports a function `open` of `import`, and exports the handler with a function that only
/// traps.
pub fn importing(import: &str) -> Vec<u8> {
    wat::parse_str(format!(
        r#"(component
            (import "{import}" (instance (export "open" (func))))
            (core module $m (func (export "run") unreachable))
            (core instance $i (instantiate $m))
            (func $run (canon lift (core func $i "run")))
            (instance $handler (export "run" (func $run)))
            (export "shopwright:plugin/handler@0.1.0" (instance $handler)))"#
    ))
    .expect("it is a component")
}

/// The probe with a custom section of the manifest's name that holds `text`.
pub fn with_section(text: &str) -> Vec<u8> {
    let mut bytes = probe::component().to_vec();
    append_section(&mut bytes, text);
    bytes
}

/// Appends a manifest section that nobody has looked at.
pub fn append_section(bytes: &mut Vec<u8>, text: &str) {
    let name = SECTION.as_bytes();
    bytes.push(0);
    leb128(bytes, leb128_len(name.len()) + name.len() + text.len());
    leb128(bytes, name.len());
    bytes.extend_from_slice(name);
    bytes.extend_from_slice(text.as_bytes());
}

fn leb128(out: &mut Vec<u8>, mut n: usize) {
    while n >= 0x80 {
        out.push(u8::try_from(n & 0x7f).expect("seven bits") | 0x80);
        n >>= 7;
    }
    out.push(u8::try_from(n).expect("seven bits"));
}

fn leb128_len(n: usize) -> usize {
    let mut out = Vec::new();
    leb128(&mut out, n);
    out.len()
}
