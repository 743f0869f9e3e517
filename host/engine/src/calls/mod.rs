//! What a guest's host calls do. `workflow`, `memory` and `http` are the engine's own; reads and actions come
//! from `shopwright_commerce` through [`surface`].

pub(crate) mod http;
pub(crate) mod memory;
pub(crate) mod surface;
pub(crate) mod workflow;

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, OnceLock},
};

use shopwright_sandbox::HostFunctions;

use crate::cx::RunCx;

/// What a live call computes.
pub(crate) type Live<'a, R> = Pin<Box<dyn Future<Output = wasmtime::Result<R>> + Send + 'a>>;

/// All host functions: one table for the process, since every trial is an engine.
pub(crate) fn all() -> Arc<HostFunctions<RunCx>> {
    static ALL: OnceLock<Arc<HostFunctions<RunCx>>> = OnceLock::new();
    let made = ALL.get_or_init(|| {
        let mut functions = HostFunctions::new();
        workflow::register(&mut functions);
        memory::register(&mut functions);
        http::register(&mut functions);
        let mut surface = surface::Linked(functions);
        shopwright_commerce::register(&mut surface);
        Arc::new(surface.0)
    });
    made.clone()
}

/// Links a host function whose answer goes into the journal: `f` runs only when the call is live.
pub(crate) fn journaled<P, R>(
    functions: &mut HostFunctions<RunCx>,
    interface: &'static str,
    function: &'static str,
    call: &'static str,
    f: for<'a> fn(&'a mut RunCx, P) -> Live<'a, R>,
) where
    P: wasmtime::component::ComponentNamedList + wasmtime::component::Lift + serde::Serialize + Send + Sync + 'static,
    R: wasmtime::component::ComponentType
        + wasmtime::component::Lower
        + serde::Serialize
        + serde::de::DeserializeOwned
        + Send
        + Sync
        + 'static,
{
    use crate::cx::Replay;
    functions.add_async(interface, function, move |mut store: wasmtime::StoreContextMut<'_, RunCx>, params: P| {
        Box::new(async move {
            let cx = store.data_mut();
            match cx.replay::<P, R>(call, &params)? {
                Replay::Answered(answer) => Ok((answer,)),
                Replay::Live(args) => {
                    let answer = f(cx, params).await?;
                    cx.record(call, args, &answer)?;
                    Ok((answer,))
                }
            }
        })
    });
}

/// As [`journaled`], for functions without a result.
pub(crate) fn journaled_silent<P>(
    functions: &mut HostFunctions<RunCx>,
    interface: &'static str,
    function: &'static str,
    call: &'static str,
    f: for<'a> fn(&'a mut RunCx, P) -> Live<'a, ()>,
) where
    P: wasmtime::component::ComponentNamedList + wasmtime::component::Lift + serde::Serialize + Send + Sync + 'static,
{
    use crate::cx::Replay;
    functions.add_async(interface, function, move |mut store: wasmtime::StoreContextMut<'_, RunCx>, params: P| {
        Box::new(async move {
            let cx = store.data_mut();
            match cx.replay::<P, ()>(call, &params)? {
                Replay::Answered(()) => Ok(()),
                Replay::Live(args) => {
                    f(cx, params).await?;
                    cx.record(call, args, &())
                }
            }
        })
    });
}
