-- What agents did on decisions: the whole run, and what followed from it.

-- One row is one run; a decision has one at most, so that a step that runs twice changes nothing.
create table agent_transcripts (
    decision_id     text primary key,
    automation      text not null,
    source          text not null,
    ticket_id       text not null,
    made_at         timestamptz not null,
    outcome         text not null check (outcome in ('draft', 'review')),
    why             text not null,
    sentence        text not null,
    ending          text not null,         -- proposed, or the code of what ended the run
    proposal        jsonb,                 -- as people read it, with the customer's own words
    content         bytea not null,        -- the transcript, canonical; names and numbers of the customer are placeholders
    content_hash    text not null,
    masked          jsonb not null,        -- what the placeholders stand for; apart, so that it can be erased alone
    model           text not null,
    policy_revision text not null,
    declaration     text not null,
    steps           integer not null,
    calls           integer not null,
    tokens          integer not null,
    cost            double precision not null,
    seconds         double precision not null
);
create index agent_transcripts_by_time on agent_transcripts (automation, made_at);

-- Decisions that an agent might look into are looked for at every scoring.
create index decisions_for_agents on decisions (automation, decided_at) where verdict in ('draft', 'review');

-- Whether a transcript is still the one that was attested is asked whenever it is shown.
create index ledger_of_agents on ledger (subject) where kind = 'agent';
