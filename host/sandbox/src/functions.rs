//! The host functions that plugins can import.

use std::{collections::BTreeMap, sync::Arc};

use wasmtime::{
    StoreContextMut,
    component::{ComponentNamedList, Lift, LinkerInstance, Lower},
};

use crate::{HostFault, Suspend, Trap};

/// Links one host function into the instance it is imported from, under its name.
pub type LinkFunction<T> = Box<dyn Fn(&mut LinkerInstance<'_, T>) -> wasmtime::Result<()> + Send + Sync>;

/// A host function's answer in the making.
type Answer<'a, R> = Box<dyn Future<Output = wasmtime::Result<R>> + Send + 'a>;

/// The table of host functions by interface (`orders`) and function (`get`), both as the WIT spells
/// them. Which of them a component gets is decided when it is linked.
pub struct HostFunctions<T: 'static> {
    table: BTreeMap<String, BTreeMap<String, LinkFunction<T>>>,
}

impl<T: 'static> Default for HostFunctions<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: 'static> HostFunctions<T> {
    /// No functions.
    pub fn new() -> Self {
        Self { table: BTreeMap::new() }
    }

    /// Adds a function by the closure that links it. A later one of the same name replaces it. Errors
    /// of such a function should carry a [`HostFault`]; without one they count as the guest's fault.
    pub fn insert(&mut self, interface: &str, function: &str, link: LinkFunction<T>) {
        self.table.entry(interface.to_owned()).or_default().insert(function.to_owned(), link);
    }

    /// Adds a function that answers at once. `P` is the tuple of parameters, `R` the tuple of results.
    /// An error ends the run: [`Suspend`] suspends it, a [`Trap`] ends it with that trap, anything
    /// else is [`Trap::Host`].
    pub fn add<P, R, F>(&mut self, interface: &str, function: &str, f: F)
    where
        P: ComponentNamedList + Lift + 'static,
        R: ComponentNamedList + Lower + 'static,
        F: Fn(StoreContextMut<'_, T>, P) -> wasmtime::Result<R> + Clone + Send + Sync + 'static,
    {
        let (name, fault) = (function.to_owned(), fault(interface, function));
        self.insert(
            interface,
            function,
            Box::new(move |instance| {
                let (f, fault) = (f.clone(), fault.clone());
                instance.func_wrap(&name, move |store: StoreContextMut<'_, T>, params: P| {
                    f(store, params).map_err(|error| mark(error, &fault))
                })
            }),
        );
    }

    /// Adds a function that may wait for its answer; the guest stands still meanwhile, other runs do
    /// not. Types and errors as in [`HostFunctions::add`].
    pub fn add_async<P, R, F>(&mut self, interface: &str, function: &str, f: F)
    where
        P: ComponentNamedList + Lift + Send + 'static,
        R: ComponentNamedList + Lower + 'static,
        F: for<'a> Fn(StoreContextMut<'a, T>, P) -> Answer<'a, R> + Clone + Send + Sync + 'static,
        T: Send,
    {
        let (name, fault) = (function.to_owned(), fault(interface, function));
        self.insert(
            interface,
            function,
            Box::new(move |instance| {
                let (f, fault) = (f.clone(), fault.clone());
                instance.func_wrap_async(&name, move |store: StoreContextMut<'_, T>, params: P| {
                    let answer = Box::into_pin(f(store, params));
                    let fault = fault.clone();
                    Box::new(async move { answer.await.map_err(|error| mark(error, &fault)) })
                })
            }),
        );
    }

    /// Whether the host has this function.
    pub fn contains(&self, interface: &str, function: &str) -> bool {
        self.get(interface, function).is_some()
    }

    /// All functions as (interface, function), in order.
    pub fn names(&self) -> impl Iterator<Item = (&str, &str)> {
        self.table.iter().flat_map(|(interface, functions)| {
            functions.keys().map(move |function| (interface.as_str(), function.as_str()))
        })
    }

    pub(crate) fn get(&self, interface: &str, function: &str) -> Option<&LinkFunction<T>> {
        self.table.get(interface)?.get(function)
    }
}

fn fault(interface: &str, function: &str) -> Arc<HostFault> {
    Arc::new(HostFault { function: format!("{interface}.{function}") })
}

/// Says that an error is the host's, unless it is a message to the sandbox.
fn mark(error: wasmtime::Error, fault: &HostFault) -> wasmtime::Error {
    if error.is::<Suspend>() || error.is::<Trap>() { error } else { error.context(fault.clone()) }
}
