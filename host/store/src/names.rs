//! The names that states have in the database and in the API.

use crate::ops::{EffectState, RunState, TriggerKind};

macro_rules! names {
    ($ty:ident: $($variant:ident = $name:literal),* $(,)?) => {
        impl $ty {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// Its name in the store and in the API.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            /// The one of this name.
            #[must_use]
            pub fn parse(name: &str) -> Option<Self> {
                match name {
                    $($name => Some(Self::$variant),)*
                    _ => None,
                }
            }
        }

        impl std::fmt::Display for $ty {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

names! { RunState:
    Active = "active", Blocked = "blocked", Waiting = "waiting",
    Done = "done", Failed = "failed", Cancelled = "cancelled",
}

names! { TriggerKind:
    Event = "event", Schedule = "schedule", Manual = "manual", Continued = "continued",
}

names! { EffectState:
    Intended = "intended", Sent = "sent", Done = "done", Failed = "failed",
    Unknown = "unknown", Denied = "denied", Recorded = "recorded",
}

impl RunState {
    /// Whether the run has ended.
    #[must_use]
    pub const fn is_ended(self) -> bool {
        matches!(self, Self::Done | Self::Failed | Self::Cancelled)
    }
}
