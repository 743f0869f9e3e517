//! A deterministic stub of WASI 0.2.
//!
//! Guests import WASI because their languages' standard libraries do, not because they need a
//! system: a Rust guest that only formats strings imports a dozen interfaces. What is linked here
//! answers from the run's state alone: clocks show the logical time, randomness is seeded by the run,
//! standard output and standard error are the run's log, the environment is empty and standard input
//! is at its end. What would have to wait or to leave is refused with a [`Trap::Wasi`] that names what
//! to use instead. Interfaces that are not in [`OFFERED`] (files, sockets, http) are not linked at all.

use wasmtime::{
    StoreContextMut,
    component::{ComponentType, Linker, LinkerInstance, Lower, Resource, ResourceType},
};

use crate::{Guest, GuestState, LogStream, Trap, charge_fuel};

/// The interfaces of the stub with their functions.
const OFFERED: &[(&str, &str, &[&str])] = &[
    ("wasi:io", "error", &["[method]error.to-debug-string"]),
    ("wasi:io", "poll", &["[method]pollable.ready", "[method]pollable.block", "poll"]),
    (
        "wasi:io",
        "streams",
        &[
            "[method]input-stream.read",
            "[method]input-stream.blocking-read",
            "[method]input-stream.skip",
            "[method]input-stream.blocking-skip",
            "[method]input-stream.subscribe",
            "[method]output-stream.check-write",
            "[method]output-stream.write",
            "[method]output-stream.blocking-write-and-flush",
            "[method]output-stream.flush",
            "[method]output-stream.blocking-flush",
            "[method]output-stream.subscribe",
            "[method]output-stream.write-zeroes",
            "[method]output-stream.blocking-write-zeroes-and-flush",
            "[method]output-stream.splice",
            "[method]output-stream.blocking-splice",
        ],
    ),
    ("wasi:cli", "environment", &["get-environment", "get-arguments", "initial-cwd"]),
    ("wasi:cli", "exit", &["exit", "exit-with-code"]),
    ("wasi:cli", "stdin", &["get-stdin"]),
    ("wasi:cli", "stdout", &["get-stdout"]),
    ("wasi:cli", "stderr", &["get-stderr"]),
    ("wasi:cli", "terminal-input", &[]),
    ("wasi:cli", "terminal-output", &[]),
    ("wasi:cli", "terminal-stdin", &["get-terminal-stdin"]),
    ("wasi:cli", "terminal-stdout", &["get-terminal-stdout"]),
    ("wasi:cli", "terminal-stderr", &["get-terminal-stderr"]),
    ("wasi:clocks", "wall-clock", &["now", "resolution"]),
    ("wasi:clocks", "monotonic-clock", &["now", "resolution", "subscribe-instant", "subscribe-duration"]),
    ("wasi:random", "random", &["get-random-bytes", "get-random-u64"]),
    ("wasi:random", "insecure", &["get-insecure-random-bytes", "get-insecure-random-u64"]),
    ("wasi:random", "insecure-seed", &["insecure-seed"]),
];

/// The most random bytes in one call. The component model copies them at once.
const RANDOM_BYTES: u64 = 64 << 10;

/// What an output stream takes in one write: what WASI guarantees at least.
const WRITE_BYTES: u64 = 4096;

/// The functions of an interface of the stub; none for an interface that is not linked.
pub(crate) fn functions_of(package: &str, interface: &str) -> Option<&'static [&'static str]> {
    OFFERED.iter().find(|(p, i, _)| (*p, *i) == (package, interface)).map(|(_, _, functions)| *functions)
}

// Resources carry no state of their own but which stream they are, in their representation.
struct IoError;
struct Pollable;
struct InputStream;
struct OutputStream;
struct TerminalInput;
struct TerminalOutput;

const STDIN: u32 = 0;
const STDOUT: u32 = 1;
const STDERR: u32 = 2;

#[derive(ComponentType, Lower)]
#[component(variant)]
enum StreamError {
    #[component(name = "last-operation-failed")]
    #[allow(dead_code, reason = "part of the type; the stub's streams never fail")]
    LastOperationFailed(Resource<IoError>),
    #[component(name = "closed")]
    Closed,
}

