//! The machine that was measured on: without it the figures say nothing.

use std::{
    fs,
    io::{Seek as _, Write as _},
    path::Path,
    time::Instant,
};

use crate::{
    error::{BenchError, at},
    figures::percentile,
    process,
};

/// A machine, and the state it was in.
#[derive(Debug, Clone)]
pub struct Machine {
    /// Processors that may be used.
    pub cores: usize,
    /// What they are.
    pub processor: String,
    /// Memory in bytes.
    pub memory: u64,
    /// The kernel's release.
    pub kernel: String,
    /// The file system that the data lies on.
    pub file_system: String,
    /// Median time of writing 4 KB and having them on the disk (`fdatasync`), in milliseconds.
    pub sync_ms: f64,
    /// Load average of the last minute before the measurement.
    pub load: f64,
    /// Whether the binary was built with optimisation.
    pub optimised: bool,
}

impl Machine {
    /// Looks at this one; `folder` is where data will lie.
    pub(crate) fn look(folder: &Path) -> Result<Self, BenchError> {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let cpu = read("/proc/cpuinfo");
        let model = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
        Ok(Self {
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            processor: model.trim_start_matches([' ', '\t', ':']).to_owned(),
            memory: process::field("/proc/meminfo", "MemTotal:") * 1024,
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            file_system: file_system(folder, &read("/proc/mounts")),
            sync_ms: sync_time(folder)?,
            load: read("/proc/loadavg").split(' ').next().and_then(|text| text.parse().ok()).unwrap_or(0.0),
            optimised: !cfg!(debug_assertions),
        })
    }

    /// Whether what is written to it survives a power failure.
    pub(crate) fn forgets(&self) -> bool {
        matches!(&*self.file_system, "tmpfs" | "ramfs")
    }
}

/// The type of the file system with the longest mount point that `folder` lies under.
fn file_system(folder: &Path, mounts: &str) -> String {
    let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    let under = mounts.lines().filter_map(|line| {
        let mut words = line.split(' ').skip(1);
        let (point, kind) = (words.next()?, words.next()?);
        folder.starts_with(point).then_some((point.len(), kind))
    });
    under.max_by_key(|(length, _)| *length).map_or("unknown", |(_, kind)| kind).to_owned()
}

/// Median time of overwriting 4 KB and `fdatasync`, in milliseconds.
fn sync_time(folder: &Path) -> Result<f64, BenchError> {
    let mut file = tempfile::tempfile_in(folder).map_err(at(folder))?;
    let mut times = Vec::new();
    for _ in 0..41 {
        let began = Instant::now();
        file.rewind().and_then(|()| file.write_all(&[7; 4096])).and_then(|()| file.sync_data()).map_err(at(folder))?;
        times.push(began.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    Ok(percentile(&times, 0.5))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_innermost_file_system_counts() {
        let mounts = "/dev/a / ext4 rw 0 0\ntmpfs /nowhere tmpfs rw 0 0\ntmpfs /nowhere/else/deep tmpfs rw 0 0\n";
        assert_eq!(file_system(Path::new("/nowhere/else"), mounts), "tmpfs");
        assert_eq!(file_system(Path::new("/other"), mounts), "ext4");
    }
}
