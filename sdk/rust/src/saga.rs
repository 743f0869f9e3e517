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

#[cfg(test)]
mod tests {
    use crate::{
        discounts::Offer,
        prelude::*,
        support::Priority,
        testing::{Action, BEGIN, Host, sample},
    };

    /// Raises a ticket, makes a discount, answers; undone backwards.
    fn compensate(ctx: &Ctx, _: Trigger, _: NoSettings) -> Result<Outcome> {
        let mut saga = Saga::new(ctx);
        saga.step(
            "raise",
            || ctx.support().set_priority("t", Priority::High, "late"),
            |_| ctx.support().set_priority("t", Priority::Normal, "undone").map(drop),
        )?;
        let offer = Offer::percent(10.0).expires(BEGIN + days(1));
        let made = saga.step(
            "discount",
            || ctx.discounts().create(&offer),
            |made| ctx.support().note("t", &format!("withdraw {}", made.code)).map(drop),
        )?;
        saga.step("tell", || ctx.support().reply("t", &made.code), |_| Ok::<(), Error>(()))?;
        Outcome::done(made.code)
    }

    fn host(refuse: fn(&Action) -> Option<ActionError>) -> Host {
        let mut host = Host::new();
        host.put(sample::ticket("t", "1", "late"));
        host.judge(move |action| refuse(action).map_or(Ok(()), Err));
        host
    }

    fn run(host: &mut Host) -> Result<Outcome> {
        host.run(compensate, Trigger::Manual(json!({})), NoSettings {})
    }

    fn is_reply(action: &Action) -> bool {
        matches!(action, Action::Reply { .. })
    }

    #[test]
    fn a_saga_that_ends_undoes_nothing() {
        let mut host = host(|_| None);
        assert_eq!(run(&mut host), Outcome::done("CODE2"));
        assert_eq!(host.actions().len(), 3);
    }

    #[test]
    fn a_failed_step_undoes_those_before_it_backwards() {
        let mut host = host(|action| is_reply(action).then(|| ActionError::Denied("quiet".into())));
        let error = run(&mut host).unwrap_err();
        assert!(!error.is_retry());
        assert_eq!(error.message(), "tell: a guardrail forbids the action: quiet");
        let actions = host.actions();
        let undone: Vec<&Action> = actions[2..].iter().collect();
        assert!(matches!(undone[0], Action::Note { text, .. } if text == "withdraw CODE2"), "{undone:?}");
        assert!(matches!(undone[1], Action::SetPriority { priority: Priority::Normal, .. }), "{undone:?}");
        assert_eq!(undone.len(), 2);
    }

    #[test]
    fn what_may_come_back_is_tried_again_before_anything_is_undone() {
        let gone = |action: &Action| is_reply(action).then(|| ActionError::Unavailable("down".into()));
        let mut host = host(gone);
        assert!(run(&mut host).unwrap_err().is_retry());
        assert_eq!(host.actions().len(), 2, "nothing is undone");
        host.info(|info| info.attempt = 3);
        let error = run(&mut host).unwrap_err();
        assert!(!error.is_retry());
        assert!(host.log().iter().any(|line| line == "warn: undone: raise"), "{:?}", host.log());
    }

    #[test]
    fn what_cannot_be_undone_is_named_and_the_rest_is_undone() {
        let mut host = host(|action| match action {
            Action::Reply { .. } => Some(ActionError::Denied("quiet".into())),
            Action::Note { .. } => Some(ActionError::Invalid("no notes".into())),
            _ => None,
        });
        let error = run(&mut host).unwrap_err();
        assert!(error.message().contains("could not undo discount"), "{error}");
        assert!(matches!(host.actions().last(), Some(Action::SetPriority { priority: Priority::Normal, .. })));
    }
}