#[derive(ComponentType, Lower)]
#[component(record)]
struct Datetime {
    seconds: u64,
    nanoseconds: u32,
}

type Store<'a, T> = StoreContextMut<'a, T>;
type Linked = wasmtime::Result<()>;

/// Links one interface of the stub under the full name that the component imports.
pub(crate) fn link<T: GuestState>(linker: &mut Linker<T>, full_name: &str, package: &str, interface: &str) -> Linked {
    let mut instance = linker.instance(full_name)?;
    let it = &mut instance;
    match (package, interface) {
        ("wasi:io", "error") => error(it),
        ("wasi:io", "poll") => poll(it),
        ("wasi:io", "streams") => streams(it),
        ("wasi:cli", "environment") => environment(it),
        ("wasi:cli", "exit") => exit(it),
        ("wasi:cli", "stdin") => {
            it.func_wrap("get-stdin", |_: Store<'_, T>, ()| Ok((Resource::<InputStream>::new_own(STDIN),)))
        }
        ("wasi:cli", "stdout") => {
            it.func_wrap("get-stdout", |_: Store<'_, T>, ()| Ok((Resource::<OutputStream>::new_own(STDOUT),)))
        }
        ("wasi:cli", "stderr") => {
            it.func_wrap("get-stderr", |_: Store<'_, T>, ()| Ok((Resource::<OutputStream>::new_own(STDERR),)))
        }
        ("wasi:cli", "terminal-input") => resource::<T, TerminalInput>(it, "terminal-input"),
        ("wasi:cli", "terminal-output") => resource::<T, TerminalOutput>(it, "terminal-output"),
        ("wasi:cli", "terminal-stdin") => no_terminal::<T, TerminalInput>(it, "get-terminal-stdin"),
        ("wasi:cli", "terminal-stdout") => no_terminal::<T, TerminalOutput>(it, "get-terminal-stdout"),
        ("wasi:cli", "terminal-stderr") => no_terminal::<T, TerminalOutput>(it, "get-terminal-stderr"),
        ("wasi:clocks", "wall-clock") => wall_clock(it),
        ("wasi:clocks", "monotonic-clock") => monotonic_clock(it),
        ("wasi:random", "random") => random(it, "get-random-bytes", "get-random-u64"),
        ("wasi:random", "insecure") => random(it, "get-insecure-random-bytes", "get-insecure-random-u64"),
        ("wasi:random", "insecure-seed") => {
            it.func_wrap("insecure-seed", |mut store: Store<'_, T>, ()| Ok((store.data_mut().guest().hash_seed(),)))
        }
        _ => wasmtime::bail!("{full_name} is not part of the WASI stub"),
    }
}

fn refuse<R>(what: &str) -> wasmtime::Result<R> {
    Err(Trap::Wasi(what.to_owned()).into())
}

fn resource<T: GuestState, R: 'static>(it: &mut LinkerInstance<'_, T>, name: &str) -> Linked {
    it.resource(name, ResourceType::host::<R>(), |_, _| Ok(()))
}

fn no_terminal<T: GuestState, R: 'static>(it: &mut LinkerInstance<'_, T>, name: &str) -> Linked {
    it.func_wrap(name, |_: Store<'_, T>, ()| Ok((None::<Resource<R>>,)))
}

fn error<T: GuestState>(it: &mut LinkerInstance<'_, T>) -> Linked {
    resource::<T, IoError>(it, "error")?;
    it.func_wrap("[method]error.to-debug-string", |_: Store<'_, T>, (_,): (Resource<IoError>,)| {
        Ok(("error".to_owned(),))
    })
}

/// Every pollable there is belongs to a stream, and the stub's streams never wait.
fn poll<T: GuestState>(it: &mut LinkerInstance<'_, T>) -> Linked {
    resource::<T, Pollable>(it, "pollable")?;
    it.func_wrap("[method]pollable.ready", |_: Store<'_, T>, (_,): (Resource<Pollable>,)| Ok((true,)))?;
    it.func_wrap("[method]pollable.block", |_: Store<'_, T>, (_,): (Resource<Pollable>,)| Ok(()))?;
    it.func_wrap("poll", |_: Store<'_, T>, (list,): (Vec<Resource<Pollable>>,)| {
        // As many as fit a list of u32: the component model's own limit is below that.
        let all: Vec<u32> = (0..list.len() as u32).collect();
        Ok((all,))
    })
}

fn streams<T: GuestState>(it: &mut LinkerInstance<'_, T>) -> Linked {
    resource::<T, InputStream>(it, "input-stream")?;
    resource::<T, OutputStream>(it, "output-stream")?;

    for name in ["[method]input-stream.read", "[method]input-stream.blocking-read"] {
        it.func_wrap(name, |_: Store<'_, T>, (_, _): (Resource<InputStream>, u64)| {
            Ok((Err::<Vec<u8>, _>(StreamError::Closed),))
        })?;
    }
    for name in ["[method]input-stream.skip", "[method]input-stream.blocking-skip"] {
        it.func_wrap(name, |_: Store<'_, T>, (_, _): (Resource<InputStream>, u64)| {
            Ok((Err::<u64, _>(StreamError::Closed),))
        })?;
    }
    it.func_wrap("[method]input-stream.subscribe", |_: Store<'_, T>, (_,): (Resource<InputStream>,)| {
        Ok((Resource::<Pollable>::new_own(0),))
    })?;

    it.func_wrap("[method]output-stream.check-write", |_: Store<'_, T>, (_,): (Resource<OutputStream>,)| {
        Ok((Ok::<_, StreamError>(WRITE_BYTES),))
    })?;
    for name in ["[method]output-stream.write", "[method]output-stream.blocking-write-and-flush"] {
        it.func_wrap(name, |mut store: Store<'_, T>, (stream, bytes): (Resource<OutputStream>, Vec<u8>)| {
            write(store.data_mut().guest(), stream.rep(), &bytes)?;
            Ok((Ok::<_, StreamError>(()),))
        })?;
    }
    for name in ["[method]output-stream.flush", "[method]output-stream.blocking-flush"] {
        it.func_wrap(name, |_: Store<'_, T>, (_,): (Resource<OutputStream>,)| Ok((Ok::<_, StreamError>(()),)))?;
    }
    it.func_wrap("[method]output-stream.subscribe", |_: Store<'_, T>, (_,): (Resource<OutputStream>,)| {
        Ok((Resource::<Pollable>::new_own(0),))
    })?;
    for name in ["[method]output-stream.write-zeroes", "[method]output-stream.blocking-write-zeroes-and-flush"] {
        it.func_wrap(name, |mut store: Store<'_, T>, (stream, length): (Resource<OutputStream>, u64)| {
            if length > WRITE_BYTES {
                return refuse("wasi:io/streams: more zeroes written than check-write allowed");
            }
            let zeroes = [0; WRITE_BYTES as usize];
            write(store.data_mut().guest(), stream.rep(), &zeroes[..length as usize])?;
            Ok((Ok::<_, StreamError>(()),))
        })?;
    }
    for name in ["[method]output-stream.splice", "[method]output-stream.blocking-splice"] {
        it.func_wrap(name, |_: Store<'_, T>, (_, _, _): (Resource<OutputStream>, Resource<InputStream>, u64)| {
            Ok((Err::<u64, _>(StreamError::Closed),))
        })?;
    }
    Ok(())
}

