//! Where a host's data lies, and a look at it from outside: sizes, and whether all that was accepted
//! happened once.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
    process::Stdio,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use sqlx::{AssertSqlSafe, Connection as _};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
};

use crate::{
    error::{BenchError, at, doing},
    process,
};

/// Which database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// In a file of the host's own.
    Sqlite,
    /// On a server.
    Postgres,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sqlite => "SQLite",
            Self::Postgres => "PostgreSQL",
        })
    }
}

/// A PostgreSQL server.
pub struct Cluster {
    /// URL of a database on it, without the database's name, and what comes after that.
    url: (String, String),
    /// Of a server of our own: the process that stops it when its input ends, and the server's id.
    own: Option<(Child, u32)>,
    databases: AtomicU32,
}

/// The user that the server runs as when we are root, which PostgreSQL refuses to run as.
const UNPRIVILEGED: &str = "nobody";

impl Cluster {
    /// A server that is there already.
    pub fn at(url: &str) -> Self {
        let (before, options) =
            url.split_once('?').map_or((url, String::new()), |(url, rest)| (url, format!("?{rest}")));
        let host = before.find("://").map_or(0, |at| at + 3);
        let server = before[host..].find('/').map_or(before, |slash| &before[..host + slash]);
        Self { url: (format!("{server}/"), options), own: None, databases: AtomicU32::new(0) }
    }

    /// Starts one with its own defaults, on the disk that `folder` is on. It listens on a socket in a
    /// temporary folder only, and ends with this process, however that ends. None: there is no
    /// `initdb` on the PATH.
    pub async fn start(folder: &Path) -> Result<Option<Self>, BenchError> {
        let there = Command::new("initdb").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().await;
        if !there.is_ok_and(|status| status.success()) {
            return Ok(None);
        }
        let home =
            tempfile::Builder::new().prefix("shopwright-bench-pg-").tempdir_in(folder).map_err(at(folder))?.keep();
        let root = process::field("/proc/self/status", "Uid:") == 0;
        if root {
            let owned =
                Command::new("chown").arg(UNPRIVILEGED).arg(&home).status().await.map_err(doing("running chown"))?;
            if !owned.success() {
                return Err(BenchError::Postgres(format!("{} cannot be given to {UNPRIVILEGED}", home.display())));
            }
        }
        let shown = home.display();
        let script = format!(
            "initdb -D data -U shopwright -A trust -E UTF8 --no-locale >log 2>&1 && \
             pg_ctl -D data -l server.log -w -o \"-k '{shown}' -c listen_addresses=''\" start >>log 2>&1 && echo ready; \
             cat >/dev/null; pg_ctl -D data -m immediate stop >>log 2>&1; cd / && rm -rf '{shown}'"
        );
        let mut command = if root {
            let mut command = Command::new("runuser");
            command.args(["-u", UNPRIVILEGED, "--", "sh"]);
            command
        } else {
            Command::new("sh")
        };
        command
            .arg("-c")
            .arg(script)
            .current_dir(&home)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut keeper = command.spawn().map_err(doing("starting PostgreSQL"))?;
        let mut line = String::new();
        if let Some(output) = keeper.stdout.take() {
            BufReader::new(output).read_line(&mut line).await.map_err(doing("starting PostgreSQL"))?;
        }
        if line.trim() != "ready" {
            return Err(BenchError::Postgres(fs::read_to_string(home.join("log")).unwrap_or_default()));
        }
        let server = fs::read_to_string(home.join("data/postmaster.pid")).unwrap_or_default();
        let server = server.lines().next().and_then(|pid| pid.parse().ok()).unwrap_or_default();
        let url = ("postgres://shopwright@localhost/".into(), format!("?host={shown}"));
        Ok(Some(Self { url, own: Some((keeper, server)), databases: AtomicU32::new(0) }))
    }

    /// Stops a server of our own and removes its data.
    pub async fn stop(mut self) {
        if let Some((keeper, _)) = &mut self.own {
            drop(keeper.stdin.take());
            // Nothing depends on it any more.
            let _ = tokio::time::timeout(Duration::from_secs(30), keeper.wait()).await;
        }
    }

    fn url(&self, database: &str) -> String {
        format!("{}{database}{}", self.url.0, self.url.1)
    }

    /// Runs statements on the server, outside of any of our databases.
    async fn run(&self, sql: String) -> Result<(), BenchError> {
        let mut connection = sqlx::PgConnection::connect(&self.url("postgres")).await?;
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await?;
        connection.close().await?;
        Ok(())
    }
}

/// A place for one host's data, empty at first.
pub struct Place {
    folder: tempfile::TempDir,
    postgres: Option<OnServer>,
}

struct OnServer {
    url: String,
    drop: (String, String),
    server: Option<u32>,
}

