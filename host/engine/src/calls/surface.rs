//! Reads and actions: every call that `shopwright_commerce` names gets its journal entry, its
//! guardrails and its place in the timeline here.

use serde::{Deserialize, Serialize};
use shopwright_commerce::{Params, Performed, ReadFuture, Reader, Returns, Surface};
use shopwright_model::types::{ActionError, ReadError};
use shopwright_policy::ActionKind;
use shopwright_sandbox::HostFunctions;

use crate::{
    actions,
    cx::{Replay, RunCx},
    reader::RunReader,
};

/// The host functions, while they are registered.
pub(crate) struct Linked(pub HostFunctions<RunCx>);

/// A WIT result in the journal: MessagePack has no result of its own.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kept<T, E> {
    Ok(T),
    Err(E),
}

impl<T, E> From<Result<T, E>> for Kept<T, E> {
    fn from(result: Result<T, E>) -> Self {
        match result {
            Ok(value) => Self::Ok(value),
            Err(error) => Self::Err(error),
        }
    }
}

impl<T, E> From<Kept<T, E>> for Result<T, E> {
    fn from(kept: Kept<T, E>) -> Self {
        match kept {
            Kept::Ok(value) => Ok(value),
            Kept::Err(error) => Err(error),
        }
    }
}

/// `customers.get`: made once, when the functions are registered.
fn name(interface: &'static str, function: &'static str) -> &'static str {
    // Lives as long as the host's table of functions, which is as long as the process.
    Box::leak(format!("{interface}.{function}").into_boxed_str())
}

impl Surface for Linked {
    fn read<P: Params, R: Returns>(
        &mut self,
        interface: &'static str,
        function: &'static str,
        read: for<'a> fn(&'a dyn Reader, P) -> ReadFuture<'a, R>,
    ) {
        let call = name(interface, function);
        self.0.add_async(interface, function, move |mut store: wasmtime::StoreContextMut<'_, RunCx>, params: P| {
            Box::new(async move {
                let cx = store.data_mut();
                match cx.replay::<P, Kept<R, ReadError>>(call, &params)? {
                    Replay::Answered(kept) => Ok((Result::from(kept),)),
                    Replay::Live(args) => {
                        let answer = {
                            let reader = RunReader::new(cx);
                            read(&reader, params).await
                        };
                        cx.core.metrics.read(call);
                        let kept = Kept::from(answer);
                        cx.record(call, args, &kept)?;
                        Ok((Result::from(kept),))
                    }
                }
            })
        });
    }

    fn action<P: Params, R: Returns>(
        &mut self,
        interface: &'static str,
        function: &'static str,
        ask: fn(P) -> Result<ActionKind, String>,
        answer: fn(Performed) -> R,
    ) {
        let call = name(interface, function);
        self.0.add_async(interface, function, move |mut store: wasmtime::StoreContextMut<'_, RunCx>, params: P| {
            Box::new(async move {
                let cx = store.data_mut();
                match cx.replay::<P, Kept<R, ActionError>>(call, &params)? {
                    Replay::Answered(kept) => {
                        if let Some(world) = cx.core.store.world()
                            && let Ok(kind) = ask(params)
                        {
                            world.asked(cx.run.id, cx.journal.position() - 1, &kind);
                        }
                        Ok((Result::from(kept),))
                    }
                    Replay::Live(args) => {
                        let result = match ask(params) {
                            Ok(kind) => actions::act(cx, kind).await?.map(answer),
                            Err(reason) => Err(ActionError::Invalid(reason)),
                        };
                        let kept = Kept::from(result);
                        cx.record(call, args, &kept)?;
                        if cx.settled {
                            cx.settle().await?;
                        }
                        Ok((Result::from(kept),))
                    }
                }
            })
        });
    }
}
