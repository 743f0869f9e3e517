//! What the show tells: the shop's side ([`Story`]) and the engine's.

use shopwright_model::{Millis, customers::Channel};

use crate::traffic::Story;

/// Something worth telling.
#[derive(Debug, Clone, PartialEq)]
pub struct ShowEvent {
    /// When it happened, in the shop's time.
    pub at: Millis,
    /// What happened.
    pub what: What,
}

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum What {
    /// In the shop.
    Story(Story),
    /// An event was accepted.
    Accepted,
    /// A run began.
    RunStarted {
        /// Which.
        run: String,
        /// Of which workflow.
        workflow: String,
        /// The kind of event, `schedule`, `manual`, `continued`.
        trigger: String,
        /// Whom or what it is about, where that is known.
        about: Option<String>,
    },
    /// A newer run of the same key took its place.
    RunReplaced {
        /// The older run.
        run: String,
        /// The newer run.
        by: String,
    },
    /// A run waits.
    RunWaiting {
        /// Which.
        run: String,
        /// Of which workflow.
        workflow: String,
        /// Whom or what it is about, where that is known.
        about: Option<String>,
        /// What it waits for.
        wait: Wait,
    },
    /// A run ended.
    RunEnded {
        /// Which.
        run: String,
        /// Of which workflow.
        workflow: String,
        /// Whom or what it is about, where that is known.
        about: Option<String>,
        /// `done`, `failed`, `cancelled`, `continued`.
        state: String,
        /// What the run said of its end.
        outcome: String,
    },
    /// A workflow did something, or wanted to.
    Action(Action),
}

/// What a run waits for.
#[derive(Debug, Clone, PartialEq)]
pub enum Wait {
    /// A time.
    Until(Millis),
    /// One of these events, or the deadline.
    Event {
        /// Kinds of events.
        kinds: Vec<String>,
        /// Until when.
        until: Millis,
    },
    /// A person's answer to this question.
    Person(String),
    /// Until a guardrail allows what it wants to do, such as after quiet hours.
    Allowed {
        /// The guardrail's words.
        rule: String,
        /// When that is.
        until: Millis,
    },
    /// Another try, because of this.
    Retry(String),
}

/// What a workflow did, or wanted to.
#[derive(Debug, Clone, PartialEq)]
pub struct Action {
    /// The run that did it.
    pub run: String,
    /// Of which workflow.
    pub workflow: String,
    /// What became of it.
    pub verdict: Verdict,
    /// What it is.
    pub deed: Deed,
    /// The workflow's own words why; may be empty.
    pub reason: String,
}

/// What became of an action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Carried out.
    Done,
    /// A guardrail forbids it; its words.
    Denied(String),
    /// A person is asked first.
    Asked,
    /// Judged, not carried out (a trial).
    Recorded,
    /// It could not be carried out, or nobody knows; the words of the other side.
    Failed(String),
}

/// What was done. People and things are named as people name them; money is in cents.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)] // The fields say what they are.
pub enum Deed {
    Message { channel: Channel, to: String, text: String },
    Offer { to: String, worth: String },
    Price { product: String, before: Option<i64>, after: i64, units_per_day: f64 },
    Assigned { ticket: String, team: String, assignee: Option<String> },
    Priority { ticket: String, priority: String },
    Status { ticket: String, status: String },
    Reply { ticket: String, text: String },
    Note { ticket: String, text: String },
    Tags { ticket: String, tags: Vec<String> },
    Staff { channel: String, text: String },
    Other { action: String, subject: String },
}
