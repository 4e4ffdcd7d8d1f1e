-- Alerts: what stands, who was told, what is hidden, and which jobs failed.

-- One rule over one subject, from the first breach to its end. What the rule said is kept as it was then.
create table alerts (
    alert_id          bigint generated always as identity primary key,
    automation        text not null,
    rule              text not null,
    signal            text not null,
    subject           text not null default '*',   -- a queue, source, job, signal or channel; *: the whole automation
    severity          text not null check (severity in ('info', 'warning', 'critical')),
    owner             text not null,
    costs             text not null,
    todo              text not null,
    channels          text[] not null,             -- as declared; none: every channel
    condition         text not null,
    state             text not null check (state in ('pending', 'firing', 'resolved')),
    since             timestamptz not null,
    well_since        timestamptz,
    fired_at          timestamptz,
    resolved_at       timestamptz,
    value             double precision,
    note              text not null default '',
    incident_id       bigint references incidents (incident_id),
    acknowledged_by   text,
    acknowledged_at   timestamptz,
    acknowledged_note text not null default '',
    told_at           timestamptz,                 -- entered for delivery last, firing or still firing
    end_told_at       timestamptz
);
-- One alert of a rule and subject at a time, whoever looks.
create unique index alerts_one_open on alerts (automation, rule, subject) where state <> 'resolved';
create index alerts_newest on alerts (automation, alert_id desc);
create index alerts_end_untold on alerts (automation, resolved_at) where state = 'resolved' and end_told_at is null;

-- An alert's timeline. Append-only.
create table alert_events (
    event_id bigint generated always as identity primary key,
    alert_id bigint not null references alerts (alert_id),
    kind     text not null,                        -- fired | silenced | told | reminded | acknowledged | joined | resolved
    actor    text not null,
    detail   text not null default '',
    at       timestamptz not null
);
create index alert_events_of on alert_events (alert_id, event_id);

create table alert_silences (
    silence_id bigint generated always as identity primary key,
    automation text not null,
    rule       text not null default '*',
    subject    text not null default '*',
    reason     text not null,
    actor      text not null,
    created_at timestamptz not null,
    until      timestamptz not null,
    ended_at   timestamptz,
    ended_by   text,
    check (until > created_at)
);
create index alert_silences_standing on alert_silences (automation, until) where ended_at is null;

-- Messages, entered in the transaction that finds them due and sent after it.
create table alert_deliveries (
    delivery_id     bigint generated always as identity primary key,
    automation      text not null,
    channel         text not null,
    alert_group     text not null,
    dedup_key       text not null unique,
    kind            text not null,
    severity        text not null,
    title           text not null,
    body            text not null,
    alert_ids       bigint[] not null,
    state           text not null default 'pending' check (state in ('pending', 'sent', 'dead', 'nowhere')),
    attempts        integer not null default 0,
    next_attempt_at timestamptz not null,
    last_error      text,
    created_at      timestamptz not null,
    sent_at         timestamptz
);
create index alert_deliveries_due on alert_deliveries (automation, next_attempt_at) where state = 'pending';
create index alert_deliveries_newest on alert_deliveries (automation, delivery_id desc);
create index alert_deliveries_of_group on alert_deliveries (automation, alert_group, created_at desc);

-- The newest look at an automation: that there is one, and what its signals were.
create table alert_looks (
    automation text primary key,
    looked_at  timestamptz not null,
    readings   jsonb not null
);

-- The newest failure of each job, until a later run of it succeeds.
create table job_failures (
    automation text not null,
    job        text not null,                      -- without the automation's name
    watches    boolean not null,                   -- it monitors or remedies
    run_id     text not null,
    error      text not null,
    failed_at  timestamptz not null,
    cleared_at timestamptz,
    primary key (automation, job)
);

-- Signals look back hours over decisions, which come in the order of their time: a block range index costs writers nothing worth naming.
create index decisions_by_time on decisions using brin (decided_at) with (pages_per_range = 32);
create index review_cases_undecided on review_cases (automation, queue, created_at) where state <> 'decided';
create index review_cases_by_time on review_cases (automation, created_at);
create index outbox_dead on outbox (automation, target) where state = 'dead';
