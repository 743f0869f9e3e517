//! Many concurrent point reads become one query.
//!
//! A task takes whatever calls there are and asks for all of them at once. While as many queries as it
//! may have are under way, calls gather: the busier the store, the larger the batches. Alone, a call
//! goes out at once.

use std::{future::Future, sync::Arc};

use tokio::sync::{Semaphore, mpsc, oneshot};

use crate::error::{Result, StoreError};

/// Queries of one kind that run at the same time.
const PARALLEL: usize = 2;
/// The most keys in one query.
const MOST: usize = 256;

/// Answers calls for `K` with `V`, in batches.
pub(crate) struct Loader<K, V> {
    calls: mpsc::Sender<(K, oneshot::Sender<Result<V>>)>,
}

impl<K: Send + 'static, V: Send + 'static> Loader<K, V> {
    /// `query` answers one value for each key, in their order.
    pub(crate) fn start<F, Q>(query: Q) -> Self
    where
        F: Future<Output = Result<Vec<V>>> + Send + 'static,
        Q: Fn(Vec<K>) -> F + Send + Sync + 'static,
    {
        let (calls, mut waiting) = mpsc::channel::<(K, oneshot::Sender<Result<V>>)>(4 * MOST);
        tokio::spawn(async move {
            let under_way = Arc::new(Semaphore::new(PARALLEL));
            let mut batch = Vec::new();
            while let Some(first) = waiting.recv().await {
                // Never closed.
                let Ok(permit) = Arc::clone(&under_way).acquire_owned().await else { return };
                batch.push(first);
                while batch.len() < MOST
                    && let Ok(call) = waiting.try_recv()
                {
                    batch.push(call);
                }
                let (keys, replies): (Vec<K>, Vec<_>) = batch.drain(..).unzip();
                let answers = query(keys);
                tokio::spawn(async move {
                    let answers = answers.await;
                    drop(permit);
                    match answers {
                        Ok(values) => {
                            for (reply, value) in replies.into_iter().zip(values) {
                                // Whoever does not wait any more needs no answer.
                                drop(reply.send(Ok(value)));
                            }
                        }
                        Err(error) => {
                            for reply in replies {
                                drop(reply.send(Err(error.clone())));
                            }
                        }
                    }
                });
            }
        });
        Self { calls }
    }

    pub(crate) async fn load(&self, key: K) -> Result<V> {
        let (reply, answer) = oneshot::channel();
        let ended = || StoreError::unavailable("the reader has ended");
        self.calls.send((key, reply)).await.map_err(|_| ended())?;
        answer.await.map_err(|_| ended())?
    }
}
