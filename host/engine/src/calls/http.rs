//! `http`: requests to servers of others.

use shopwright_connectors::http::is_read;
use shopwright_model::http::{HttpError, Request, Response};
use shopwright_policy::ActionKind;
use shopwright_sandbox::HostFunctions;

use super::surface::Kept;
use crate::{
    cx::{Replay, RunCx, Stop},
    http,
};

/// How the journal names a request that only reads: it is no action, and counts as none.
pub(crate) const READ: &str = "http.get";

pub(super) fn register(functions: &mut HostFunctions<RunCx>) {
    functions.add_async("http", "send", |mut store: wasmtime::StoreContextMut<'_, RunCx>, params: (Request,)| {
        Box::new(async move {
            let cx = store.data_mut();
            let read = is_read(params.0.method);
            let call = if read { READ } else { crate::hosts::FUNCTION };
            match cx.replay::<(Request,), Kept<Response, HttpError>>(call, &params)? {
                Replay::Answered(kept) => {
                    if let Some(world) = cx.core.store.world().filter(|_| !read) {
                        world.asked(cx.run.id, cx.journal.position() - 1, &ActionKind::HttpSend(params.0));
                    }
                    Ok((Result::from(kept),))
                }
                Replay::Live(args) => {
                    let ours = cx.journal.entries().iter().filter(|entry| entry.call.starts_with("http."));
                    let bytes: usize = ours.map(|entry| entry.args.len() + entry.answer.len()).sum();
                    let most = cx.core.limits.http.bytes_per_run;
                    if bytes > most {
                        let message = format!("the requests of the run and their answers have more than {most} bytes");
                        return Err(cx.stop(Stop::Fail { code: "too-much-data", message }));
                    }
                    let result = if read { http::read(cx, &params.0).await? } else { http::act(cx, params.0).await? };
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
