-- What the probabilities of a day promise of its quality, and what was made of it; days of one version add up.
create table estimates (
    automation    text not null,
    day           date not null,
    model_name    text not null,
    model_version integer not null,
    promise       jsonb not null,
    estimate      jsonb not null,
    realised      double precision,
    settled       integer not null,
    computed_at   timestamptz not null,
    primary key (automation, day, model_name, model_version)
);
