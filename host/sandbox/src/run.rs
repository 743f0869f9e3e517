//! Running a prepared component: one fresh instance per call.

use std::{
    cell::Cell,
    pin::{Pin, pin},
    sync::Arc,
    task::Poll,
    time::{Duration, Instant},
};

use tokio::sync::Semaphore;
use wasmtime::{
    Store, StoreContextMut, UpdateDeadline,
    component::{
        ComponentExportIndex, ComponentNamedList, ComponentType, InstancePre, Lift, Lower, types::ComponentItem,
    },
};

use crate::{GuestState, SandboxError, Trap, trap::RunFacts};

/// Live component-model handles per instance. The stub's streams are a handful; a guest that opens
/// them in a loop would fill the host's memory.
const HANDLES: usize = 1_000;

/// What all runs of a sandbox share.
#[derive(Clone)]
pub(crate) struct Pool {
    pub permits: Arc<Semaphore>,
    pub memory_bytes: usize,
    pub argument_bytes: usize,
}

/// A component that is linked and ready to run. Cheap to clone.
pub struct Prepared<T: 'static> {
    pre: InstancePre<T>,
    run: ComponentExportIndex,
    pool: Pool,
}

impl<T: 'static> Clone for Prepared<T> {
    fn clone(&self) -> Self {
        Self { pre: self.pre.clone(), run: self.run, pool: self.pool.clone() }
    }
}

impl<T: GuestState> Prepared<T> {
    pub(crate) fn new(pre: InstancePre<T>, run: ComponentExportIndex, pool: Pool) -> Self {
        Self { pre, run, pool }
    }

    /// Whether the plugin's `run` has these types: to be asked once, when a plugin is prepared. Without
    /// asking, a mismatch ends every run.
    ///
    /// # Errors
    /// [`SandboxError::Link`] with the first difference.
    pub fn check<P, R>(&self) -> Result<(), SandboxError>
    where
        P: ComponentNamedList + Lower,
        R: ComponentType + Lift,
    {
        let link = |source| SandboxError::Link { source };
        let component = self.pre.component();
        match component.get_export(None, self.run) {
            Some((ComponentItem::ComponentFunc(run), _)) => {
                run.typecheck::<P, (R,)>(&self.pre.instance_type()).map_err(link)
            }
            _ => Err(SandboxError::NoHandler),
        }
    }

    /// Makes an instance, calls the handler's `run`, and drops the instance. `P` is the tuple of its
    /// parameters, `R` its result, such as `Result<Outcome, Failure>`. Waits first while all
    /// instances are in use. The state comes back in every case; its [`Guest`](crate::Guest) then
    /// holds what was used and the log.
    ///
    /// Dropping the future drops the instance (and the state).
    pub async fn run<P, R>(&self, state: T, params: P) -> (T, Result<R, Trap>)
    where
        P: ComponentNamedList + Lower + Send,
        R: ComponentType + Lift + Send + 'static,
    {
        // The semaphore is never closed, so this fails never; without a permit the pool would say no.
        let _permit = self.pool.permits.acquire().await;
        let mut store = Store::new(self.pre.engine(), state);
        let guest = store.data_mut().guest();
        guest.begin(self.pool.memory_bytes);
        let limits = *guest.limits();
        store.limiter(|state| state.guest());
        store.set_hostcall_fuel(self.pool.argument_bytes.max(limits.output_bytes));
        store.set_max_component_handles(HANDLES);
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(yield_or_stop);

        let mut instantiated = false;
        let mut result = store.set_fuel(limits.fuel);
        let mut value = None;
        let mut executed = Duration::ZERO;
        if result.is_ok() {
            let call = pin!(async {
                let instance = self.pre.instantiate_async(&mut store).await?;
                instantiated = true;
                let run = instance.get_typed_func::<P, (R,)>(&mut store, &self.run)?;
                let (value,) = run.call_async(&mut store, params).await?;
                Ok(value)
            });
            let (time, outcome) = metered(call).await;
            executed = time;
            match outcome {
                Ok(out) => value = Some(out),
                Err(error) => result = Err(error),
            }
        }

        // Fuel is consumed in this engine, so it can be read.
        let left = store.get_fuel().unwrap_or(0);
        let mut state = store.into_data();
        let guest = state.guest();
        guest.fuel_used = limits.fuel.saturating_sub(left);
        guest.executed = executed;
        guest.finish_log();
        let result = match (result, value) {
            (Ok(()), Some(value)) => Ok(value),
            (Err(error), _) => Err(Trap::classify(
                error,
                &RunFacts {
                    fuel_budget: limits.fuel,
                    data_limit: self.pool.argument_bytes.max(limits.output_bytes),
                    stderr_tail: &guest.stderr_tail(),
                    instantiated,
                },
            )),
            (Ok(()), None) => unreachable!("a call gives a value or an error"),
        };
        (state, result)
    }
}

thread_local! {
    /// Of the run that this thread is polling: when the poll began, and its executing time before.
    static POLL: Cell<Option<(Instant, Duration)>> = const { Cell::new(None) };
}

/// Runs a future and measures the time spent in its polls: what it computed, not what it waited for.
async fn metered<F: Future>(mut future: Pin<&mut F>) -> (Duration, F::Output) {
    let mut spent = Duration::ZERO;
    std::future::poll_fn(move |context| {
        let begin = Instant::now();
        // A host function could run another guest inside this one.
        let outer = POLL.replace(Some((begin, spent)));
        let poll = future.as_mut().poll(context);
        POLL.set(outer);
        spent += begin.elapsed();
        match poll {
            Poll::Ready(output) => Poll::Ready((spent, output)),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// At every epoch tick in guest code: another run's turn, or the end.
fn yield_or_stop<T: GuestState>(mut store: StoreContextMut<'_, T>) -> wasmtime::Result<UpdateDeadline> {
    let limit = store.data_mut().guest().limits().wall;
    match POLL.get() {
        Some((begin, before)) if before + begin.elapsed() > limit => Err(Trap::WallClock { limit }.into()),
        // tokio's own yield lets its I/O and timers have a turn too; the engine's plain one would put
        // the run at the end of the queue, and with nothing else queued starve the driver.
        _ => Ok(UpdateDeadline::YieldCustom(1, Box::pin(tokio::task::yield_now()))),
    }
}
