//! One text per query for SQLite and PostgreSQL.
//!
//! A query is a template: `?` stands for the next argument, `{v}` for a set of rows whose columns are
//! `column1`, `column2`, … The rest is the SQL that both understand (`RETURNING`, `ON CONFLICT`,
//! `UPDATE … FROM`, `WITH RECURSIVE`, window functions). [`render`] is the only place where the two
//! differ, and says why.

mod connection;

use std::{borrow::Cow, collections::HashMap, fmt::Write as _, sync::Arc};

use parking_lot::Mutex;
use sqlx::{AssertSqlSafe, SqlSafeStr as _};

pub(crate) use connection::{Connection, Pool, Row, postgres_options, sqlite_options};

/// Which database it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Backend {
    /// A file (or memory) within this process, which is its only writer.
    Sqlite,
    /// A server that many nodes share.
    Postgres,
}

/// An argument. What it refers to is copied once, when it is handed to the database's driver.
#[derive(Debug, Clone)]
pub(crate) enum Arg<'a> {
    Int(Option<i64>),
    Text(Option<Cow<'a, str>>),
    /// Text that many rows share.
    Shared(Arc<str>),
    Bytes(Cow<'a, [u8]>),
}

impl Arg<'_> {
    fn into_owned(self) -> Arg<'static> {
        match self {
            Self::Int(value) => Arg::Int(value),
            Self::Text(value) => Arg::Text(value.map(|text| Cow::Owned(text.into_owned()))),
            Self::Shared(value) => Arg::Shared(value),
            Self::Bytes(value) => Arg::Bytes(Cow::Owned(value.into_owned())),
        }
    }
}

/// The type of a column of `{v}`; the database must know it before it sees a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Ty {
    Int,
    Text,
    Bytes,
}

macro_rules! arg_from {
    ($($from:ty, $value:ident => $to:expr;)*) => { $(
        impl<'a> From<$from> for Arg<'a> {
            fn from($value: $from) -> Self {
                $to
            }
        }
    )* };
}

arg_from! {
    i64, v => Self::Int(Some(v));
    Option<i64>, v => Self::Int(v);
    u32, v => Self::Int(Some(v.into()));
    bool, v => Self::Int(Some(v.into()));
    &'a str, v => Self::Text(Some(Cow::Borrowed(v)));
    String, v => Self::Text(Some(Cow::Owned(v)));
    &'a String, v => Self::Text(Some(Cow::Borrowed(v)));
    Option<String>, v => Self::Text(v.map(Cow::Owned));
    &'a Option<String>, v => Self::Text(v.as_deref().map(Cow::Borrowed));
    Option<&'a str>, v => Self::Text(v.map(Cow::Borrowed));
    &Arc<str>, v => Self::Shared(Arc::clone(v));
    Vec<u8>, v => Self::Bytes(Cow::Owned(v));
    shopwright_model::RunId, v => Self::Int(Some(v.0));
    Option<shopwright_model::RunId>, v => Self::Int(v.map(|run| run.0));
}

/// The rows of a `{v}`. The first column is never null.
#[derive(Debug, Clone)]
pub(crate) struct Rows<'a> {
    pub(crate) types: &'static [Ty],
    pub(crate) args: Vec<Arg<'a>>,
}

impl<'a> Rows<'a> {
    pub(crate) fn new(types: &'static [Ty]) -> Self {
        Self { types, args: Vec::new() }
    }

    pub(crate) fn push<const N: usize>(&mut self, row: [Arg<'a>; N]) {
        debug_assert_eq!(N, self.types.len());
        self.args.extend(row);
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.args.is_empty()
    }

    /// A set of one column of numbers.
    pub(crate) fn ints(values: impl IntoIterator<Item = i64>) -> Self {
        Self { types: &[Ty::Int], args: values.into_iter().map(Arg::from).collect() }
    }
}

/// A query with its arguments.
#[derive(Debug, Clone)]
pub(crate) struct Statement<'a> {
    pub(crate) template: Cow<'static, str>,
    pub(crate) args: Vec<Arg<'a>>,
    pub(crate) rows: Option<Rows<'a>>,
}

impl<'a> Statement<'a> {
    pub(crate) fn new(template: impl Into<Cow<'static, str>>, args: Vec<Arg<'a>>) -> Self {
        Self { template: template.into(), args, rows: None }
    }

    pub(crate) fn with_rows(template: &'static str, args: Vec<Arg<'a>>, rows: Rows<'a>) -> Self {
        Self { template: Cow::Borrowed(template), args, rows: Some(rows) }
    }

    /// As plain data that can wait for the writer.
    pub(crate) fn into_owned(self) -> Statement<'static> {
        let own = |args: Vec<Arg<'a>>| args.into_iter().map(Arg::into_owned).collect();
        Statement {
            template: self.template,
            args: own(self.args),
            rows: self.rows.map(|rows| Rows { types: rows.types, args: own(rows.args) }),
        }
    }
}

/// `vec![1.into(), "a".into()]` without the noise.
macro_rules! args {
    ($($arg:expr),* $(,)?) => { vec![$($crate::sql::Arg::from($arg)),*] };
}
pub(crate) use args;

/// How many rows a set is padded to on SQLite, so that the number of different texts stays small and
/// the cache of prepared statements hits.
const SIZES: [usize; 18] = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512];

