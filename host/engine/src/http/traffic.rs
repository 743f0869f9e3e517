//! How many requests go out, and when it is whose turn.
//!
//! The rate of an installation towards a host is held by the generic cell rate algorithm (ITU-T I.371): one number
//! per pair, the time at which the next request would arrive if all came evenly. Who comes too early is given a time of
//! its own and keeps it, so that waiting runs are woken one after another and not all at once.

use std::{collections::HashMap, sync::Arc};

use parking_lot::Mutex;
use shopwright_model::Millis;

use crate::HttpLimits;

/// Turns that nobody came for are forgotten after this time.
const KEPT: Millis = 600_000;

/// All requests that are under way or wait for their turn.
pub(crate) struct Traffic {
    limits: HttpLimits,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    all: usize,
    by_installation: HashMap<(String, String), usize>,
    /// (shop, installation, host) → theoretical arrival time of the next, in milliseconds.
    next: HashMap<(String, String, String), Millis>,
    /// Call → from when it may go.
    turns: HashMap<String, Millis>,
}

/// Whether a request may go.
pub(crate) enum Turn {
    /// Now, for as long as the pass is held.
    Now(Pass),
    /// Ask again then.
    At(Millis),
}

/// A request under way.
pub(crate) struct Pass {
    traffic: Arc<Traffic>,
    of: (String, String),
}

impl Drop for Pass {
    fn drop(&mut self) {
        let mut state = self.traffic.state.lock();
        state.all -= 1;
        if let Some(count) = state.by_installation.get_mut(&self.of) {
            *count -= 1;
            if *count == 0 {
                state.by_installation.remove(&self.of);
            }
        }
    }
}

impl Traffic {
    pub fn new(limits: HttpLimits) -> Arc<Self> {
        Arc::new(Self { limits, state: Mutex::default() })
    }

    /// `call` names the request, the same each time it is asked for. `jitter` from 0 to 1.
    pub fn enter(
        self: &Arc<Self>,
        (shop, installation): (&str, &str),
        host: &str,
        call: &str,
        now: Millis,
        jitter: f64,
    ) -> Turn {
        let mut state = self.state.lock();
        match state.turns.get(call) {
            Some(&at) if at > now => return Turn::At(at),
            Some(_) => {}
            None => {
                let at = state.reserve(&self.limits, (shop.into(), installation.into(), host.into()), now);
                if at > now {
                    state.tidy(now);
                    state.turns.insert(call.into(), at);
                    return Turn::At(at);
                }
            }
        }
        let of = (shop.to_owned(), installation.to_owned());
        let own = state.by_installation.get(&of).copied().unwrap_or(0);
        if state.all >= self.limits.at_once || own >= self.limits.at_once_per_installation {
            // Its turn by the rate stays; it comes again when others may have ended.
            #[allow(clippy::cast_possible_truncation)]
            let at = now + 100 + (400.0 * jitter) as Millis;
            state.tidy(now);
            state.turns.insert(call.into(), at);
            return Turn::At(at);
        }
        state.turns.remove(call);
        state.all += 1;
        *state.by_installation.entry(of.clone()).or_insert(0) += 1;
        Turn::Now(Pass { traffic: self.clone(), of })
    }
}

impl State {
    /// Takes the next free place of a pair: when it is.
    fn reserve(&mut self, limits: &HttpLimits, pair: (String, String, String), now: Millis) -> Millis {
        let interval = 1_000 / Millis::from(limits.per_second.max(1));
        let slack = interval * Millis::from(limits.burst.max(1) - 1);
        let next = self.next.entry(pair).or_insert(now);
        let due = (*next).max(now);
        *next = due + interval;
        (due - slack).max(now)
    }

    /// Forgets what no longer matters, when there is much.
    fn tidy(&mut self, now: Millis) {
        if self.turns.len() >= 10_000 {
            self.turns.retain(|_, at| *at > now - KEPT);
        }
        if self.next.len() >= 10_000 {
            self.next.retain(|_, next| *next > now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn traffic(at_once: usize, own: usize, per_second: u32, burst: u32) -> Arc<Traffic> {
        Traffic::new(HttpLimits { at_once, at_once_per_installation: own, per_second, burst, ..HttpLimits::default() })
    }

    #[test]
    fn who_comes_too_early_gets_a_time_of_its_own() {
        let traffic = traffic(100, 100, 10, 3);
        let at = |call: &str, host: &str, now| match traffic.enter(("s", "i"), host, call, now, 0.0) {
            Turn::Now(_) => now,
            Turn::At(at) => at,
        };
        let given: Vec<_> = (0..6).map(|n| at(&format!("c{n}"), "a", 1_000)).collect();
        assert_eq!(given, [1_000, 1_000, 1_000, 1_100, 1_200, 1_300]);
        assert_eq!(at("c3", "a", 1_050), 1_100, "it keeps its time");
        assert_eq!(at("c3", "a", 1_100), 1_100);
        assert_eq!(at("other", "b", 1_000), 1_000, "another host is another matter");
        assert_eq!(at("late", "a", 60_000), 60_000);
    }

    #[test]
    fn one_installation_does_not_take_all_places() {
        let traffic = traffic(3, 2, 1_000, 1_000);
        let enter = |of, call: &str, now| traffic.enter(("s", of), "a", call, now, 0.5);
        let Turn::Now(first) = enter("i", "1", 0) else { panic!("the first goes") };
        let Turn::Now(_second) = enter("i", "2", 0) else { panic!("the second goes") };
        let Turn::At(at) = enter("i", "3", 0) else { panic!("the third waits") };
        assert_eq!(at, 300);
        let Turn::Now(_other) = enter("j", "4", 0) else { panic!("others go") };
        assert!(matches!(enter("k", "5", 0), Turn::At(_)), "all places are taken");
        drop(first);
        assert!(matches!(enter("i", "3", 300), Turn::Now(_)));
    }
}
