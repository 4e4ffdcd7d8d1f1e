-- A day's counts under its version's cuts: any window of days is their sum, and no row is read twice.
alter table monitor_days add column sketch jsonb;
