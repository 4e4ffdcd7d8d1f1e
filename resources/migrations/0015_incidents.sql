-- What an incident is known by, and what was made good after it.

-- One cause is one incident: a job that was killed and runs again, under another id, finds its own.
alter table incidents add column identity text;
alter table incidents add column assessment_id bigint references assessments (assessment_id);
alter table incidents add column closed_why text;
create unique index incidents_identity on incidents (automation, identity);

-- Which decisions a version made, from a time on.
create index decisions_by_version on decisions (automation, model_name, model_version, decided_at);

-- The repair after a rollback. `onset` is fixed at its start, so that a repair that was killed goes on with the same list.
create table repairs (
    incident_id  bigint primary key references incidents (incident_id),
    good_version integer not null,
    onset        timestamptz not null,         -- decisions from then on are looked at again
    since_day    date,                         -- and only those on tickets of this day or later; null: of all days
    why          text not null,                -- why from there on
    run_id       text,
    started_at   timestamptz not null,
    finished_at  timestamptz
);

-- What became of each decision that the version which was left had made.
create table corrections (
    incident_id  bigint not null references incidents (incident_id),
    decision_id  text not null references decisions (decision_id),
    fate         text not null check (fate in ('unchanged', 'corrected', 'review', 'settled')),
    queue        text,                         -- what the good version says; null: nothing was asked of it
    corrected_by text references decisions (decision_id),
    at           timestamptz not null,
    primary key (incident_id, decision_id)
);
create index corrections_of on corrections (decision_id);
create index corrections_by on corrections (corrected_by) where corrected_by is not null;

-- Why a batch was made, where it is not simply a day's doubts.
alter table review_batches add column reason text not null default '';
