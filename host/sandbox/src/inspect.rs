//! What a component asks for: its imports are its permission list.

use wasmparser::{
    Parser, Payload, Validator, WasmFeatures,
    component_types::{ComponentAnyTypeId, ComponentEntityType, ComponentInstanceTypeId},
    types::Types,
};
use wasmtime::{
    Engine,
    component::{Component, types::ComponentItem},
};

use crate::{
    PACKAGE, SandboxError, WIT_VERSION,
    names::{InterfaceName, WASI_VERSION},
    wasi,
};

/// A host function that a component imports.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub struct ImportedFunction {
    /// Interface, without package and version: `orders`.
    pub interface: String,
    /// Function: `get`.
    pub function: String,
    /// Version of the interface that the component was built against: `0.1.0`.
    pub version: String,
}

/// What a component imports and exports.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Imports {
    /// The host functions it imports, each once, in order: the permissions it asks for.
    pub functions: Vec<ImportedFunction>,
    /// The WASI interfaces it imports, by full name. They are stubbed and permit nothing.
    pub wasi: Vec<String>,
    /// Everything it exports, by full name. Exports that are not known are never called.
    pub exports: Vec<String>,
}

impl Imports {
    /// Whether it exports an interface of the package in a version that this host calls, such as
    /// `about`.
    pub fn exports_interface(&self, interface: &str) -> bool {
        find_export(self.exports.iter().map(String::as_str), interface).is_some()
    }
}

/// The full name under which an interface of the package is exported.
pub(crate) fn find_export<'a>(exports: impl IntoIterator<Item = &'a str>, interface: &str) -> Option<&'a str> {
    exports.into_iter().find(|full| {
        InterfaceName::parse(full)
            .is_some_and(|name| name.package == PACKAGE && name.interface == interface && name.is_of(WIT_VERSION))
    })
}

/// Something that a component imports or exports, or that an instance exports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Item {
    Function,
    Resource,
    /// A type that needs no definition.
    Type,
    /// A core module, a component, a value, a nested instance.
    Other,
}

/// A component's outline, from its bytes or from its compiled form.
pub(crate) struct Outline {
    imports: Vec<(String, Extern)>,
    exports: Vec<(String, Extern)>,
}

enum Extern {
    Instance(Vec<(String, Item)>),
    Single(Item),
}

