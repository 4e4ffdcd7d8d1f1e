-- The one system of record for state. Everything lives in the schema `aios`; Dagster's own tables are in `public`.
-- Correctness rests on the unique constraints here and on row locks, not on isolation levels.

create table landing_records (
    landing_id     bigint generated always as identity primary key,
    automation     text not null,
    source         text not null,
    object         text not null,              -- tickets | users | customers
    external_id    text not null,
    version        text not null,
    payload        json not null,              -- json, not jsonb: kept as it came, and half the cost to write
    correlation_id text not null,
    run_id         text,
    landed_at      timestamptz not null default now(),
    unique (automation, source, object, external_id, version)
);
create index landing_after on landing_records (automation, source, object, landing_id);

-- A cursor advances in the transaction that lands its page.
create table cursors (
    automation text not null,
    source     text not null,
    object     text not null,                  -- an object read from the source, or a stage reading from landing
    position   text not null,
    moved_at   timestamptz not null default now(),
    primary key (automation, source, object)
);

create table quarantine (
    quarantine_id  bigint generated always as identity primary key,
    automation     text not null,
    source         text not null,
    object         text not null,
    external_id    text not null default '',
    stage          text not null,              -- landing | canonical | checks | features | scoring
    code           text not null,
    message        text not null,
    payload        text not null,              -- text: what failed may not be JSON at all; NUL bytes are escaped
    payload_hash   text not null,
    correlation_id text not null,
    landing_id     bigint,
    created_at     timestamptz not null default now(),
    replayed_at    timestamptz,
    resolution     text,                       -- replayed | dropped
    unique (automation, source, object, external_id, stage, code, payload_hash)
);
create index quarantine_open on quarantine (automation, created_at) where replayed_at is null;

create table tickets (
    automation     text not null,
    source         text not null,
    ticket_id      text not null,
    version        text not null,
    correlation_id text not null,
    event_time     timestamptz not null,
    known_at       timestamptz not null,
    created_at     timestamptz not null,
    subject        text not null,
    body           text not null,
    status         text not null,
    priority       text,
    channel        text,
    language       text,
    queue          text,
    requester_id   text,
    customer_id    text,
    tags           text[] not null default '{}',
    custom         jsonb not null default '{}',
    content_hash   text not null,              -- of what a decision reads (subject, body): a new one asks for a new decision
    landing_id     bigint not null,
    primary key (automation, source, ticket_id, version)
);
create index tickets_by_day on tickets (automation, created_at);
create index tickets_after on tickets (automation, landing_id);

create table contacts (
    automation  text not null,
    source      text not null,
    contact_id  text not null,
    version     text not null,
    customer_id text,
    event_time  timestamptz not null,
    known_at    timestamptz not null,
    landing_id  bigint not null,
    primary key (automation, source, contact_id, version)
);

create table customers (
    automation     text not null,
    source         text not null,
    customer_id    text not null,
    version        text not null,
    correlation_id text not null,
    event_time     timestamptz not null,
    known_at       timestamptz not null,
    attributes     jsonb not null,
    landing_id     bigint not null,
    primary key (automation, source, customer_id, version)
);

-- What turned out to be right. The same ticket may have several: the latest known one counts, a reviewer's beats none.
create table outcomes (
    automation     text not null,
    source         text not null,
    ticket_id      text not null,
    queue          text not null,
    origin         text not null,              -- helpdesk | review
    actor          text not null,
    correlation_id text not null,
    event_time     timestamptz not null,
    known_at       timestamptz not null,
    primary key (automation, source, ticket_id, origin, event_time)
);
create index outcomes_known on outcomes (automation, known_at);

create table model_versions (
    name          text not null,
    version       integer not null,
    automation    text not null,
    kind          text not null,
    files         jsonb not null,              -- relative path -> sha256
    content_hash  text not null,               -- of all files: registering the same content twice is one version
    snapshot_id   text not null,               -- the training snapshot
    classes       text[] not null,
    metrics       jsonb not null,
    card          jsonb not null,
    registered_at timestamptz not null default now(),
    primary key (name, version),
    unique (name, content_hash)
);

-- Append-only: the current target of an alias is its newest row.
create table alias_moves (
    move_id          bigint generated always as identity primary key,
    name             text not null,
    alias            text not null,            -- champion | challenger | shadow | last_good
    version          integer not null,
    previous_version integer,
    actor            text not null,
    reason           text not null,
    evidence         jsonb not null default '{}',
    moved_at         timestamptz not null default now(),
    foreign key (name, version) references model_versions (name, version)
);
create index alias_moves_newest on alias_moves (name, alias, move_id desc);

create table policies (
    revision text primary key,                 -- sha256 of the text, 16 hex digits
    content  text not null,
    seen_at  timestamptz not null default now()
);

create table declarations (
    version    text primary key,               -- Automation.version
    automation text not null,
    content    jsonb not null,
    seen_at    timestamptz not null default now()
);

