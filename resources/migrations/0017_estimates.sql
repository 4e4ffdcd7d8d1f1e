-- Estimates beside what turned out, day by day, and by customer tier, channel and language; and synthetic transactions.

-- Of the settled tickets of a day: how many were right, and how many their own confidence expected, so that the error of the
-- estimate can be watched. `confidence` is the mean one of all the day's tickets, as scored; `overstated` what was taken off it.
alter table estimates
    add column confidence double precision,
    add column overstated double precision not null default 0,
    add column expected double precision not null default 0,
    add column variance double precision not null default 0,
    add column right_count integer not null default 0;

-- What the probabilities of a day promise of a group of its tickets, and how many of them turned out right.
create table estimate_groups (
    automation    text not null,
    day           date not null,
    model_name    text not null,
    model_version integer not null,
    dimension     text not null,               -- queue | tier | channel | language
    name          text not null,
    promise       jsonb not null,
    settled       integer not null,
    right_count   integer not null,
    computed_at   timestamptz not null,
    primary key (automation, day, model_name, model_version, dimension, name)
);

-- One synthetic transaction: a marked ticket on its way from the helpdesk to a decision and back. A station that was not reached
-- has no time.
create table probes (
    probe_id    text primary key,              -- the external id in the helpdesk
    automation  text not null,
    ticket_id   text,
    verdict     text,
    queue       text,
    state       text not null default 'open' check (state in ('open', 'passed', 'late', 'wrong')),
    problem     text not null default '',
    asked_at    timestamptz not null,          -- before the helpdesk was asked
    created_at  timestamptz,
    landed_at   timestamptz,
    decided_at  timestamptz,
    sent_at     timestamptz,
    seen_at     timestamptz,                   -- the write was read back from the helpdesk
    closed_at   timestamptz,                   -- judged; late ones too
    removed_at  timestamptz                    -- the ticket is deleted in the helpdesk
);
create index probes_newest on probes (automation, asked_at desc);
