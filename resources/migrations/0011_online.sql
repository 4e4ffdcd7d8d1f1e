-- Decisions asked for over HTTP: what was answered under an idempotency key, so that asking again gives the same answer.
-- The row is written in the transaction of the decision, so there is none without the other.
create table idempotent_requests (
    scope        text not null,               -- who asks, and what: a key's name and an automation
    key          text not null,               -- the caller's own
    request_hash text not null,               -- of the request as it was understood; another one under this key is an error
    status       integer not null,
    body         bytea not null,
    created_at   timestamptz not null,
    primary key (scope, key)
);
create index idempotent_requests_age on idempotent_requests (created_at);
