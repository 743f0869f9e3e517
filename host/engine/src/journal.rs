//! The journal: what the host answered to a run, in order. Replaying it rebuilds the run.
//!
//! # Format
//!
//! The store keeps a run's journal in chunks, one per flush. A chunk (version 1) is
//!
//! ```text
//! u8 version = 1 | i64 started | u32 log lines so far | entry*
//! entry = u8 call length | call | u32 length | arguments | u32 length | answer | i64 at | i64 mark
//! ```
//!
//! with little-endian numbers; arguments and answers are MessagePack with named fields, so that a
//! person's tools can show them without knowing the types. `started` and the count of log lines let a
//! replay start with the same logical clock and write no log line twice.
//!
//! Released versions of this format stay readable: golden files in `tests/` hold us to it.

use std::borrow::Cow;

use serde::{Serialize, de::DeserializeOwned};
use shopwright_model::Millis;

/// The version that is written.
const VERSION: u8 = 1;

/// One answered host call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// `customers.get`.
    pub call: Cow<'static, str>,
    /// The arguments, MessagePack.
    pub args: Vec<u8>,
    /// The answer, MessagePack.
    pub answer: Vec<u8>,
    /// The run's logical clock after the call.
    pub at: Millis,
    /// For calls that move the run's position in the events: the event's number; else 0.
    pub mark: i64,
}

/// A journal that cannot be read: damaged, or written by a later version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("journal chunk {chunk} cannot be read: {reason}")]
pub struct JournalError {
    /// Which chunk.
    pub chunk: usize,
    /// Why.
    pub reason: &'static str,
}

/// A run's journal while it executes: the entries to be replayed, then those that are new.
#[derive(Debug, Default)]
pub struct Journal {
    entries: Vec<Entry>,
    /// The next entry to be replayed; all of `entries` were replayed when it has reached their end.
    next: usize,
    /// How many of `entries` are in the store.
    flushed: usize,
    /// How many chunks are in the store.
    chunks: u32,
    /// Logical time of the run's first call.
    started: Option<Millis>,
    /// Log lines in the store.
    logged: u32,
}

impl Journal {
    /// Reads the chunks of a run.
    ///
    /// # Errors
    /// [`JournalError`] says which chunk and why.
    pub fn read(chunks: &[Vec<u8>]) -> Result<Self, JournalError> {
        let mut journal = Self { chunks: u32::try_from(chunks.len()).unwrap_or(u32::MAX), ..Self::default() };
        for (n, bytes) in chunks.iter().enumerate() {
            let mut reader = Reader { bytes, at: 0 };
            journal.read_chunk(&mut reader).map_err(|reason| JournalError { chunk: n, reason })?;
        }
        journal.flushed = journal.entries.len();
        Ok(journal)
    }

