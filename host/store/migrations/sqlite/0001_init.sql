-- Every row carries its shop. Times are milliseconds since the Unix epoch, UTC. Booleans are 0 and 1.
-- `migrations/postgres` holds the same tables: there INTEGER PRIMARY KEY is BIGINT (here it makes the column the
-- table's own key, without an index beside it), BLOB is BYTEA, nothing is WITHOUT ROWID, and text sorts by its bytes.
-- Indexes begin with what tells rows apart best, so that no query fits two of them equally well: PostgreSQL, without
-- statistics yet, would take either.
-- WITHOUT ROWID only where rows are short: from about 1,000 bytes such a row takes a page of its own.

CREATE TABLE shops (
    id TEXT PRIMARY KEY, name TEXT NOT NULL, currency TEXT NOT NULL, time_zone TEXT NOT NULL,
    settings TEXT NOT NULL DEFAULT '{}', created_at BIGINT NOT NULL
);

CREATE TABLE tokens (
    id TEXT PRIMARY KEY, shop TEXT NOT NULL, name TEXT NOT NULL, role TEXT NOT NULL, hash TEXT NOT NULL UNIQUE,
    created_at BIGINT NOT NULL, last_used_at BIGINT, expires_at BIGINT, revoked_at BIGINT
);
CREATE INDEX tokens_by_shop ON tokens (shop, id);

CREATE TABLE guardrails (
    shop TEXT NOT NULL, id TEXT NOT NULL, rule TEXT NOT NULL, updated_at BIGINT NOT NULL, PRIMARY KEY (shop, id)
);

-- What plugins use and never see. `value` is sealed; what it is bound to is sealed with it.
CREATE TABLE secrets (
    shop TEXT NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL, hosts TEXT NOT NULL, installations TEXT NOT NULL,
    created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL, PRIMARY KEY (shop, name)
);

-- What happened. `seq` is the order of acceptance, without gaps in visibility: a reader that has seen n has seen all below.
CREATE TABLE events (
    seq INTEGER PRIMARY KEY, shop TEXT NOT NULL, source TEXT NOT NULL, id TEXT NOT NULL, kind TEXT NOT NULL,
    at BIGINT NOT NULL, received_at BIGINT NOT NULL, concerns TEXT NOT NULL, data TEXT NOT NULL,
    run BIGINT, root BIGINT NOT NULL, depth BIGINT NOT NULL
);
CREATE UNIQUE INDEX events_once ON events (shop, source, id);
-- Which events concern an entity; every event concerns `*` as well, so that "any event of this kind" is the same question.
CREATE TABLE event_concerns (
    shop TEXT NOT NULL, entity TEXT NOT NULL, kind TEXT NOT NULL, seq BIGINT NOT NULL, PRIMARY KEY (shop, entity, kind, seq)
) WITHOUT ROWID;

-- The shop's model: documents of wit/'s records with the terms they are looked up by.
CREATE TABLE entities (
    shop TEXT NOT NULL, kind TEXT NOT NULL, id TEXT NOT NULL, doc TEXT NOT NULL, owner TEXT, alt TEXT,
    sort BIGINT NOT NULL, since BIGINT NOT NULL, version BIGINT NOT NULL, PRIMARY KEY (shop, kind, id)
);
CREATE INDEX entities_owned ON entities (owner, shop, kind, sort) WHERE owner IS NOT NULL;
CREATE INDEX entities_alt ON entities (alt, shop, kind) WHERE alt IS NOT NULL;
-- What documents were before: valid from `since` until `till`. For "as of". `n` rises with every row.
CREATE TABLE entities_past (
    n INTEGER PRIMARY KEY, shop TEXT NOT NULL, kind TEXT NOT NULL, id TEXT NOT NULL, version BIGINT NOT NULL, since BIGINT NOT NULL,
    till BIGINT NOT NULL, owner TEXT, doc TEXT NOT NULL
);
CREATE INDEX entities_past_of ON entities_past (id, shop, kind, since);
-- Which product a variant is of.
CREATE TABLE variants (shop TEXT NOT NULL, variant TEXT NOT NULL, product TEXT NOT NULL, PRIMARY KEY (shop, variant)) WITHOUT ROWID;
CREATE INDEX variants_of ON variants (product, shop);
-- Units per order and variant, for velocity; kept in step with the orders.
CREATE TABLE sales (
    shop TEXT NOT NULL, variant TEXT NOT NULL, at BIGINT NOT NULL, order_id TEXT NOT NULL, units BIGINT NOT NULL,
    PRIMARY KEY (shop, variant, at, order_id)
) WITHOUT ROWID;
CREATE INDEX sales_of_order ON sales (order_id, shop);
CREATE TABLE price_changes (
    id INTEGER PRIMARY KEY, shop TEXT NOT NULL, variant TEXT NOT NULL, at BIGINT NOT NULL, before_amount BIGINT NOT NULL,
    after_amount BIGINT NOT NULL, currency TEXT NOT NULL, reason TEXT NOT NULL, by_whom TEXT NOT NULL
);
CREATE INDEX price_changes_of ON price_changes (shop, variant, at, id);

-- Plugins. The bytes are content-addressed; what a shop sees of them is its versions.
CREATE TABLE components (digest TEXT PRIMARY KEY, bytes BLOB NOT NULL, created_at BIGINT NOT NULL);
CREATE TABLE versions (
    shop TEXT NOT NULL, plugin TEXT NOT NULL, version TEXT NOT NULL, digest TEXT NOT NULL, manifest TEXT NOT NULL,
    imports TEXT NOT NULL, source TEXT NOT NULL, created_at BIGINT NOT NULL, PRIMARY KEY (shop, plugin, version)
);
CREATE TABLE installations (
    shop TEXT NOT NULL, id TEXT NOT NULL, plugin TEXT NOT NULL, version TEXT NOT NULL, digest TEXT NOT NULL,
    settings TEXT NOT NULL, grants TEXT NOT NULL, mode TEXT NOT NULL, beside TEXT, rollout TEXT NOT NULL, limits TEXT NOT NULL,
    created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL, removed_at BIGINT, PRIMARY KEY (shop, id)
);

-- Runs. `kept`: whether journal and log are still there. `state`: active (queued or executing), blocked (in line behind another of its key), waiting, done, failed, cancelled.
CREATE TABLE runs (
    id INTEGER PRIMARY KEY, shop TEXT NOT NULL, installation TEXT NOT NULL, workflow TEXT NOT NULL, digest TEXT NOT NULL,
    settings TEXT NOT NULL, mode TEXT NOT NULL, state TEXT NOT NULL, key TEXT, trigger_kind TEXT NOT NULL, event_seq BIGINT,
    input TEXT, attempt BIGINT NOT NULL, fence BIGINT NOT NULL, node BIGINT, due_at BIGINT, wait TEXT, cursor BIGINT NOT NULL,
    created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL, ended_at BIGINT, outcome TEXT, error_code TEXT, error TEXT,
    chunks BIGINT NOT NULL, entries BIGINT NOT NULL, effects BIGINT NOT NULL, root BIGINT NOT NULL, depth BIGINT NOT NULL,
    parent BIGINT, kept BIGINT NOT NULL DEFAULT 1
);
CREATE INDEX runs_of_shop ON runs (shop, id);
CREATE INDEX runs_due ON runs (due_at) WHERE state = 'waiting' AND due_at IS NOT NULL;
CREATE INDEX runs_active ON runs (node, shop, installation, id) WHERE state = 'active';
CREATE INDEX runs_of_key ON runs (key, shop, installation, workflow) WHERE key IS NOT NULL AND state IN ('active', 'blocked', 'waiting');
CREATE INDEX runs_ended ON runs (ended_at) WHERE ended_at IS NOT NULL AND kept = 1;
CREATE TABLE waits (
    shop TEXT NOT NULL, entity TEXT NOT NULL, kind TEXT NOT NULL, run BIGINT NOT NULL, PRIMARY KEY (shop, entity, kind, run)
) WITHOUT ROWID;
CREATE INDEX waits_of_run ON waits (run);
CREATE TABLE journal (run BIGINT NOT NULL, chunk BIGINT NOT NULL, shop TEXT NOT NULL, bytes BLOB NOT NULL, PRIMARY KEY (run, chunk));
CREATE TABLE run_logs (n INTEGER PRIMARY KEY, run BIGINT NOT NULL, shop TEXT NOT NULL, bytes BLOB NOT NULL);
CREATE INDEX run_logs_of ON run_logs (run, n);
-- At most once: `start` by key, schedules by time.
CREATE TABLE once (shop TEXT NOT NULL, name TEXT NOT NULL, run BIGINT NOT NULL, at BIGINT NOT NULL, PRIMARY KEY (shop, name)) WITHOUT ROWID;
CREATE INDEX once_at ON once (at);

-- The ledger: what was asked for and what came of it. `state`: intended, sent, done, failed, unknown, denied, recorded (shadow).
CREATE TABLE effects (
    id TEXT NOT NULL, shop TEXT NOT NULL, run BIGINT NOT NULL, position BIGINT NOT NULL, installation TEXT NOT NULL,
    action TEXT NOT NULL, subject TEXT NOT NULL, request TEXT NOT NULL, state TEXT NOT NULL, connector TEXT NOT NULL,
    answer TEXT, attempts BIGINT NOT NULL, next_at BIGINT, error TEXT, tag TEXT NOT NULL,
    created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL, PRIMARY KEY (run, position)
);
CREATE INDEX effects_counted ON effects (subject, shop, created_at);
CREATE INDEX effects_of_action ON effects (action, shop, created_at);
CREATE INDEX effects_pending ON effects (next_at) WHERE state IN ('intended', 'sent');
CREATE TABLE messages (
    id TEXT NOT NULL, shop TEXT NOT NULL, channel TEXT NOT NULL, recipient TEXT NOT NULL, customer TEXT, subject TEXT NOT NULL,
    text TEXT NOT NULL, html TEXT, at BIGINT NOT NULL, run BIGINT, seq BIGINT NOT NULL, PRIMARY KEY (shop, seq, id)
);
CREATE TABLE memory (
    shop TEXT NOT NULL, installation TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (shop, installation, key)
) WITHOUT ROWID;
-- Versions of what a run decided on (a counter a guardrail judged by, a memory key it incremented): a flush that
-- carries a version that is no longer the latest is refused and the run decides anew.
CREATE TABLE facts (shop TEXT NOT NULL, key TEXT NOT NULL, version BIGINT NOT NULL, PRIMARY KEY (shop, key)) WITHOUT ROWID;
CREATE TABLE approvals (
    id TEXT NOT NULL, shop TEXT NOT NULL, run BIGINT NOT NULL, position BIGINT NOT NULL, title TEXT NOT NULL, details TEXT NOT NULL,
    choices TEXT NOT NULL, state TEXT NOT NULL, asked TEXT, escalate_to TEXT, deadline_at BIGINT NOT NULL, created_at BIGINT NOT NULL,
    choice TEXT, answered_by TEXT, answered_at BIGINT, PRIMARY KEY (id)
);
CREATE INDEX approvals_of_shop ON approvals (shop, state, created_at);
CREATE INDEX approvals_of_run ON approvals (run);
CREATE INDEX approvals_due ON approvals (deadline_at) WHERE state IN ('open', 'escalated');
CREATE TABLE schedules (
    shop TEXT NOT NULL, installation TEXT NOT NULL, workflow TEXT NOT NULL, n BIGINT NOT NULL, cron TEXT NOT NULL,
    next_at BIGINT, last_at BIGINT, PRIMARY KEY (shop, installation, workflow, n)
);
CREATE INDEX schedules_due ON schedules (next_at) WHERE next_at IS NOT NULL;
CREATE TABLE deliveries (shop TEXT NOT NULL, key TEXT NOT NULL, at BIGINT NOT NULL, PRIMARY KEY (shop, key)) WITHOUT ROWID;
CREATE INDEX deliveries_at ON deliveries (at);
CREATE TABLE imports (shop TEXT NOT NULL, id TEXT NOT NULL, lines BIGINT NOT NULL, ok BIGINT NOT NULL, failed BIGINT NOT NULL,
    errors TEXT NOT NULL, done BIGINT NOT NULL, updated_at BIGINT NOT NULL, PRIMARY KEY (shop, id));
-- Backtests: what was asked for, how far it is, what came of it. `state`: queued, running, done, failed, cancelled.
CREATE TABLE backtests (
    id TEXT PRIMARY KEY, shop TEXT NOT NULL, installation TEXT, request TEXT NOT NULL, state TEXT NOT NULL, progress TEXT NOT NULL,
    report TEXT, error TEXT, by_whom TEXT NOT NULL, created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL, ended_at BIGINT
);
CREATE INDEX backtests_of_shop ON backtests (shop, id);
-- The pairs that a backtest found different, in their order.
CREATE TABLE backtest_pairs (
    backtest TEXT NOT NULL, n BIGINT NOT NULL, shop TEXT NOT NULL, pair TEXT NOT NULL, PRIMARY KEY (backtest, n)
);
-- Whom a shop trusts to publish what: keys and namespaces are JSON lists.
CREATE TABLE publishers (
    shop TEXT NOT NULL, name TEXT NOT NULL, keys TEXT NOT NULL, namespaces TEXT NOT NULL, created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL, PRIMARY KEY (shop, name)
);
-- Where a shop (empty: every shop of the host) looks for plugins, with the newest copy whose signature was verified.
CREATE TABLE catalogues (
    shop TEXT NOT NULL, name TEXT NOT NULL, reference TEXT NOT NULL, key TEXT, publisher TEXT NOT NULL, revision BIGINT NOT NULL,
    digest TEXT NOT NULL, document TEXT NOT NULL, fetched_at BIGINT NOT NULL, tried_at BIGINT NOT NULL, error TEXT,
    created_at BIGINT NOT NULL, PRIMARY KEY (shop, name)
);
-- What was pulled, pinned: a registry that says something else later is caught.
CREATE TABLE locks (
    shop TEXT NOT NULL, publisher TEXT NOT NULL, plugin TEXT NOT NULL, version TEXT NOT NULL, reference TEXT NOT NULL,
    component TEXT NOT NULL, signed_by TEXT, signed_with TEXT, created_at BIGINT NOT NULL,
    PRIMARY KEY (shop, publisher, plugin, version)
);
-- Every change by a person, token or upgrade; append-only, each row's hash covers the one before it.
CREATE TABLE audit (
    n INTEGER PRIMARY KEY, shop TEXT NOT NULL, at BIGINT NOT NULL, who TEXT NOT NULL, what TEXT NOT NULL, subject TEXT NOT NULL,
    before TEXT, after TEXT, origin TEXT NOT NULL, previous TEXT NOT NULL, hash TEXT NOT NULL
);
CREATE INDEX audit_of_shop ON audit (shop, n);
-- The newest row of the audit, so that rows taken from its end are missed.
CREATE TABLE audit_head (one BIGINT PRIMARY KEY, n BIGINT NOT NULL, hash TEXT NOT NULL);
-- Who is there. `session` is the process that holds the number now.
CREATE TABLE nodes (node INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, session TEXT NOT NULL, lease_until BIGINT NOT NULL);
