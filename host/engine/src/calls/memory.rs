//! `memory`: what a plugin remembers between runs.

use shopwright_sandbox::HostFunctions;
use shopwright_store::ops::Own;

use super::{Live, journaled, journaled_silent};
use crate::{
    cx::{RunCx, Stop},
    limits,
};

const MAX_KEY: usize = 512;
const MAX_VALUE: usize = 64 << 10;

pub(super) fn register(functions: &mut HostFunctions<RunCx>) {
    journaled(functions, "memory", "get", "memory.get", |cx, (key,): (String,)| {
        Box::pin(async move {
            check(cx, "get", &key, None)?;
            read(cx, &key).await
        })
    });
    journaled_silent(functions, "memory", "set", "memory.set", |cx, (key, value): (String, String)| {
        Box::pin(async move {
            check(cx, "set", &key, Some(&value))?;
            write(cx, "set", key, Some(value)).await
        })
    });
    journaled_silent(functions, "memory", "remove", "memory.remove", |cx, (key,): (String,)| {
        Box::pin(async move {
            check(cx, "remove", &key, None)?;
            write(cx, "remove", key, None).await
        })
    });
    journaled(functions, "memory", "increment", "memory.increment", |cx, (key, by): (String, i64)| {
        Box::pin(async move {
            check(cx, "increment", &key, None)?;
            depend(cx, &key).await?;
            let before = match read(cx, &key).await? {
                None => 0,
                Some(text) => match text.trim().parse::<i64>() {
                    Ok(n) => n,
                    Err(_) => {
                        return Err(fail(
                            cx,
                            "increment",
                            format!("`{key}` holds `{}`, which is no whole number", cut(&text)),
                        ));
                    }
                },
            };
            let sum = before.saturating_add(by);
            write(cx, "increment", key, Some(sum.to_string())).await?;
            Ok(sum)
        })
    });
    journaled(functions, "memory", "compare-and-set", "memory.compare-and-set", compare_and_set);
}

fn compare_and_set(cx: &mut RunCx, (key, expected, value): (String, Option<String>, String)) -> Live<'_, bool> {
    Box::pin(async move {
        check(cx, "compare-and-set", &key, Some(&value))?;
        depend(cx, &key).await?;
        let now = read(cx, &key).await?;
        let equal = match (&now, &expected) {
            (None, None) => true,
            (Some(a), Some(b)) => {
                let parse = |text: &str| serde_json::from_str::<serde_json::Value>(text);
                a == b || matches!((parse(a), parse(b)), (Ok(a), Ok(b)) if a == b)
            }
            _ => false,
        };
        if equal {
            write(cx, "compare-and-set", key, Some(value)).await?;
        }
        Ok(equal)
    })
}

fn cut(text: &str) -> String {
    text.chars().take(40).collect()
}

fn fail(cx: &mut RunCx, function: &str, message: String) -> wasmtime::Error {
    cx.stop(Stop::Fail { code: "bad-call", message: format!("memory.{function}: {message}") })
}

fn check(cx: &mut RunCx, function: &str, key: &str, value: Option<&str>) -> wasmtime::Result<()> {
    if key.is_empty() || key.len() > MAX_KEY {
        return Err(fail(cx, function, format!("a key must have 1 to {MAX_KEY} bytes; this one has {}", key.len())));
    }
    let Some(value) = value else { return Ok(()) };
    if value.len() > MAX_VALUE {
        return Err(fail(
            cx,
            function,
            format!("a value may have {MAX_VALUE} bytes; `{key}` would have {}", value.len()),
        ));
    }
    if serde_json::from_str::<serde::de::IgnoredAny>(value).is_err() {
        return Err(fail(cx, function, format!("the value of `{key}` must be JSON; this is not: {}", cut(value))));
    }
    Ok(())
}

/// The key as facts name it: what this run decides by it holds only if nobody changes it meanwhile.
fn fact(cx: &RunCx, key: &str) -> String {
    format!("memory:{}:{key}", cx.memory_space())
}

async fn depend(cx: &mut RunCx, key: &str) -> wasmtime::Result<()> {
    let fact = fact(cx, key);
    cx.depend_on(&fact).await
}

async fn read(cx: &mut RunCx, key: &str) -> wasmtime::Result<Option<String>> {
    if let Some(value) = cx.overlay.memory.get(key) {
        return Ok(value.clone());
    }
    let space = cx.memory_space();
    match cx.core.store.memory_get(&cx.run.shop, &space, key).await {
        Ok(value) => Ok(value),
        Err(error) => Err(cx.stop(Stop::Store(error))),
    }
}

async fn write(cx: &mut RunCx, function: &str, key: String, value: Option<String>) -> wasmtime::Result<()> {
    if limits::counts_bytes(cx) {
        let bytes =
            |value: Option<&String>| value.map_or(0, |value| i64::try_from(key.len() + value.len()).unwrap_or(0));
        let before = read(cx, &key).await?;
        let more = bytes(value.as_ref()) - bytes(before.as_ref());
        if let Err(words) = limits::take_bytes(cx, more) {
            let message = format!("memory.{function} of `{key}`: {words}; raise the limit, or let the plugin forget");
            return Err(cx.stop(Stop::Fail { code: "memory-limit", message }));
        }
    }
    // Plain writes conflict with nobody, but those who decided by the old value must notice.
    let fact = fact(cx, &key);
    if !cx.pending.bumps.contains(&fact) {
        cx.pending.bumps.push(fact);
    }
    cx.overlay.memory.insert(key.clone(), value.clone());
    cx.pending.own.push(Own::Memory(key, value));
    Ok(())
}
