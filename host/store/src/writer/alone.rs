//! Operations that are not decided in memory: claims, administration, the audit. Each is a few
//! statements of its own, over what the batch has written before.

use super::{Answer, Op};
use crate::{
    admin, blob,
    error::Result,
    ops::{Reopen, RunRow},
    read::runs::{RUNS_BY_ID, run_row},
    sql::{Connection, Row, Rows, Statement, Ty, args},
};

pub(super) async fn run(c: &mut Connection, op: &Op, node: i64, wrote: &mut bool) -> Result<Answer> {
    Ok(match op {
        Op::Wake { runs, now } => {
            let rows = c
                .query_rows(
                    "SELECT r.id FROM {v} CROSS JOIN runs r WHERE r.id = v.column1 AND r.state = 'waiting' ORDER BY r.id",
                    args![],
                    Rows::ints(runs.iter().map(|run| run.0)),
                )
                .await?;
            Answer::Runs(take(c, &rows, node, Some(*now), wrote).await?)
        }
        Op::ClaimDue { now, limit } => {
            let rows = c
                .query(
                    "SELECT id FROM runs WHERE state = 'waiting' AND due_at IS NOT NULL AND due_at <= ? \
                     ORDER BY due_at, id LIMIT ?",
                    args![*now, *limit],
                )
                .await?;
            Answer::Runs(take(c, &rows, node, Some(*now), wrote).await?)
        }
        Op::ClaimActive { limit, per_installation, except } => {
            // Fair: the n-th of every installation before the n+1st of any.
            let rows = if except.is_empty() {
                c.query(
                    "SELECT id FROM (SELECT id, row_number() OVER (PARTITION BY shop, installation ORDER BY id) AS n \
                     FROM runs WHERE state = 'active' AND node IS NULL) AS queued WHERE n <= ? ORDER BY n, id LIMIT ?",
                    args![*per_installation, *limit],
                )
                .await?
            } else {
                let mut full = Rows::new(&[Ty::Text, Ty::Text]);
                for (shop, installation) in except {
                    full.push([shop.into(), installation.into()]);
                }
                c.query_rows(
                    "SELECT id FROM (SELECT id, row_number() OVER (PARTITION BY shop, installation ORDER BY id) AS n \
                     FROM runs WHERE state = 'active' AND node IS NULL \
                     AND (shop, installation) NOT IN (SELECT column1, column2 FROM {v})) AS queued \
                     WHERE n <= ? ORDER BY n, id LIMIT ?",
                    args![*per_installation, *limit],
                    full,
                )
                .await?
            };
            Answer::Runs(take(c, &rows, node, None, wrote).await?)
        }
        Op::Reopen(reopen) => Answer::Cancelled(reopen_run(c, reopen, wrote).await?),
        Op::Recover => {
            let rows = c
                .query("UPDATE runs SET node = NULL WHERE state = 'active' AND node = ? RETURNING id", args![node])
                .await?;
            *wrote |= !rows.is_empty();
            Answer::Number(i64::try_from(rows.len()).unwrap_or(i64::MAX))
        }
        Op::Sql(statements) => {
            let mut all = Vec::with_capacity(statements.len());
            for statement in statements {
                all.push(c.fetch(statement).await?);
            }
            *wrote |= !statements.is_empty();
            Answer::Rows(all)
        }
        Op::Audit(entry) => {
            *wrote = true;
            Answer::Number(admin::append(c, entry).await?)
        }
        Op::Import(batch) => {
            *wrote = true;
            Answer::Import(Box::new(admin::advance(c, batch).await?))
        }
        // Decided in memory: `World::decide` has answered it.
        Op::Accept(_) | Op::Flush(_) | Op::Start(_) | Op::Cancel { .. } | Op::Effects(_) | Op::Close => Answer::Done,
    })
}

async fn reopen_run(c: &mut Connection, reopen: &Reopen, wrote: &mut bool) -> Result<bool> {
    let Reopen { run, shop, fence, chunks, digest, settings, journal, exclusive, now } = reopen;
    let found = c
        .query(
            "UPDATE runs SET state = CASE WHEN state = 'blocked' THEN 'blocked' ELSE 'active' END, fence = fence + 1, \
             node = NULL, digest = ?, settings = ?, attempt = 1, due_at = NULL, ended_at = NULL, outcome = NULL, \
             error_code = NULL, error = NULL, updated_at = ? \
             WHERE id = ? AND shop = ? AND fence = ? AND chunks = ? AND kept = 1 \
             AND state IN ('failed', 'waiting', 'active', 'blocked') \
             AND (? = 0 OR key IS NULL OR NOT EXISTS (SELECT 1 FROM runs o WHERE o.key = runs.key AND o.shop = runs.shop \
                  AND o.installation = runs.installation AND o.workflow = runs.workflow AND o.id <> runs.id \
                  AND o.state IN ('active', 'blocked', 'waiting'))) RETURNING id",
            args![digest, settings, *now, *run, shop, *fence, *chunks, *exclusive],
        )
        .await?;
    if found.is_empty() {
        return Ok(false);
    }
    *wrote = true;
    c.execute(&Statement::new("DELETE FROM waits WHERE run = ?", args![*run])).await?;
    if let Some((bytes, entries)) = journal {
        c.execute(&Statement::new("DELETE FROM journal WHERE run = ?", args![*run])).await?;
        let chunk = args![*run, shop, blob::pack(bytes)];
        c.execute(&Statement::new("INSERT INTO journal (run, chunk, shop, bytes) VALUES (?, 0, ?, ?)", chunk)).await?;
        let counts = args![*entries, *run];
        c.execute(&Statement::new("UPDATE runs SET chunks = 1, entries = ? WHERE id = ?", counts)).await?;
    }
    Ok(true)
}

/// Makes runs active and this node's, with new fences, and removes their waits.
async fn take(c: &mut Connection, found: &[Row], node: i64, now: Option<i64>, wrote: &mut bool) -> Result<Vec<RunRow>> {
    if found.is_empty() {
        return Ok(Vec::new());
    }
    *wrote = true;
    let ids: Vec<i64> = found.iter().map(|row| row.int(0)).collect::<Result<_>>()?;
    let mut set = Rows::new(&[Ty::Int, Ty::Int, Ty::Int]);
    for id in &ids {
        set.push([(*id).into(), node.into(), now.into()]);
    }
    c.execute_rows(
        "UPDATE runs SET state = 'active', fence = runs.fence + 1, node = v.column2, due_at = NULL, \
         updated_at = coalesce(v.column3, runs.updated_at) FROM {v} WHERE runs.id = v.column1",
        args![],
        set,
    )
    .await?;
    c.execute_rows(
        "DELETE FROM waits WHERE run IN (SELECT column1 FROM {v})",
        args![],
        Rows::ints(ids.iter().copied()),
    )
    .await?;
    let rows = c.query_rows(RUNS_BY_ID, args![], Rows::ints(ids.iter().copied())).await?;
    let mut rows = rows.iter().map(run_row).collect::<Result<Vec<_>>>()?;
    // In the order in which they were found: the longest due, or the fair order.
    let place: std::collections::HashMap<i64, usize> = ids.iter().enumerate().map(|(n, id)| (*id, n)).collect();
    rows.sort_by_key(|row| place.get(&row.id.0).copied());
    Ok(rows)
}
