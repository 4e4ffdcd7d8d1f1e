-- How each source was read last, for people and metrics.
create table source_reads (
    automation text not null,
    source     text not null,
    connector  text not null,
    contract   text not null,                  -- evolve | freeze | quarantine
    traffic    text,                           -- what it shares with others: vendor, URL and a hash of the credential
    breaker    text,
    read_at    timestamptz,                    -- when a read last ended well
    seconds    double precision,
    landed     bigint,
    rejected   bigint,
    changes    jsonb not null default '[]',    -- what the last read found against the contract
    failed_at  timestamptz,                    -- when one last ended in an error
    error      text,
    primary key (automation, source)
);

-- Limits that are sure without a vendor saying them, as the code and the declaration have them: beside `quota_limits`, which vendors' answers fill.
create table quota_known (
    key      text not null,
    name     text not null,
    requests integer not null,
    seconds  double precision not null,
    primary key (key, name)
);
