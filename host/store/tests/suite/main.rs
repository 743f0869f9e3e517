//! The store's promises, on SQLite (file and memory) and on PostgreSQL.

mod support;

mod admin;
mod concurrency;
mod differential;
mod documents;
mod events;
mod faults;
mod flushes;
mod reopen;
mod waits;