    fn read_chunk(&mut self, reader: &mut Reader<'_>) -> Result<(), &'static str> {
        match reader.u8()? {
            VERSION => {}
            _ => return Err("it was written by a later version of this program"),
        }
        self.started = Some(reader.i64()?);
        self.logged = reader.u32()?;
        while !reader.is_empty() {
            let call = reader.u8()?;
            let call = std::str::from_utf8(reader.take(usize::from(call))?).map_err(|_| "a call's name is no text")?;
            let args = reader.block()?.to_vec();
            let answer = reader.block()?.to_vec();
            self.entries.push(Entry {
                call: Cow::Owned(call.to_owned()),
                args,
                answer,
                at: reader.i64()?,
                mark: reader.i64()?,
            });
        }
        Ok(())
    }

    /// The entries since the last flush as a chunk; empty if there are none. With `goes_on` the first
    /// chunk is written even so: a run that waits before it has asked for anything else must find its
    /// logical clock where it left it.
    #[must_use]
    pub fn chunk(&self, log_lines: u32, goes_on: bool) -> Vec<u8> {
        let new = &self.entries[self.flushed..];
        if new.is_empty() && (self.chunks > 0 || !goes_on) {
            return Vec::new();
        }
        let size: usize = new.iter().map(|e| e.call.len() + e.args.len() + e.answer.len() + 25).sum();
        let mut out = Vec::with_capacity(13 + size);
        out.push(VERSION);
        out.extend_from_slice(&self.started.unwrap_or_default().to_le_bytes());
        out.extend_from_slice(&log_lines.to_le_bytes());
        for entry in new {
            // Call names are ours, from wit/: none is near 255 bytes.
            out.push(u8::try_from(entry.call.len()).unwrap_or(u8::MAX));
            out.extend_from_slice(entry.call.as_bytes());
            for block in [&entry.args, &entry.answer] {
                out.extend_from_slice(&u32::try_from(block.len()).unwrap_or(u32::MAX).to_le_bytes());
                out.extend_from_slice(block);
            }
            out.extend_from_slice(&entry.at.to_le_bytes());
            out.extend_from_slice(&entry.mark.to_le_bytes());
        }
        out
    }

    /// The first `keep` entries as one chunk, for a journal that is cut.
    #[must_use]
    pub fn head(&self, keep: usize) -> Vec<u8> {
        let entries = self.entries[..keep.min(self.entries.len())].to_vec();
        Self { entries, started: self.started, ..Self::default() }.chunk(self.logged, true)
    }

    /// What [`Journal::chunk`] gave, and it was not empty, is in the store now.
    pub fn flushed(&mut self, log_lines: u32) {
        self.chunks += 1;
        self.flushed = self.entries.len();
        self.logged = log_lines;
    }

    /// The entry to be replayed next; none once the run is live.
    #[must_use]
    pub fn next(&self) -> Option<&Entry> {
        self.entries.get(self.next)
    }

    /// Steps over the entry that [`Journal::next`] gave.
    pub fn step(&mut self) {
        self.next += 1;
    }

    /// Adds the answer of a live call.
    pub fn push(&mut self, entry: Entry) {
        debug_assert!(self.next == self.entries.len(), "a live call while there is more to replay");
        self.entries.push(entry);
        self.next = self.entries.len();
    }

    /// Whether calls are answered from the journal.
    #[must_use]
    pub fn replaying(&self) -> bool {
        self.next < self.entries.len()
    }

    /// Position of the next call: how many came before it.
    #[must_use]
    pub fn position(&self) -> u32 {
        u32::try_from(self.next).unwrap_or(u32::MAX)
    }

    /// How many entries there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// How many entries are not in the store.
    #[must_use]
    pub fn unflushed(&self) -> u32 {
        u32::try_from(self.entries.len() - self.flushed).unwrap_or(u32::MAX)
    }

    /// How many chunks are in the store: the number of the next.
    #[must_use]
    pub fn chunks(&self) -> u32 {
        self.chunks
    }

    /// Log lines that are in the store.
    #[must_use]
    pub fn logged(&self) -> u32 {
        self.logged
    }

    /// Logical time of the first call, once known.
    #[must_use]
    pub fn started(&self) -> Option<Millis> {
        self.started
    }

    /// Sets the logical time of the first call.
    pub fn start(&mut self, at: Millis) {
        self.started = Some(at);
    }

    /// All entries.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }
}

/// Encodes arguments or an answer.
///
/// # Errors
/// Only for types that MessagePack cannot hold; none of wit/'s is.
pub fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, rmp_serde::encode::Error> {
    rmp_serde::to_vec_named(value)
}

/// Decodes what [`encode`] wrote.
///
/// # Errors
/// When it is something else.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, rmp_serde::decode::Error> {
    rmp_serde::from_slice(bytes)
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, n: usize) -> Result<&'a [u8], &'static str> {
        let end = self.at.checked_add(n).filter(|&end| end <= self.bytes.len()).ok_or("it ends too early")?;
        let taken = &self.bytes[self.at..end];
        self.at = end;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], &'static str> {
        let mut out = [0; N];
        out.copy_from_slice(self.take(N)?);
        Ok(out)
    }

    fn u8(&mut self) -> Result<u8, &'static str> {
        Ok(self.array::<1>()?[0])
    }

    fn u32(&mut self) -> Result<u32, &'static str> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    fn i64(&mut self) -> Result<i64, &'static str> {
        Ok(i64::from_le_bytes(self.array()?))
    }

    fn block(&mut self) -> Result<&'a [u8], &'static str> {
        let length = self.u32()? as usize;
        self.take(length)
    }

    fn is_empty(&self) -> bool {
        self.at == self.bytes.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(call: &str, n: i64) -> Entry {
        Entry {
            call: call.to_owned().into(),
            args: encode(&(n, "x")).expect("encodes"),
            answer: encode(&Some(n)).expect("encodes"),
            at: n,
            mark: n + 1,
        }
    }

    #[test]
    fn a_run_that_waits_first_keeps_its_clock() {
        let mut journal = Journal::default();
        journal.start(77);
        assert!(journal.chunk(0, false).is_empty());
        let back = Journal::read(&[journal.chunk(0, true)]).expect("reads back");
        assert_eq!((back.started(), back.chunks(), back.len()), (Some(77), 1, 0));
    }

    #[test]
    fn chunks_read_back_and_damage_is_named() {
        let mut journal = Journal::default();
        journal.start(77);
        journal.push(entry("orders.get", 1));
        journal.push(entry("workflow.sleep", 2));
        let first = journal.chunk(3, false);
        journal.flushed(3);
        assert!(journal.chunk(3, true).is_empty());
        journal.push(entry("orders.get", 3));
        let second = journal.chunk(9, true);
        let back = Journal::read(&[first.clone(), second.clone()]).expect("reads back");
        assert_eq!(back.entries(), journal.entries());
        assert_eq!((back.started(), back.logged(), back.chunks(), back.position()), (Some(77), 9, 2, 0));
        for end in 1..second.len() {
            // Cut anywhere: an error or fewer entries, never a panic.
            if let Ok(cut) = Journal::read(&[first.clone(), second[..end].to_vec()]) {
                assert!(cut.len() == 2);
            }
        }
        let mut later = first;
        later[0] = 2;
        let error = Journal::read(&[later]).expect_err("a later version");
        assert!(error.to_string().contains("later version"), "{error}");
    }
}