impl Place {
    /// A new one below `folder`, with a database of its own on the server if there is one.
    pub async fn new(folder: &Path, cluster: Option<&Cluster>) -> Result<Self, BenchError> {
        let folder = tempfile::Builder::new().prefix("shopwright-bench-").tempdir_in(folder).map_err(at(folder))?;
        let postgres = match cluster {
            None => None,
            Some(cluster) => {
                let n = cluster.databases.fetch_add(1, Ordering::Relaxed);
                let name = format!("shopwright_bench_{}_{n}", std::process::id());
                cluster.run(format!("CREATE DATABASE {name}")).await?;
                let server = cluster.own.as_ref().map(|(_, server)| *server);
                let drop = (cluster.url("postgres"), format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"));
                Some(OnServer { url: cluster.url(&name), drop, server })
            }
        };
        Ok(Self { folder, postgres })
    }

    /// The folder of all of it.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The host's data folder.
    pub fn data(&self) -> PathBuf {
        self.folder().join("data")
    }

    fn file(&self) -> PathBuf {
        self.data().join("shopwright.db")
    }

    /// The database's URL.
    pub fn url(&self) -> String {
        self.postgres.as_ref().map_or_else(|| format!("sqlite://{}", self.file().display()), |own| own.url.clone())
    }

    /// Which database it is.
    pub fn kind(&self) -> Kind {
        if self.postgres.is_some() { Kind::Postgres } else { Kind::Sqlite }
    }

    /// Removes it.
    pub async fn remove(self) -> Result<(), BenchError> {
        if let Some(own) = self.postgres {
            let mut connection = sqlx::PgConnection::connect(&own.drop.0).await?;
            sqlx::raw_sql(AssertSqlSafe(own.drop.1)).execute(&mut connection).await?;
            connection.close().await?;
        }
        let shown = self.folder.path().to_owned();
        self.folder.close().map_err(at(&shown))
    }

    /// Processor time of the database's server, if it is our own.
    pub fn server_time(&self) -> Option<Duration> {
        self.postgres.as_ref().and_then(|own| own.server).map(process::tree)
    }

    /// How much the database's server has written into its log; none for SQLite.
    pub async fn server_log(&self) -> Result<Option<u64>, BenchError> {
        if self.postgres.is_none() {
            return Ok(None);
        }
        let position = self.number("SELECT (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::bigint").await?;
        Ok(Some(position.unsigned_abs()))
    }

    /// Bytes on disk. SQLite: while no host runs, so that the write-ahead log is in the file.
    pub async fn size(&self) -> Result<u64, BenchError> {
        if self.postgres.is_some() {
            return Ok(self.number("SELECT pg_database_size(current_database())").await?.unsigned_abs());
        }
        let mut size = 0;
        for name in ["shopwright.db", "shopwright.db-wal"] {
            size += fs::metadata(self.data().join(name)).map_or(0, |meta| meta.len());
        }
        Ok(size)
    }

    /// One number, by SQL that both databases understand; 0 for null.
    pub async fn number(&self, sql: &'static str) -> Result<i64, BenchError> {
        let number: Option<i64> = match &self.postgres {
            Some(own) => {
                let mut connection = sqlx::PgConnection::connect(&own.url).await?;
                sqlx::query_scalar(sql).fetch_one(&mut connection).await?
            }
            None => {
                let options = sqlx::sqlite::SqliteConnectOptions::new().filename(self.file());
                let mut connection = sqlx::SqliteConnection::connect_with(&options).await?;
                sqlx::query_scalar(sql).fetch_one(&mut connection).await?
            }
        };
        Ok(number.unwrap_or_default())
    }

    /// What is wrong if `accepted` carts were sent: each must have one run, done, with one action
    /// and one message.
    pub async fn faults(&self, accepted: u64) -> Result<Vec<String>, BenchError> {
        const CHECKS: [(&str, &str); 7] = [
            ("events", "SELECT count(*) FROM events WHERE source = '/bench' AND kind = 'cart.updated'"),
            ("runs", "SELECT count(*) FROM runs WHERE workflow = 'react'"),
            ("runs done", "SELECT count(*) FROM runs WHERE workflow = 'react' AND state = 'done'"),
            ("events with a run", "SELECT count(DISTINCT event_seq) FROM runs WHERE workflow = 'react'"),
            ("actions done", "SELECT count(*) FROM effects WHERE state = 'done'"),
            ("messages", "SELECT count(*) FROM messages"),
            ("runs with a message", "SELECT count(DISTINCT run) FROM messages"),
        ];
        let mut faults = Vec::new();
        for (what, sql) in CHECKS {
            let found = self.number(sql).await?;
            if found.unsigned_abs() != accepted {
                faults.push(format!("{}: {accepted} events were accepted, but there are {found} {what}", self.kind()));
            }
        }
        Ok(faults)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_is_named_on_the_server_that_was_given() {
        for (given, wanted) in [
            ("postgres://u:p@h:5432/old?sslmode=disable", "postgres://u:p@h:5432/new?sslmode=disable"),
            ("postgres://u@h", "postgres://u@h/new"),
            ("postgres://u@localhost/x?host=/run/pg", "postgres://u@localhost/new?host=/run/pg"),
        ] {
            assert_eq!(Cluster::at(given).url("new"), wanted);
        }
    }
}
