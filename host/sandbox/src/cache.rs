//! Compiled components on disk.
//!
//! A compiled component is machine code that the engine runs without looking at it again. Two things
//! keep that sound: the folder belongs to the host alone (it is made with access for its owner only),
//! and every file begins with a SHA-256 over its key and its contents, so that a file that was
//! cut, overwritten or renamed is compiled anew instead of run. The checksum guards against damage, not
//! against somebody who can write into the folder: whoever can do that can replace the host as well.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use sha2::{Digest, Sha256};
use wasmtime::{Engine, component::Component};

/// Begins every file; the digit is the version of the layout.
const MAGIC: &[u8; 8] = b"swcwasm1";
const HEADER: usize = MAGIC.len() + 32;

#[derive(Debug)]
pub(crate) struct ArtefactCache {
    folder: PathBuf,
    /// Of everything that decides what code the engine makes and accepts.
    settings: String,
}

/// Why there is no artefact.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unusable {
    #[error("the file is cut or damaged")]
    Damaged,
    #[error("the file cannot be read: {0}")]
    Io(io::Error),
    #[error("the engine refuses it: {0:#}")]
    Refused(wasmtime::Error),
}

impl ArtefactCache {
    pub fn open(folder: &Path, settings: String) -> io::Result<Self> {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(folder)?;
        Ok(Self { folder: folder.to_owned(), settings })
    }

    /// The file of a digest. Digests with other characters than a file name may have go by their hash.
    fn file(&self, digest: &str) -> PathBuf {
        let plain = digest.bytes().all(|byte| byte.is_ascii_alphanumeric() || b":_-".contains(&byte));
        let stem =
            if plain && digest.len() <= 128 { digest.replace(':', "-") } else { hex::encode(Sha256::digest(digest)) };
        self.folder.join(format!("{stem}-{}.cwasm", self.settings))
    }

    fn checksum(&self, digest: &str, code: &[u8]) -> [u8; 32] {
        let mut hash = Sha256::new();
        for part in [digest, &self.settings] {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        hash.update(code);
        hash.finalize().into()
    }

    /// The artefact of a digest; none where there is no file.
    pub fn load(&self, engine: &Engine, digest: &str) -> Result<Option<Component>, Unusable> {
        let bytes = match fs::read(self.file(digest)) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Unusable::Io(error)),
        };
        let (header, code) = bytes.split_at_checked(HEADER).ok_or(Unusable::Damaged)?;
        let (magic, checksum) = header.split_at(MAGIC.len());
        if magic != MAGIC || checksum != self.checksum(digest, code) {
            return Err(Unusable::Damaged);
        }
        // SAFETY: `deserialize` needs bytes that `Component::serialize` of a compatible engine made.
        // `store` wrote them so into a folder that only the host may write to; the checksum, taken
        // over this very buffer, says that they are unchanged and belong to this digest and these
        // settings; and the engine checks its own version and settings in them once more.
        unsafe { Component::deserialize(engine, code) }.map(Some).map_err(Unusable::Refused)
    }

    /// Writes an artefact so that a reader sees all of it or none.
    pub fn store(&self, digest: &str, component: &Component) -> io::Result<()> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let code = component.serialize().map_err(io::Error::other)?;
        let mut bytes = Vec::with_capacity(HEADER + code.len());
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&self.checksum(digest, &code));
        bytes.extend_from_slice(&code);
        let temporary =
            self.folder.join(format!(".{}-{}.tmp", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed)));
        // Not synced: what a crash cuts is compiled again.
        let written = fs::write(&temporary, bytes).and_then(|()| fs::rename(&temporary, self.file(digest)));
        if written.is_err() {
            let _ = fs::remove_file(&temporary);
        }
        written
    }

    pub fn remove(&self, digest: &str) -> io::Result<()> {
        match fs::remove_file(self.file(digest)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

/// A hash of what decides which artefacts an engine accepts, as 16 hexadecimal digits.
pub(crate) fn settings_hash(engine: &Engine) -> String {
    struct Sink(Sha256);
    impl std::hash::Hasher for Sink {
        fn write(&mut self, bytes: &[u8]) {
            self.0.update(bytes);
        }
        fn finish(&self) -> u64 {
            unreachable!("the digest is taken instead")
        }
    }
    let mut sink = Sink(Sha256::new());
    std::hash::Hash::hash(&engine.precompile_compatibility_hash(), &mut sink);
    hex::encode(&sink.0.finalize()[..8])
}
