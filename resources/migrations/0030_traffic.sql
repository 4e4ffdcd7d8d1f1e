-- What is asked of other people's systems, shared by all processes.

-- A row only while something is wrong, or was.
create table breakers (
    key        text primary key,               -- what is protected: a vendor and credential, a model's endpoint
    state      text not null default 'closed' check (state in ('closed', 'open', 'half_open')),
    failures   integer not null default 0,
    opened     integer not null default 0,
    until      timestamptz,
    why        text not null default '',
    changed_at timestamptz not null
);

-- One row is one request that still counts towards a limit.
create table quota_slots (
    slot_id    bigint generated always as identity primary key,
    key        text not null,                  -- a vendor and credential (hashed), and which of its limits
    counts_until timestamptz not null          -- while it is under way: as late as it may have arrived, plus the window
);
create index quota_slots_by_key on quota_slots (key, counts_until);

-- The vendor said "later": nobody with this credential asks before.
create table quota_pauses (
    key   text primary key,
    until timestamptz not null
);

-- What a vendor's own answers say of its limits.
create table quota_limits (
    key      text not null,
    name     text not null,
    requests integer not null check (requests > 0),
    seconds  double precision not null check (seconds > 0),
    primary key (key, name)
);
