-- What the judge saw and said, so that a sensor can act on it and a person can read it later. Append-only.

create table assessments (
    assessment_id bigint generated always as identity primary key,
    automation    text not null,
    champion      integer,                     -- the version judged; null: there was none
    evidence      jsonb not null,
    remedy        text not null check (remedy in ('none', 'rollback', 'narrow', 'stop')),
    reason        text not null,
    assessed_at   timestamptz not null
);
create index assessments_newest on assessments (automation, assessment_id desc);
