//! Through the front door: the real binary, real HTTP, real components, a real disk, real signals.

mod bad_input;
mod components;
mod crossing;
mod description;
mod disk;
mod golden;
mod host;
mod kill;
#[path = "../support/mail.rs"]
mod mail;
mod nodes;
mod outage;
mod plugins;
#[path = "../support/probe.rs"]
mod probe;
#[path = "../support/receiver.rs"]
mod receiver;
mod secure_mail;
mod story;
mod traffic;