/// The most rows of `width` columns that one statement takes: SQLite has 32,766 variables, and texts
/// beyond 512 rows cost more to keep prepared than they save.
pub(crate) fn most_rows(backend: Backend, width: usize) -> usize {
    match backend {
        Backend::Sqlite => SIZES.into_iter().rev().find(|n| n * width <= 32_766).unwrap_or(1),
        Backend::Postgres => 10_000,
    }
}

pub(crate) fn padded(backend: Backend, rows: usize) -> usize {
    match backend {
        Backend::Sqlite => SIZES.into_iter().find(|n| *n >= rows).unwrap_or(rows),
        // An array has any length.
        Backend::Postgres => 0,
    }
}

/// Writes a template in the database's own words.
///
/// - Arguments: SQLite looks names (`$1` is one) up in a list from its start, for each of the thousands
///   of arguments, at each execution; nameless `?` cost nothing. PostgreSQL knows only `$1`.
/// - Sets of rows: SQLite takes `VALUES` with an argument for each field, padded with rows of nulls to
///   one of a few sizes. PostgreSQL takes an array for each column: one text for every size.
pub(crate) fn render(backend: Backend, template: &str, types: &[Ty], rows: usize) -> String {
    let mut sql = String::with_capacity(template.len() + rows * (2 * types.len() + 2) + 32);
    let mut n = 0;
    let mut argument = |sql: &mut String| {
        n += 1;
        match backend {
            Backend::Sqlite => sql.push('?'),
            // Writing to a String does not fail.
            Backend::Postgres => {
                let _ = write!(sql, "${n}");
            }
        }
    };
    let template = match (backend, template.strip_prefix("INSERT INTO ")) {
        // So that a violated constraint may end the statement half-way, SQLite would keep a copy of
        // every page that a statement of many rows changes. Here the whole transaction ends then anyway.
        (Backend::Sqlite, Some(rest)) if rows > 0 && !rest.contains("ON CONFLICT") => {
            sql.push_str("INSERT OR ROLLBACK INTO ");
            rest
        }
        _ => template,
    };
    for (part_index, part) in template.split("{v}").enumerate() {
        if part_index > 0 {
            match backend {
                Backend::Sqlite => {
                    // Padding is filtered out here; the first column of a real row is never null.
                    sql.push_str("(SELECT * FROM (VALUES ");
                    for row in 0..rows {
                        sql.push_str(if row == 0 { "(" } else { ",(" });
                        for column in 0..types.len() {
                            if column > 0 {
                                sql.push(',');
                            }
                            argument(&mut sql);
                        }
                        sql.push(')');
                    }
                    sql.push_str(") WHERE column1 IS NOT NULL) AS v");
                }
                Backend::Postgres => {
                    sql.push_str("UNNEST(");
                    for (column, ty) in types.iter().enumerate() {
                        if column > 0 {
                            sql.push(',');
                        }
                        argument(&mut sql);
                        sql.push_str(match ty {
                            Ty::Int => "::bigint[]",
                            Ty::Text => "::text[]",
                            Ty::Bytes => "::bytea[]",
                        });
                    }
                    sql.push_str(") AS v(");
                    for column in 1..=types.len() {
                        let _ = write!(sql, "{}column{column}", if column > 1 { "," } else { "" });
                    }
                    sql.push(')');
                }
            }
        }
        for c in part.chars() {
            if c == '?' { argument(&mut sql) } else { sql.push(c) }
        }
    }
    sql
}

/// Rendered texts of the templates that are constants.
#[derive(Debug, Default)]
pub(crate) struct Texts(Mutex<HashMap<(usize, usize, usize), Arc<str>>>);

impl Texts {
    // The variant matters: a constant's address is its identity.
    #[allow(clippy::ptr_arg)]
    pub(crate) fn of(&self, backend: Backend, template: &Cow<'static, str>, types: &[Ty], rows: usize) -> sqlx::SqlStr {
        match template {
            Cow::Borrowed(text) => {
                // The address tells constants apart; equal constants that were merged are equal.
                let key = (text.as_ptr().addr(), text.len(), rows);
                let mut texts = self.0.lock();
                let sql = texts.entry(key).or_insert_with(|| render(backend, text, types, rows).into());
                AssertSqlSafe(Arc::clone(sql)).into_sql_str()
            }
            Cow::Owned(text) => AssertSqlSafe(render(backend, text, types, rows)).into_sql_str(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_template_two_texts() {
        let template = "INSERT INTO t (a, b) SELECT column1, column2 FROM {v} WHERE column2 > ?";
        let types = &[Ty::Int, Ty::Text];
        assert_eq!(
            render(Backend::Sqlite, template, types, 2),
            "INSERT OR ROLLBACK INTO t (a, b) SELECT column1, column2 FROM (SELECT * FROM (VALUES (?,?),(?,?)) WHERE column1 IS NOT NULL) AS v \
             WHERE column2 > ?"
        );
        assert_eq!(
            render(Backend::Postgres, template, types, 0),
            "INSERT INTO t (a, b) SELECT column1, column2 FROM UNNEST($1::bigint[],$2::text[]) AS v(column1,column2) WHERE column2 > $3"
        );
    }
}
