-- What robots did, with where their evidence lies.
create table robot_runs (
    run_id          bigint generated always as identity primary key,
    automation      text not null,
    robot           text not null,
    account         text not null,
    external_id     text not null,
    idempotency_key text not null,
    decision_id     text,
    case_id         text,
    started_at      timestamptz not null,
    ended_at        timestamptz not null,
    status          text not null,
    message         text not null,
    outputs         jsonb not null,
    evidence        jsonb not null               -- [{name, path, sha256, bytes}], paths of the lake
);
create index robot_runs_of_decision on robot_runs (decision_id);
create index robot_runs_newest on robot_runs (automation, run_id desc);
