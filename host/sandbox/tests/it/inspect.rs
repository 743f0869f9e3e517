//! What is refused at install, and what the permission list says.

use shopwright_sandbox::{HostFunctions, SandboxError};

use crate::plugins::*;

#[test]
fn imports_are_listed_function_by_function() {
    let plugin = Plugin {
        imports: r#"
            (import "shopwright:plugin/types@0.1.0" (instance $types
                (type $m (record (field "amount" s64) (field "currency" string)))
                (export "money" (type (eq $m)))))
            (import "shopwright:plugin/orders@0.1.3" (instance
                (export "query" (func))
                (export "get" (func (param "x" u32) (result u32)))))
            (import "shopwright:plugin/customers@0.1.0" (instance (export "get" (func))))
            (import "wasi:random/random@0.2.7" (instance
                (export "get-random-u64" (func (result u64)))))"#,
        core: r#"(func (export "run") (result i32) (i32.const 0))"#,
        ..Plugin::default()
    };
    let bytes = plugin.bytes();
    let imports = SANDBOX.inspect(&bytes).unwrap();
    let functions: Vec<_> =
        imports.functions.iter().map(|f| format!("{}.{}@{}", f.interface, f.function, f.version)).collect();
    assert_eq!(functions, ["customers.get@0.1.0", "orders.get@0.1.3", "orders.query@0.1.3"]);
    assert_eq!(imports.wasi, ["wasi:random/random@0.2.7"]);
    assert!(imports.exports_interface("handler"));
    assert!(!imports.exports_interface("about"));
    // The same from the compiled form, as when it is loaded from disk.
    assert_eq!(*compile(&bytes).unwrap().imports(), imports);
}

#[test]
fn what_no_plugin_gets_is_refused_by_name() {
    for name in [
        "wasi:sockets/tcp@0.2.0",
        "wasi:filesystem/preopens@0.2.3",
        "wasi:http/outgoing-handler@0.2.0",
        "wasi:cli/environment@0.3.0",
        "other:thing/stuff@1.0.0",
    ] {
        let imports = format!(r#"(import "{name}" (instance (export "f" (func))))"#);
        let error = SANDBOX
            .inspect(
                &Plugin {
                    imports: &imports,
                    core: r#"(func (export "run") (result i32) (i32.const 0))"#,
                    ..Plugin::default()
                }
                .bytes(),
            )
            .unwrap_err();
        assert!(matches!(&error, SandboxError::Refused { names } if names == &[name]), "{error:?}");
        assert!(error.to_string().contains(name), "{error}");
    }
    for (imports, shown) in [
        (r#"(import "plain" (func))"#, "plain"),
        (
            r#"(import "shopwright:plugin/orders@0.1.0" (instance
                (export "handle" (type (sub resource)))))"#,
            "shopwright:plugin/orders@0.1.0 (handle)",
        ),
        (r#"(import "wasi:cli/exit@0.2.0" (instance (export "abscond" (func))))"#, "wasi:cli/exit@0.2.0 (abscond)"),
    ] {
        let error = SANDBOX
            .inspect(
                &Plugin { imports, core: r#"(func (export "run") (result i32) (i32.const 0))"#, ..Plugin::default() }
                    .bytes(),
            )
            .unwrap_err();
        assert!(matches!(&error, SandboxError::Refused { names } if names == &[shown]), "{error:?}");
    }
}

#[test]
fn another_version_of_the_interface_is_refused_with_both_versions() {
    for version in ["0.2.0", "1.0.0", "0.1.0-rc1"] {
        let error = SANDBOX.inspect(&orders_plugin(GET_ONCE, version).bytes()).unwrap_err();
        let text = error.to_string();
        assert!(matches!(error, SandboxError::WrongVersion { .. }), "{error:?}");
        assert!(text.contains(version) && text.contains("0.1.0"), "{text}");
    }
    // The same for what it exports.
    let text = wat_of_handler("shopwright:plugin/handler@0.2.0", "run");
    let error = SANDBOX.inspect(&text).unwrap_err();
    assert!(
        matches!(&error, SandboxError::WrongVersion { interface, .. }
            if interface == "shopwright:plugin/handler"),
        "{error:?}"
    );
}

fn wat_of_handler(export: &str, function: &str) -> Vec<u8> {
    wat::parse_str(format!(
        r#"(component
            (core module $m (func (export "f")))
            (core instance $i (instantiate $m))
            (func $f (canon lift (core func $i "f")))
            (instance $h (export "{function}" (func $f)))
            (export "{export}" (instance $h)))"#
    ))
    .unwrap()
}

#[test]
fn a_component_without_a_handler_is_no_plugin() {
    for bytes in [
        wat_of_handler("some:other/world@0.1.0", "run"),
        wat_of_handler("shopwright:plugin/handler@0.1.0", "walk"),
        wat::parse_str("(component)").unwrap(),
    ] {
        let error = SANDBOX.inspect(&bytes).unwrap_err();
        assert!(matches!(error, SandboxError::NoHandler), "{error:?}");
    }
}

#[test]
fn unknown_exports_are_ignored() {
    let text = wat::parse_str(
        r#"(component
            (core module $m (func (export "f")))
            (core instance $i (instantiate $m))
            (func $f (canon lift (core func $i "f")))
            (instance $h (export "run" (func $f)))
            (export "init" (func $f))
            (export "shopwright:plugin/handler@0.1.9" (instance $h)))"#,
    )
    .unwrap();
    let imports = SANDBOX.inspect(&text).unwrap();
    assert_eq!(imports.exports, ["init", "shopwright:plugin/handler@0.1.9"]);
}

