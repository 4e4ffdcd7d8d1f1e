-- What the review console needs beyond the first schema.

-- A batch keeps the rules it was made under. It is `done` once it is closed: every case decided and nothing undone any more,
-- either because a reviewer said so or because the time to undo has passed.
alter table review_batches
    add column lease_minutes double precision not null default 15,
    add column undo_minutes double precision not null default 10;

-- A batch's progress and its cases, decided ones included.
create index review_cases_by_batch on review_cases (automation, batch);

-- Who skipped a case is asked whenever the next one is handed out.
create index review_events_by_case on review_events (case_id, kind);

-- What was decided today, by whom.
create index review_events_decided on review_events (at) where kind = 'decide';

-- A customer's newest facts, whichever source tells them.
create index customers_newest on customers (automation, customer_id, event_time desc);

-- What a person holds is given back when they sign out.
create index review_cases_claimed on review_cases (claimed_by) where state = 'claimed';

-- A case opened from a search, and a decision's actions.
create index review_cases_by_ticket on review_cases (ticket_id);
create index decisions_of_ticket on decisions (ticket_id);
create index outbox_by_decision on outbox (decision_id);
create index outbox_by_case on outbox (case_id);

-- Failed sign-ins slow down further tries, in every gateway process and after a restart.
create table sign_in_failures (
    username text not null,
    client   text not null,
    at       timestamptz not null
);
create index sign_in_failures_recent on sign_in_failures (username, at);
