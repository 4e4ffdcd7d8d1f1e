-- What monitoring needs beyond the first schema.

-- Why a day was flagged, or why nothing can be said of it; how much it was compared with.
alter table monitor_days
    add column reason text not null default '',
    add column reference_rows integer not null default 0;

-- Who closed an incident. One narrowing or stop of the same queue is open at a time; each rollback is its own incident.
alter table incidents add column closed_by text;
create unique index incidents_one_open on incidents (automation, remedy, coalesce(queue, '*'))
    where closed_at is null and remedy <> 'rollback';
create index incidents_by_remedy on incidents (automation, remedy, opened_at);
