-- What is behind a day's drift (kinds, causes, outcomes against promises), and the outcomes of its tickets as counts that add up.
alter table monitor_days
    add column explained jsonb,
    add column settled jsonb;