fn write(guest: &mut Guest, stream: u32, bytes: &[u8]) -> Result<(), Trap> {
    let stream = if stream == STDERR { LogStream::Stderr } else { LogStream::Stdout };
    guest.write_log(stream, bytes)
}

fn environment<T: GuestState>(it: &mut LinkerInstance<'_, T>) -> Linked {
    it.func_wrap("get-environment", |_: Store<'_, T>, ()| Ok((Vec::<(String, String)>::new(),)))?;
    it.func_wrap("get-arguments", |_: Store<'_, T>, ()| Ok((Vec::<String>::new(),)))?;
    it.func_wrap("initial-cwd", |_: Store<'_, T>, ()| Ok((None::<String>,)))
}

fn exit<T: GuestState>(it: &mut LinkerInstance<'_, T>) -> Linked {
    it.func_wrap("exit", |_: Store<'_, T>, (status,): (Result<(), ()>,)| -> wasmtime::Result<()> {
        refuse(match status {
            Ok(()) => "the plugin called exit (success): return from `run` instead",
            Err(()) => "the plugin called exit (failure): return a failure from `run` instead",
        })
    })?;
    it.func_wrap("exit-with-code", |_: Store<'_, T>, (code,): (u8,)| -> wasmtime::Result<()> {
        refuse(&format!("the plugin called exit ({code}): return from `run` instead"))
    })
}

fn wall_clock<T: GuestState>(it: &mut LinkerInstance<'_, T>) -> Linked {
    it.func_wrap("now", |mut store: Store<'_, T>, ()| {
        // Times before 1970 have no form in this interface.
        let ms = store.data_mut().guest().now_ms().max(0).unsigned_abs();
        Ok((Datetime { seconds: ms / 1000, nanoseconds: (ms % 1000) as u32 * 1_000_000 },))
    })?;
    it.func_wrap("resolution", |_: Store<'_, T>, ()| Ok((Datetime { seconds: 0, nanoseconds: 1_000_000 },)))
}

fn monotonic_clock<T: GuestState>(it: &mut LinkerInstance<'_, T>) -> Linked {
    it.func_wrap("now", |mut store: Store<'_, T>, ()| {
        let ms = store.data_mut().guest().now_ms().max(0).unsigned_abs();
        Ok((ms.saturating_mul(1_000_000),))
    })?;
    it.func_wrap("resolution", |_: Store<'_, T>, ()| Ok((1_000_000u64,)))?;
    for name in ["subscribe-instant", "subscribe-duration"] {
        it.func_wrap(name, |_: Store<'_, T>, (_,): (u64,)| -> wasmtime::Result<(Resource<Pollable>,)> {
            refuse(
                "the plugin tried to wait by its language's own sleep or timer, which would hold \
                     it in memory: use `workflow.sleep`, which survives restarts",
            )
        })?;
    }
    Ok(())
}

