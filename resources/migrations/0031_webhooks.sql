-- What other systems sent us of their own accord, as it came. The read that a delivery asks for brings the records themselves.
create table webhook_deliveries (
    delivery   bigint generated always as identity primary key,
    automation text not null,
    source     text not null,
    delivery_id text not null,                 -- the sender's own, the same for every try
    payload    bytea not null,
    sent_at    timestamptz,
    received_at timestamptz not null,
    read_at    timestamptz,                    -- when a read of the source began that brings what it told of
    unique (automation, source, delivery_id)
);
create index webhook_deliveries_waiting on webhook_deliveries (automation, source, delivery) where read_at is null;
