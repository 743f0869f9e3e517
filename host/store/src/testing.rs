//! A private PostgreSQL cluster for tests: started on first use, one for a test process, a database for each
//! test. It listens on a Unix socket in a temporary folder only, keeps fsync on, and goes with the
//! process, also when that is killed.

use std::{
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

use sqlx::{AssertSqlSafe, Connection as _};

/// The user that the server runs as when the tests run as root, which PostgreSQL refuses to.
const UNPRIVILEGED: &str = "nobody";

/// A PostgreSQL server of our own.
#[derive(Debug)]
pub struct Cluster {
    folder: PathBuf,
    as_root: bool,
    /// Its standard input is a pipe that ends with this process: then the server is stopped and the
    /// folder removed.
    _keeper: Child,
}

static DATABASES: AtomicU64 = AtomicU64::new(0);

/// A fresh, empty database on the process's cluster. None, with a line that says so: there is no
/// PostgreSQL on the PATH.
///
/// # Panics
/// If there is none and `SHOPWRIGHT_REQUIRE_ALL` is `1`, or the server does not start.
pub async fn postgres_url() -> Option<String> {
    static CLUSTER: OnceLock<Option<Cluster>> = OnceLock::new();
    let cluster = CLUSTER.get_or_init(Cluster::start).as_ref()?;
    Some(cluster.database().await)
}

impl Cluster {
    /// Starts a server. None, with a line that says so: there is no PostgreSQL on the PATH.
    ///
    /// # Panics
    /// As [`postgres_url`].
    #[must_use]
    pub fn start() -> Option<Self> {
        let there =
            |program| Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        if !["initdb", "pg_ctl", "postgres"]
            .into_iter()
            .all(|program| there(program).is_ok_and(|status| status.success()))
        {
            let required = std::env::var("SHOPWRIGHT_REQUIRE_ALL").is_ok_and(|value| value == "1");
            assert!(!required, "initdb, pg_ctl and postgres must be on the PATH: SHOPWRIGHT_REQUIRE_ALL is 1");
            eprintln!("skipped: no PostgreSQL on the PATH (initdb, pg_ctl, postgres)");
            return None;
        }
        let folder = tempfile::Builder::new().prefix("shopwright-pg-").tempdir().expect("a temporary folder").keep();
        let as_root = run(Command::new("id").arg("-u")).trim() == "0";
        if as_root {
            run(Command::new("chown").arg(UNPRIVILEGED).arg(&folder));
        }
        let script = format!(
            "initdb -D data -U shopwright -A trust -E UTF8 --no-locale --no-sync >log 2>&1 && {} && echo ready; \
             cat >/dev/null; {}; cd / && rm -rf {}",
            start_command(&folder),
            STOP,
            folder.display()
        );
        let mut keeper = shell(as_root, &folder, &script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("a shell starts");
        let mut line = String::new();
        let output = keeper.stdout.take().expect("its output is a pipe");
        BufReader::new(output).read_line(&mut line).expect("its output can be read");
        assert_eq!(
            line.trim(),
            "ready",
            "the PostgreSQL server did not start: {}",
            std::fs::read_to_string(folder.join("log")).unwrap_or_default()
        );
        Some(Self { folder, as_root, _keeper: keeper })
    }

    fn url(&self, database: &str) -> String {
        format!("postgres://shopwright@localhost/{database}?host={}", self.folder.display())
    }

    /// A fresh, empty database; its URL.
    ///
    /// # Panics
    /// If the server does not answer.
    pub async fn database(&self) -> String {
        let name = format!("test{}", DATABASES.fetch_add(1, Ordering::Relaxed));
        let mut connection = sqlx::PgConnection::connect(&self.url("postgres")).await.expect("the server answers");
        let sql = AssertSqlSafe(format!("CREATE DATABASE {name}"));
        sqlx::raw_sql(sql).execute(&mut connection).await.expect("a database is made");
        connection.close().await.expect("the connection ends");
        self.url(&name)
    }

    /// Stops the server at once, as a power failure does.
    ///
    /// # Panics
    /// If it cannot be stopped.
    pub fn stop_server(&self) {
        run(&mut shell(self.as_root, &self.folder, STOP));
    }

    /// Starts the server again.
    ///
    /// # Panics
    /// If it does not start.
    pub fn start_server(&self) {
        run(&mut shell(self.as_root, &self.folder, &start_command(&self.folder)));
    }
}

const STOP: &str = "pg_ctl -D data -m immediate stop >>log 2>&1";

fn start_command(folder: &Path) -> String {
    format!(
        "pg_ctl -D data -l server.log -w -o \"-k {} -c listen_addresses='' -c max_connections=300\" start >>log 2>&1",
        folder.display()
    )
}

fn shell(as_root: bool, folder: &Path, script: &str) -> Command {
    let mut command = if as_root {
        let mut command = Command::new("runuser");
        command.args(["-u", UNPRIVILEGED, "--", "sh"]);
        command
    } else {
        Command::new("sh")
    };
    command.arg("-c").arg(script).current_dir(folder);
    command
}

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Runs a statement as it is, behind the store's back: for tests that damage something.
///
/// # Errors
/// What the database says.
pub async fn execute(store: &crate::Store, sql: &'static str) -> crate::Result<()> {
    store.write(vec![crate::sql::Statement::new(sql, Vec::new())]).await.map(drop)
}

/// Every table's rows as text, sorted, without what differs by nature (numbers that the database
/// gives, nodes): equal for two stores that hold the same.
///
/// # Errors
/// What the database says.
pub async fn contents(store: &crate::Store) -> crate::Result<Vec<(String, Vec<String>)>> {
    let schema = include_str!("../migrations/sqlite/0001_init.sql");
    let mut all = Vec::new();
    for table in schema.split("CREATE TABLE ").skip(1) {
        let (name, rest) = table.split_once(" (").unwrap_or_default();
        if name == "nodes" {
            continue;
        }
        let body = rest.split(";\n").next().unwrap_or_default();
        let body = body.split("PRIMARY KEY (").next().unwrap_or_default();
        let mut columns = Vec::new();
        for column in body.split(',').map(str::trim).filter(|column| !column.is_empty() && !column.starts_with(')')) {
            let mut words = column.split_whitespace();
            let (Some(column), Some(ty)) = (words.next(), words.next()) else { continue };
            match (ty, column) {
                ("INTEGER", "n") if name != "audit" => {}
                ("BLOB", _) => columns.push(format!("CAST(length({column}) AS TEXT)")),
                _ => columns.push(format!("coalesce(CAST({column} AS TEXT), '-')")),
            }
        }
        let sql = format!("SELECT {} FROM {name}", columns.join(" || ' | ' || "));
        let rows = store.fetch(crate::sql::Statement::new(sql, Vec::new())).await?;
        let mut rows = rows.iter().map(|row| row.text(0)).collect::<crate::Result<Vec<_>>>()?;
        rows.sort();
        all.push((name.to_owned(), rows));
    }
    Ok(all)
}
