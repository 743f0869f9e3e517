//! How much time something computes, as opposed to waits.

use std::{
    future::Future,
    pin::Pin,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Instant,
};

/// Time spent on something by all threads together. While more threads want to run than there are
/// processors, it counts too long: a thread that was put off is still in the middle of its work.
#[derive(Debug, Default)]
pub struct Busy {
    ns: AtomicU64,
}

impl Busy {
    /// Runs a future; the time in its polls counts, the time between them does not. It stays where it is:
    /// those of runs are large.
    pub async fn of<F: Future>(&self, mut future: Pin<&mut F>) -> F::Output {
        std::future::poll_fn(move |context| {
            let began = Instant::now();
            let poll = future.as_mut().poll(context);
            self.add(began);
            poll
        })
        .await
    }

    /// Does something; the time it takes counts.
    pub fn time<R>(&self, work: impl FnOnce() -> R) -> R {
        let began = Instant::now();
        let result = work();
        self.add(began);
        result
    }

    fn add(&self, began: Instant) {
        self.ns.fetch_add(u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX), Relaxed);
    }

    /// All of it so far, in seconds.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        #[allow(clippy::cast_precision_loss)]
        let ns = self.ns.load(Relaxed) as f64;
        ns / 1e9
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use super::*;

    #[test]
    fn what_lies_between_polls_does_not_count() {
        let spin = |us: u128| {
            let began = Instant::now();
            while began.elapsed().as_micros() < us {}
        };
        let busy = Busy::default();
        let mut polls = 0;
        let work = pin!(std::future::poll_fn(|_| {
            spin(200);
            polls += 1;
            if polls == 2 { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
        }));
        let mut future = pin!(busy.of(work));
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        let began = Instant::now();
        assert!(future.as_mut().poll(&mut context).is_pending());
        spin(2_000);
        assert!(future.as_mut().poll(&mut context).is_ready());
        let all = began.elapsed().as_secs_f64();
        assert!(busy.seconds() >= 400e-6 && busy.seconds() <= all - 2_000e-6, "{} of {all}", busy.seconds());
    }
}
