//! The surface is what `wit/` says, function by function and type by type.

use super::*;
use shopwright_model::types::ActionError;
use wasmtime::{
    Engine,
    component::{Component, Linker, types::ComponentItem},
};
use wit_component::{ComponentEncoder, StringEncoding, dummy_module, embed_component_metadata};
use wit_parser::{ManglingAndAbi, Resolve};

const INTERFACES: [&str; 12] = [
    "customers",
    "catalog",
    "inventory",
    "orders",
    "carts",
    "support",
    "reviews",
    "market",
    "messaging",
    "pricing-actions",
    "discount-actions",
    "support-actions",
];

/// Links every call as the engine does, without doing anything.
struct Link(Linker<()>);

impl Surface for Link {
    fn read<P: Params, R: Returns>(
        &mut self,
        interface: &'static str,
        function: &'static str,
        _: for<'a> fn(&'a dyn Reader, P) -> ReadFuture<'a, R>,
    ) {
        let mut instance = self.0.instance(&name(interface)).expect("an instance");
        instance
            .func_wrap(function, |_, _: P| Ok((Err::<R, _>(ReadError::Unavailable(String::new())),)))
            .expect("a function once");
    }

    fn action<P: Params, R: Returns>(
        &mut self,
        interface: &'static str,
        function: &'static str,
        _: fn(P) -> Result<ActionKind, String>,
        _: fn(Performed) -> R,
    ) {
        let mut instance = self.0.instance(&name(interface)).expect("an instance");
        instance
            .func_wrap(function, |_, _: P| Ok((Err::<R, _>(ActionError::Unavailable(String::new())),)))
            .expect("a function once");
    }
}

fn name(interface: &str) -> String {
    format!("shopwright:plugin/{interface}@0.1.0")
}

/// A component that imports every commerce function, made from `wit/` alone.
fn imports_all(resolve: &mut Resolve) -> Vec<u8> {
    let imports: Vec<String> =
        INTERFACES.iter().map(|interface| format!("import shopwright:plugin/{interface}@0.1.0;")).collect();
    let text = format!("package test:all; world all {{ {} }}", imports.join(" "));
    let package = resolve.push_str("all.wit", &text).expect("a world");
    let world = resolve.select_world(&[package], Some("all")).expect("the world");
    let mut module = dummy_module(resolve, world, ManglingAndAbi::Standard32);
    embed_component_metadata(&mut module, resolve, world, StringEncoding::UTF8).expect("metadata");
    ComponentEncoder::default().module(&module).and_then(|mut encoder| encoder.encode()).expect("a component")
}

#[test]
fn every_function_of_wit_is_offered_with_its_very_types_and_no_other_is() {
    let mut resolve = Resolve::new();
    let (package, _) = resolve.push_dir("../../wit/0.1").expect("wit/0.1");
    let mut in_wit: Vec<String> = Vec::new();
    for (interface, id) in &resolve.packages[package].interfaces {
        if INTERFACES.contains(&interface.as_str()) {
            in_wit.extend(resolve.interfaces[*id].functions.keys().map(|function| format!("{interface}.{function}")));
        }
    }
    let calls = Calls::new();
    let mut offered: Vec<String> = calls.reads.keys().chain(calls.actions.keys()).cloned().collect();
    in_wit.sort();
    offered.sort();
    assert_eq!(offered, in_wit);
    let mut actions: Vec<&str> = calls.actions.keys().map(String::as_str).collect();
    // Requests to servers of others are the engine's own: nothing of the shop's model is in them.
    let mut named: Vec<&str> = ActionKind::NAMES.into_iter().filter(|name| *name != "http.send").collect();
    actions.sort_unstable();
    named.sort_unstable();
    assert_eq!(actions, named, "every action is known to the guardrails by the name it is called by");

    let engine = Engine::default();
    let component = Component::new(&engine, imports_all(&mut resolve)).expect("a component");
    let imported: usize = component
        .component_type()
        .imports(&engine)
        .map(|(_, item)| match item.ty {
            ComponentItem::ComponentInstance(instance) => {
                let is_function = |item: &ComponentItem| matches!(item, ComponentItem::ComponentFunc(_));
                instance.exports(&engine).filter(|(_, item)| is_function(&item.ty)).count()
            }
            _ => 0,
        })
        .sum();
    assert_eq!(imported, in_wit.len(), "the component imports every function");
    let mut link = Link(Linker::new(&engine));
    register(&mut link);
    // Compares the type of every function.
    link.0.instantiate_pre(&component).expect("the types of wit/");
}
