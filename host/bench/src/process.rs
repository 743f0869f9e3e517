//! What a process has used, as the operating system counts it. Linux only; elsewhere the figures are missing.

use std::{fs, time::Duration};

/// What `times` of `/proc` are counted in: user space always sees hundredths of a second.
const TICK: Duration = Duration::from_millis(10);

/// What a process has used since its start.
#[derive(Debug, Clone, Copy, Default)]
pub struct Usage {
    /// In its own code.
    pub user: Duration,
    /// In the kernel.
    pub system: Duration,
    /// Of both, in the threads that SQLite works on.
    pub sqlite: Duration,
    /// Bytes that it had written to storage.
    pub written: u64,
    /// Memory of its own that is resident now, in bytes. Pages of mapped files, which the system takes
    /// back when it needs them, are not in it.
    pub resident: u64,
}

impl Usage {
    /// What a process has used; nothing where that cannot be known.
    pub fn of(pid: u32) -> Self {
        let (user, system) =
            stat(&format!("/proc/{pid}/stat")).map_or_else(Default::default, |stat| (stat.user, stat.system));
        let mut sqlite = Duration::ZERO;
        for task in fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten() {
            let path = task.path().join("stat");
            if let Some(stat) = path.to_str().and_then(stat).filter(|stat| stat.name.starts_with("sqlx-sqlite")) {
                sqlite += stat.user + stat.system;
            }
        }
        Self {
            user,
            system,
            sqlite,
            written: field(&format!("/proc/{pid}/io"), "write_bytes:"),
            resident: field(&format!("/proc/{pid}/status"), "RssAnon:") * 1024,
        }
    }

    /// User and system time together.
    pub fn processor(&self) -> Duration {
        self.user + self.system
    }
}

/// Processor time of a process and of all its children, those that have ended included.
pub fn tree(pid: u32) -> Duration {
    let own = stat(&format!("/proc/{pid}/stat")).map_or(Duration::ZERO, |stat| stat.user + stat.system + stat.children);
    let mut all = own;
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let path = entry.path().join("stat");
        if let Some(stat) = path.to_str().and_then(stat).filter(|stat| stat.parent == pid) {
            all += stat.user + stat.system + stat.children;
        }
    }
    all
}

struct Stat {
    name: String,
    parent: u32,
    user: Duration,
    system: Duration,
    children: Duration,
}

/// proc(5): the name stands in parentheses and may contain anything; state, parent, … follow, with
/// utime, stime, cutime, cstime as fields 14 to 17.
fn stat(path: &str) -> Option<Stat> {
    let text = fs::read_to_string(path).ok()?;
    let (begin, rest) = text.rsplit_once(") ")?;
    let fields: Vec<&str> = rest.split(' ').collect();
    let ticks = |n: usize| TICK * fields.get(n - 3).and_then(|text| text.parse().ok()).unwrap_or(0);
    Some(Stat {
        name: begin.split_once('(')?.1.to_owned(),
        parent: fields.get(1)?.parse().ok()?,
        user: ticks(14),
        system: ticks(15),
        children: ticks(16) + ticks(17),
    })
}

/// The number behind a name in a file of lines.
pub fn field(path: &str, name: &str) -> u64 {
    let text = fs::read_to_string(path).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|rest| rest.split_whitespace().next()).and_then(|number| number.parse().ok()).unwrap_or(0)
}