impl Outline {
    /// Validates the whole component; nothing is compiled.
    pub fn of_bytes(bytes: &[u8], features: WasmFeatures) -> Result<Self, SandboxError> {
        let invalid = |reason: String| SandboxError::Invalid { reason };
        if !Parser::is_component(bytes) {
            return Err(invalid(if Parser::is_core_wasm(bytes) {
                "it is a core module: build it for wasm32-wasip2, or wrap it with `wasm-tools \
                 component new`"
                    .to_owned()
            } else if bytes.is_empty() {
                "the file is empty".to_owned()
            } else {
                "it does not begin like a WebAssembly file".to_owned()
            }));
        }
        let types =
            Validator::new_with_features(features).validate_all(bytes).map_err(|error| invalid(error.to_string()))?;
        let mut outline = Outline { imports: Vec::new(), exports: Vec::new() };
        let mut depth = 0;
        for payload in Parser::new(0).parse_all(bytes) {
            match payload.map_err(|error| invalid(error.to_string()))? {
                Payload::Version { .. } => depth += 1,
                Payload::End(_) => depth -= 1,
                Payload::ComponentImportSection(section) if depth == 1 => {
                    for import in section {
                        let name = import.map_err(|error| invalid(error.to_string()))?.name.name;
                        if let Some(item) = types.component_item_for_import(name) {
                            outline.imports.push((name.to_owned(), outline_of(&types, &item.ty)));
                        }
                    }
                }
                Payload::ComponentExportSection(section) if depth == 1 => {
                    for export in section {
                        let name = export.map_err(|error| invalid(error.to_string()))?.name.name;
                        if let Some(item) = types.component_item_for_export(name) {
                            outline.exports.push((name.to_owned(), outline_of(&types, &item.ty)));
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(outline)
    }

    /// Of a component that was compiled, as when only its artefact is at hand.
    pub fn of_compiled(engine: &Engine, component: &Component) -> Self {
        let ty = component.component_type();
        let of = |item: &ComponentItem| match item {
            ComponentItem::ComponentInstance(instance) => Extern::Instance(
                instance.exports(engine).map(|(name, export)| (name.to_owned(), single(&export.ty))).collect(),
            ),
            other => Extern::Single(single(other)),
        };
        Self {
            imports: ty.imports(engine).map(|(name, import)| (name.to_owned(), of(&import.ty))).collect(),
            exports: ty.exports(engine).map(|(name, export)| (name.to_owned(), of(&export.ty))).collect(),
        }
    }

    /// Refuses what no plugin gets, and lists the rest.
    pub fn judge(self) -> Result<Imports, SandboxError> {
        let mut functions = Vec::new();
        let mut stubbed = Vec::new();
        let mut refused = Vec::new();
        for (full, import) in self.imports {
            let items = match import {
                Extern::Single(Item::Type) => continue,
                Extern::Single(_) => {
                    refused.push(full);
                    continue;
                }
                Extern::Instance(items) => items,
            };
            match InterfaceName::parse(&full) {
                Some(name) if name.package == PACKAGE => {
                    let version = offered_version(&name)?;
                    for (item, kind) in items {
                        match kind {
                            Item::Function => functions.push(ImportedFunction {
                                interface: name.interface.to_owned(),
                                function: item,
                                version: version.to_owned(),
                            }),
                            Item::Type => {}
                            Item::Resource | Item::Other => refused.push(format!("{full} ({item})")),
                        }
                    }
                }
                Some(name) if name.package.starts_with("wasi:") && name.is_of(WASI_VERSION) => {
                    match wasi::functions_of(name.package, name.interface) {
                        None => refused.push(full),
                        Some(known) => {
                            for (item, kind) in &items {
                                if *kind == Item::Function && !known.contains(&item.as_str()) {
                                    refused.push(format!("{full} ({item})"));
                                }
                            }
                            stubbed.push(full);
                        }
                    }
                }
                _ => refused.push(full),
            }
        }
        if !refused.is_empty() {
            return Err(SandboxError::Refused { names: refused });
        }
        let mut has_handler = false;
        for (full, export) in &self.exports {
            let Some(name) = InterfaceName::parse(full) else {
                continue;
            };
            if name.package == PACKAGE && name.interface == "handler" {
                offered_version(&name)?;
                has_handler |= matches!(export, Extern::Instance(items)
                    if items.iter().any(|(item, kind)| item == "run" && *kind == Item::Function));
            }
        }
        if !has_handler {
            return Err(SandboxError::NoHandler);
        }
        functions.sort();
        functions.dedup_by(|a, b| (&a.interface, &a.function) == (&b.interface, &b.function));
        Ok(Imports { functions, wasi: stubbed, exports: self.exports.into_iter().map(|(name, _)| name).collect() })
    }
}

/// The version of an interface of the package, where this host offers it.
fn offered_version<'a>(name: &InterfaceName<'a>) -> Result<&'a str, SandboxError> {
    match name.version {
        Some(version) if name.is_of(WIT_VERSION) => Ok(version),
        found => Err(SandboxError::WrongVersion {
            interface: format!("{}/{}", name.package, name.interface),
            found: found.unwrap_or("none").to_owned(),
            offered: format!("{WIT_VERSION}.0"),
        }),
    }
}

fn outline_of(types: &Types, ty: &ComponentEntityType) -> Extern {
    let of_instance = |id: ComponentInstanceTypeId| {
        Extern::Instance(types[id].exports.iter().map(|(name, item)| (name.clone(), item_of(&item.ty))).collect())
    };
    match ty {
        ComponentEntityType::Instance(id) => of_instance(*id),
        other => Extern::Single(item_of(other)),
    }
}

fn item_of(ty: &ComponentEntityType) -> Item {
    match ty {
        ComponentEntityType::Func(_) => Item::Function,
        ComponentEntityType::Type { created: ComponentAnyTypeId::Resource(_), .. } => Item::Resource,
        ComponentEntityType::Type { .. } => Item::Type,
        ComponentEntityType::Module(_)
        | ComponentEntityType::Value(_)
        | ComponentEntityType::Instance(_)
        | ComponentEntityType::Component(_) => Item::Other,
    }
}

fn single(item: &ComponentItem) -> Item {
    match item {
        ComponentItem::ComponentFunc(_) => Item::Function,
        ComponentItem::Resource(_) => Item::Resource,
        ComponentItem::Type(_) => Item::Type,
        ComponentItem::CoreFunc(_)
        | ComponentItem::Module(_)
        | ComponentItem::Component(_)
        | ComponentItem::ComponentInstance(_) => Item::Other,
    }
}
