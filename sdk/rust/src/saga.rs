//! Several steps that hold together: when a later one fails, the earlier ones are undone.

use crate::{Ctx, Error, Result, log::Level};

type Undo<'a> = Box<dyn FnOnce() -> Result<()> + 'a>;

/// Steps with compensations. When a step fails for good, what the steps before it did is undone,
/// backwards. It is durable without further ado: every call within it is journaled, so a crash in the
/// middle goes on in the middle, forwards or backwards.
///
/// ```
/// use shopwright_sdk::prelude::*;
///
/// fn compensate_delay(ctx: &Ctx, ticket: &str, customer: &str) -> Result<Outcome> {
///     let mut saga = Saga::new(ctx);
///     saga.step(
///         "raise the ticket",
///         || ctx.support().set_priority(ticket, Priority::High, "the delivery is late"),
///         |_| ctx.support().set_priority(ticket, Priority::Normal, "the compensation failed").map(drop),
///     )?;
///     let offer = Offer::percent(10.0).for_customer(customer).expires(ctx.now() + days(30));
///     let discount = saga.step(
///         "promise a discount",
///         || ctx.discounts().create(&offer.because("the delivery is late")),
///         |_| Ok::<(), ActionError>(()),
///     )?;
///     saga.step(
///         "tell the customer",
///         || ctx.support().reply(ticket, &format!("We are sorry. Your code: {}", discount.code)),
///         |_| Ok::<(), ActionError>(()),
///     )?;
///     Outcome::done(json!({ "code": discount.code }))
/// }
/// # use shopwright_sdk::support::Priority;
/// ```
///
/// A failure that is worth another try (see [`Error::is_retry`]) undoes nothing at first: the host tries the
/// run again, which comes back to the failed step. When the run has been tried
/// [`give_up_after`](Saga::give_up_after) times, the steps are undone and the failure is final.
pub struct Saga<'a> {
    ctx: &'a Ctx,
    undo: Vec<(String, Undo<'a>)>,
    give_up_after: u32,
}

impl<'a> Saga<'a> {
    /// No step yet.
    pub fn new(ctx: &'a Ctx) -> Saga<'a> {
        Saga { ctx, undo: Vec::new(), give_up_after: 3 }
    }

    /// How many tries of the run a retryable failure gets before the steps are undone; 3 unless told.
    /// Keep it at or below the manifest's `retry.max`.
    #[must_use]
    pub fn give_up_after(mut self, tries: u32) -> Saga<'a> {
        self.give_up_after = tries;
        self
    }

    /// Does a step. `undo` gets what `act` gave and is called if a later step fails.
    ///
    /// # Errors
    /// What `act` said. For good: everything before has been undone, and the message says what could
    /// not be.
    pub fn step<T: Clone + 'a, E: Into<Error>, F: Into<Error>>(
        &mut self,
        name: &str,
        act: impl FnOnce() -> Result<T, E>,
        undo: impl FnOnce(T) -> Result<(), F> + 'a,
    ) -> Result<T> {
        match act() {
            Ok(value) => {
                let done = value.clone();
                self.undo.push((name.to_owned(), Box::new(move || undo(done).map_err(Into::into))));
                Ok(value)
            }
            Err(error) => Err(self.abort(error.into().context(name))?),
        }
    }

    /// Undoes every step, as if one had failed with `error`, and gives the error to return. For
    /// decisions between steps.
    ///
    /// # Errors
    /// `error` itself, undoing nothing, while the run can be tried again; or the failure of a
    /// compensation that is worth another try.
    pub fn abort(&mut self, error: Error) -> Result<Error> {
        if error.is_retry() && self.ctx.attempt() < self.give_up_after {
            return Err(error);
        }
        let mut message = error.message().to_owned();
        while let Some((name, undo)) = self.undo.pop() {
            match undo() {
                Ok(()) => self.ctx.log(Level::Warn, &format!("undone: {name}")),
                Err(failed) if failed.is_retry() && self.ctx.attempt() < self.give_up_after => {
                    return Err(failed.context(format_args!("undo {name}")));
                }
                Err(failed) => message.push_str(&format!("; could not undo {name}: {failed}")),
            }
        }
        Ok(Error::fatal(message))
    }
}
