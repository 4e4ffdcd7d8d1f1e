-- More than one person on a case: opinions, assignment, rework, a lead's word, and what was asked beside the queue.

alter table review_cases
    add column assigned_to     text,                               -- alone gets the case until they give it back
    add column round           integer not null default 1,         -- a verdict sent back starts the next one
    add column opinions_needed integer not null default 1 check (opinions_needed >= 1),
    add column contested       boolean not null default false,     -- opinions differ: a lead's turn
    add column overridden      boolean not null default false,     -- a lead settled it, whatever the opinions say
    add column rework          text,                               -- why a lead sent a verdict back
    add column form            jsonb not null default '{}',        -- answers that stand with the verdict
    add column escalated_at    timestamptz,                        -- raised before it would have been late, once
    add column text_hash       text;                               -- of the masked text that was decided on

-- One person speaks once in a round. Those of earlier rounds were sent back, and stay as what was said then.
create table review_opinions (
    case_id text not null references review_cases (case_id) on delete cascade,
    round   integer not null,
    actor   text not null,
    queue   text not null,
    comment text,
    form    jsonb not null default '{}',
    at      timestamptz not null,
    primary key (case_id, round, actor)
);
create index review_opinions_by_time on review_opinions (at);

insert into review_opinions (case_id, round, actor, queue, comment, at)
select case_id, 1, decided_by, verdict_queue, comment, decided_at from review_cases
where state = 'decided' and decided_by is not null and verdict_queue is not null and decided_at is not null;

-- A case sent back for a new look at its text's other verdicts.
create index review_cases_by_text on review_cases (automation, text_hash) where text_hash is not null;

-- What is assigned to a person; what waits for a lead; what is to be raised before it is late.
create index review_cases_assigned on review_cases (assigned_to) where assigned_to is not null;
create index review_cases_contested on review_cases (automation) where contested;
create index review_cases_unraised on review_cases (automation, queue, created_at) where state <> 'decided' and escalated_at is null;

-- The next case over all batches, of one automation or one of its queues.
create index review_cases_first on review_cases (priority desc, case_id) where state <> 'decided' and batch is not null;
create index review_cases_first_of on review_cases (automation, priority desc, case_id)
    where state <> 'decided' and batch is not null;
create index review_cases_first_in on review_cases (automation, queue, priority desc, case_id)
    where state <> 'decided' and batch is not null;

-- A person's own newest steps.
create index review_events_by_actor on review_events (actor, at desc) where kind in ('decide', 'override');
