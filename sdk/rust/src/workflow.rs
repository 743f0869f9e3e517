//! What goes into a workflow and what comes out.

use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{
    Error, Event, FromEvent, Result, Timestamp, bindings::exports::shopwright::plugin::handler, error::OrElse as _,
    event,
};

/// Why a run began.
#[derive(Debug, Clone, PartialEq)]
pub enum Trigger {
    /// An event.
    Event(Event),
    /// The scheduled time, which may lie before now.
    Schedule(Timestamp),
    /// Started by hand, by the admin API or by another run: the input.
    Manual(Value),
    /// The run before this one handed this on; see [`Outcome::continue_as_new`].
    Continued(Value),
}

/// What a workflow's second parameter can be: [`Trigger`] itself, a typed event where the workflow has
/// no other trigger, or a type of your own.
pub trait FromTrigger: Sized {
    /// Reads it.
    ///
    /// # Errors
    /// A trigger of another sort.
    fn from_trigger(trigger: Trigger) -> Result<Self>;
}

impl FromTrigger for Trigger {
    fn from_trigger(trigger: Trigger) -> Result<Trigger> {
        Ok(trigger)
    }
}

impl<E: FromEvent> FromTrigger for E {
    fn from_trigger(trigger: Trigger) -> Result<E> {
        let event = match trigger {
            Trigger::Event(event) => event,
            // Tried by hand: the input stands for the event's data.
            Trigger::Manual(input) => event::Event {
                id: "manual".into(),
                kind: E::kinds().swap_remove(0),
                at: 0,
                concerns: Vec::new(),
                data: input.to_string(),
            },
            Trigger::Schedule(_) | Trigger::Continued(_) => {
                return Err(Error::fatal(format!("this workflow is started by the events {}", E::kinds().join(", "))));
            }
        };
        E::from_event(event)
    }
}

impl Trigger {
    /// What was handed in, of a run that was started by hand or continued.
    ///
    /// # Errors
    /// Another trigger, or an input that is no `T`.
    pub fn input<T: DeserializeOwned>(self) -> Result<T> {
        match self {
            Trigger::Manual(input) | Trigger::Continued(input) => {
                serde_json::from_value(input).context("the run's input")
            }
            Trigger::Event(_) | Trigger::Schedule(_) => Err(Error::fatal("this workflow is started with an input")),
        }
    }
}

impl TryFrom<handler::Trigger> for Trigger {
    type Error = Error;

    fn try_from(trigger: handler::Trigger) -> Result<Trigger> {
        Ok(match trigger {
            handler::Trigger::Event(event) => Trigger::Event(event),
            handler::Trigger::Schedule(at) => Trigger::Schedule(Timestamp::from_millis(at)),
            handler::Trigger::Manual(input) => Trigger::Manual(serde_json::from_str(&input)?),
            handler::Trigger::Continued(state) => Trigger::Continued(serde_json::from_str(&state)?),
        })
    }
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// It is done; the value is shown on the run.
    Done(Value),
    /// The next run of the same identity begins with this input and an empty journal.
    ContinueAsNew(Value),
}

impl Outcome {
    /// Done. The value, anything that serialises, is shown on the run: say what was decided and why.
    ///
    /// # Errors
    /// A value that is no JSON (a map with keys that are no text).
    pub fn done(value: impl Serialize) -> Result<Outcome> {
        Ok(Outcome::Done(serde_json::to_value(value)?))
    }

    /// For workflows that go round for years: ends this run and starts the next one, which gets
    /// `state` as [`Trigger::Continued`].
    ///
    /// # Errors
    /// A state that is no JSON.
    pub fn continue_as_new(state: impl Serialize) -> Result<Outcome> {
        Ok(Outcome::ContinueAsNew(serde_json::to_value(state)?))
    }
}

impl From<Outcome> for handler::Outcome {
    fn from(outcome: Outcome) -> handler::Outcome {
        match outcome {
            Outcome::Done(value) => handler::Outcome::Done(value.to_string()),
            Outcome::ContinueAsNew(state) => handler::Outcome::ContinueAsNew(state.to_string()),
        }
    }
}
