//! Compiled plugins on disk.

use std::{fs, path::PathBuf};

use shopwright_sandbox::{Sandbox, SandboxOptions};

use crate::plugins::*;

fn sandbox(folder: &std::path::Path) -> Sandbox {
    Sandbox::new(SandboxOptions { instances: 2, cache_folder: Some(folder.to_owned()), ..SandboxOptions::default() })
        .unwrap()
}

fn files(folder: &std::path::Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn an_artefact_is_found_by_the_next_process_and_gone_after_eviction() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = with_orders(GET_ONCE);
    let first = sandbox(folder.path());
    assert!(first.load("sha256:ab").is_none());
    let compiled = first.compile(&bytes, "sha256:ab").unwrap();
    let again = first.load("sha256:ab").unwrap();
    assert!(std::sync::Arc::ptr_eq(&compiled, &again), "from memory");

    let second = sandbox(folder.path());
    let loaded = second.load("sha256:ab").unwrap();
    assert_eq!(loaded.imports(), compiled.imports());
    assert!(second.load("sha256:cd").is_none());

    second.evict("sha256:ab");
    assert!(files(folder.path()).is_empty());
    assert!(second.load("sha256:ab").is_none());
    second.evict("sha256:ab");
}

#[cfg(unix)]
#[test]
fn the_folder_is_the_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("a/b");
    drop(sandbox(&folder));
    assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
}

#[test]
fn a_damaged_artefact_is_compiled_again() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = with_orders(GET_ONCE);
    sandbox(folder.path()).compile(&bytes, "sha256:ab").unwrap();
    let [file] = files(folder.path()).try_into().unwrap();
    let good = fs::read(&file).unwrap();
    let flipped = |at: usize| {
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        bytes
    };
    for damaged in [
        flipped(0),
        flipped(8),
        flipped(60),
        flipped(good.len() - 1),
        good[..good.len() / 2].to_vec(),
        good[..10].to_vec(),
        Vec::new(),
    ] {
        fs::write(&file, damaged).unwrap();
        let fresh = sandbox(folder.path());
        assert!(fresh.load("sha256:ab").is_none());
        fresh.compile(&bytes, "sha256:ab").unwrap();
        assert!(sandbox(folder.path()).load("sha256:ab").is_some(), "it was written anew");
    }
    // Another component's artefact under this one's name.
    sandbox(folder.path())
        .compile(
            &Plugin { core: r#"(func (export "run") (result i32) (i32.const 3))"#, ..Plugin::default() }.bytes(),
            "sha256:cd",
        )
        .unwrap();
    let other = files(folder.path()).into_iter().find(|f| *f != file).unwrap();
    fs::copy(other, &file).unwrap();
    assert!(sandbox(folder.path()).load("sha256:ab").is_none());
}

#[test]
fn a_refused_component_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let sandbox = sandbox(folder.path());
    assert!(sandbox.compile(b"\0asm", "sha256:ab").is_err());
    assert!(sandbox.load("sha256:ab").is_none());
    assert!(files(folder.path()).is_empty());
}
