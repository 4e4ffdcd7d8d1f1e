-- Drafts, and what was asked of language models.

-- One row is one try at a call: what was sent (masked) and what came back, so that it can be read again and replayed.
create table model_calls (
    call_id    bigint generated always as identity primary key,
    automation text not null,
    purpose    text not null,             -- draft, agent …
    subject    text not null,             -- the decision or ticket it was asked for
    model      text not null,
    prompt     text not null,             -- hash of the messages
    messages   jsonb not null,
    parameters jsonb not null,
    state      text not null check (state in ('under_way', 'answered', 'failed')),
    answer     text not null default '',
    error      text not null default '',
    tokens_in  integer not null default 0,
    tokens_out integer not null default 0,
    estimated  boolean not null default false, -- the endpoint did not say how many tokens it counted
    cost       double precision not null, -- while it is under way, and where its process died: the most that it may cost
    seconds    double precision not null default 0,
    started_at timestamptz not null
);
create index model_calls_spent on model_calls (automation, started_at);
create index model_calls_by_subject on model_calls (subject);

-- One row is one attempt at a reply for one decision; the newest attempt counts.
create table drafts (
    decision_id   text not null,
    attempt       integer not null check (attempt > 0),
    automation    text not null,
    source        text not null,
    ticket_id     text not null,
    created_at    timestamptz not null,
    language      text not null,
    content       jsonb not null,         -- the reply, sentence by sentence, with its sources
    material_hash text not null,          -- of all that it could be made of: the same again is no new attempt
    verification  jsonb not null,
    passed        boolean not null,
    answers       boolean not null,       -- false: no article answers, so there is no reply
    degraded      text,
    drafter       text not null,
    prompt        text,
    tokens        integer not null,
    cost          double precision not null,
    primary key (decision_id, attempt)
);
create index drafts_by_ticket on drafts (automation, ticket_id);
create index drafts_by_time on drafts (automation, created_at);

-- What is to be sent is looked for at every scoring.
create index decisions_to_draft on decisions (automation, decided_at) where verdict = 'draft';