fn random<T: GuestState>(it: &mut LinkerInstance<'_, T>, bytes_name: &str, number_name: &str) -> Linked {
    it.func_wrap(bytes_name, |mut store: Store<'_, T>, (length,): (u64,)| {
        if length > RANDOM_BYTES {
            return refuse("the plugin asked for more than 64 KiB of random bytes in one call");
        }
        charge_fuel(&mut store, length)?;
        let mut bytes = vec![0; length as usize];
        store.data_mut().guest().fill_random(&mut bytes);
        Ok((bytes,))
    })?;
    it.func_wrap(number_name, |mut store: Store<'_, T>, ()| Ok((store.data_mut().guest().random_u64(),)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `inspect` accepts is what is linked: every offered function can be linked exactly once,
    /// and linking it a second time is refused as already there.
    #[test]
    fn the_table_and_the_linked_functions_agree() {
        let engine = wasmtime::Engine::default();
        for (package, interface, functions) in OFFERED {
            let name = format!("{package}/{interface}@0.2.6");
            let mut linker = Linker::<Guest>::new(&engine);
            link(&mut linker, &name, package, interface).unwrap();
            let mut instance = linker.instance(&name).unwrap();
            for function in *functions {
                instance.func_wrap(function, |_: Store<'_, Guest>, ()| Ok(())).expect_err(function);
            }
        }
    }

    #[test]
    fn an_interface_outside_the_table_is_not_linked() {
        let mut linker = Linker::<Guest>::new(&wasmtime::Engine::default());
        assert!(link(&mut linker, "wasi:sockets/tcp@0.2.0", "wasi:sockets", "tcp").is_err());
        assert_eq!(functions_of("wasi:filesystem", "preopens"), None);
    }
}