#[test]
fn damaged_files_are_refused_with_a_reason() {
    let good = with_orders(GET_ONCE);
    let mut whole = 0;
    for length in 0..good.len() {
        match SANDBOX.inspect(&good[..length]) {
            Err(SandboxError::Invalid { .. } | SandboxError::NoHandler) => {}
            // Cut right before the closing section of names, which nothing needs.
            Ok(_) => whole += 1,
            Err(error) => panic!("{length}: {error:?}"),
        }
    }
    assert_eq!(whole, 1);
    for (bytes, word) in [
        (b"".to_vec(), "empty"),
        (b"PK\x03\x04 not wasm at all".to_vec(), "WebAssembly file"),
        (wat::parse_str("(module)").unwrap(), "core module"),
        (vec![0; 33 << 20], "33554432"),
    ] {
        let error = SANDBOX.inspect(&bytes).unwrap_err();
        assert!(error.to_string().contains(word), "{error}");
    }
}

/// Single damaged bytes: whatever `inspect` lets through must compile or be refused, never panic.
#[test]
fn flipped_bytes_never_panic() {
    let good = with_orders(GET_ONCE);
    for position in 0..good.len() {
        for flip in [1u8, 0x80, 0xff] {
            let mut bytes = good.clone();
            bytes[position] ^= flip;
            if SANDBOX.inspect(&bytes).is_ok() && position % 8 == 0 {
                let _ = compile(&bytes);
            }
        }
    }
}

#[test]
fn what_is_not_granted_is_not_linked() {
    let compiled = compile(&with_orders(GET_ONCE)).unwrap();
    let mut functions = HostFunctions::new();
    let error =
        SANDBOX.prepare::<shopwright_sandbox::Guest>(&compiled, &functions, &|_, _| true).map(drop).unwrap_err();
    assert!(matches!(&error, SandboxError::NotOffered { names } if names == &["orders.get"]), "{error:?}");
    functions.add("orders", "get", |_, (x,): (u32,)| Ok((x,)));
    let error = SANDBOX
        .prepare(&compiled, &functions, &|interface, function| (interface, function) != ("orders", "get"))
        .map(drop)
        .unwrap_err();
    assert!(matches!(&error, SandboxError::NotGranted { names } if names == &["orders.get"]), "{error:?}");
    assert!(error.to_string().contains("orders.get"), "{error}");
    SANDBOX.prepare(&compiled, &functions, &|_, _| true).unwrap();
}

#[test]
fn a_function_of_another_type_is_named_when_linking() {
    let compiled = compile(&with_orders(GET_ONCE)).unwrap();
    let mut functions = HostFunctions::<shopwright_sandbox::Guest>::new();
    functions.add("orders", "get", |_, (_,): (String,)| Ok((1u32,)));
    let error = SANDBOX.prepare(&compiled, &functions, &|_, _| true).map(drop).unwrap_err();
    assert!(matches!(error, SandboxError::Link { .. }), "{error:?}");
    assert!(error.to_string().contains("orders"), "{error}");
}

#[test]
fn a_handler_of_another_type_is_named_before_it_runs() {
    let plugin = Plugin { core: r#"(func (export "run") (result i32) (i32.const 0))"#, ..Plugin::default() }.prepare();
    plugin.check::<(), u32>().unwrap();
    let error = plugin.check::<(), String>().unwrap_err();
    assert!(matches!(error, SandboxError::Link { .. }), "{error:?}");
    let text = error.to_string();
    assert!(text.contains("string") && text.contains("u32"), "{text}");
    assert!(plugin.check::<(String,), u32>().is_err());
}