create table decisions (
    decision_id     text primary key,          -- derived from the unique key below
    automation      text not null,
    source          text not null,
    ticket_id       text not null,
    ticket_version  text not null,
    correlation_id  text not null,
    day             date not null,             -- the ticket's day partition
    model_name      text not null,
    model_version   integer not null,          -- 0: there was no model
    policy_revision text not null,
    declaration     text not null,
    verdict         text not null check (verdict in ('automate', 'draft', 'review', 'fallback')),
    queue           text,                      -- predicted, or the declared fallback
    confidence      double precision,
    rule            text not null,
    reason          text not null,
    record          bytea not null,            -- canonical JSON: inputs and result, what replay reproduces byte for byte
    decided_at      timestamptz not null default now(),
    unique (automation, source, ticket_id, ticket_version, model_name, model_version, policy_revision)
);
create index decisions_by_day on decisions (automation, day);
create index decisions_by_ticket on decisions (automation, source, ticket_id);

create table outbox (
    action_id       bigint generated always as identity primary key,
    automation      text not null,
    decision_id     text references decisions (decision_id),
    case_id         text,
    target          text not null,             -- source name
    kind            text not null,             -- assign | draft | note
    external_id     text not null,
    payload         jsonb not null,
    idempotency_key text not null unique,
    state           text not null default 'pending' check (state in ('pending', 'sent', 'dead', 'superseded', 'dry_run')),
    attempts        integer not null default 0,
    next_attempt_at timestamptz not null default now(),
    last_error      text,
    created_at      timestamptz not null default now(),
    sent_at         timestamptz
);
create index outbox_pending on outbox (automation, target, next_attempt_at) where state = 'pending';

create table review_batches (
    automation text not null,
    batch      text not null,                  -- the dynamic partition key: day/queue, then day/queue.2 …
    queue      text not null,
    day        date not null,
    size       integer not null,
    state      text not null default 'open' check (state in ('open', 'done', 'collected')),
    created_at timestamptz not null default now(),
    due_at     timestamptz not null,
    done_at    timestamptz,
    primary key (automation, batch)
);

create table review_cases (
    case_id         text primary key,          -- the decision's id
    automation      text not null,
    decision_id     text not null references decisions (decision_id),
    source          text not null,
    ticket_id       text not null,
    correlation_id  text not null,
    queue           text not null,             -- predicted queue; `unknown` where there was no model
    batch           text,
    priority        double precision not null default 0,
    state           text not null default 'waiting' check (state in ('waiting', 'claimed', 'decided')),
    claimed_by      text,
    claim_expires   timestamptz,
    verdict         text,                      -- confirmed | corrected
    verdict_queue   text,
    comment         text,
    decided_by      text,
    decided_at      timestamptz,
    created_at      timestamptz not null default now(),
    foreign key (automation, batch) references review_batches (automation, batch)
);
create index review_cases_unbatched on review_cases (automation, queue, created_at) where batch is null;
create index review_cases_next on review_cases (automation, batch, priority desc, case_id) where state <> 'decided';

create table review_events (
    event_id bigint generated always as identity primary key,
    case_id  text not null references review_cases (case_id),
    kind     text not null,                    -- claim | release | decide | undo | skip
    actor    text not null,
    detail   jsonb not null default '{}',
    at       timestamptz not null default now()
);

create table users (
    username      text primary key,
    password_hash text not null,
    role          text not null check (role in ('reviewer', 'lead', 'admin')),
    created_at    timestamptz not null default now()
);

create table monitor_days (
    automation    text not null,
    day           date not null,
    model_name    text not null,
    model_version integer not null,
    rows          integer not null,
    columns       jsonb not null,              -- column -> {psi, drifted, kind}
    share         double precision,            -- of drifted columns; null: too few rows to say
    flagged       boolean not null,
    report        text,                        -- lake path of the Evidently report
    computed_at   timestamptz not null default now(),
    primary key (automation, day, model_name, model_version)
);

create table incidents (
    incident_id bigint generated always as identity primary key,
    automation  text not null,
    remedy      text not null,                 -- rollback | narrow | stop
    queue       text,
    reason      text not null,
    evidence    jsonb not null,
    actor       text not null,
    opened_at   timestamptz not null default now(),
    closed_at   timestamptz
);
create index incidents_open on incidents (automation) where closed_at is null;

-- Append-only. The newest row of (automation, queue) holds; queue '*' is the whole automation.
create table modes (
    mode_id     bigint generated always as identity primary key,
    automation  text not null,
    queue       text not null default '*',
    mode        text not null check (mode in ('normal', 'review_only')),
    reason      text not null,
    actor       text not null,
    incident_id bigint references incidents (incident_id),
    set_at      timestamptz not null default now()
);

create table retraining_requests (
    request_id   bigint generated always as identity primary key,
    automation   text not null,
    reason       text not null,
    requested_at timestamptz not null default now(),
    done_at      timestamptz
);
create unique index retraining_one_open on retraining_requests (automation) where done_at is null;

-- Tamper-evident: each entry's hash covers its content and the hash before it.
create table ledger (
    sequence      bigint primary key,
    automation    text not null,
    kind          text not null,               -- decisions | actions | alias | review | erasure
    subject       text not null,
    content_hash  text not null,               -- Merkle root of the entries it stands for
    items         integer not null,
    previous_hash text not null,
    entry_hash    text not null unique,
    at            timestamptz not null default now()
);
