-- Proposed cut-offs, and which of them a person accepted into the declaration.
create table threshold_proposals (
    proposal_id   text primary key,            -- of its content: proposing the same again is the same row
    automation    text not null,
    declaration   text not null,               -- version of the declaration that it was made under
    model_name    text not null,
    model_version integer not null,
    made_by       text not null,
    made_at       timestamptz not null,
    content       jsonb not null,              -- aios_core/thresholds/proposal.py
    accepted_by   text,
    accepted_at   timestamptz,
    accepted_as   text,                        -- version of the declaration that it became
    check ((accepted_by is null) = (accepted_at is null))
);
create index threshold_proposals_newest on threshold_proposals (automation, made_at desc, proposal_id);
