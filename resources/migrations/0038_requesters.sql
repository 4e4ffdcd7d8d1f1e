-- Who a helpdesk's user is: the newest state of users and customers as far as it tells that, and the links made of it.
-- Addresses are kept as digests (aios_core/identity/normal.py), so that no second copy of them lies about.
create table identity_people (
    automation text not null,
    side       text not null,              -- contact | customer
    source     text not null,
    id         text not null,
    landing_id bigint not null,            -- of the version this was read from
    key        text,                       -- of a contact: the customer's id that the helpdesk has
    emails     text[] not null,
    phones     text[] not null,
    gone       boolean not null,
    rules      text not null,              -- the declaration's rules it was read by: other rules read it again
    primary key (automation, side, source, id)
);
create index identity_people_ids on identity_people (automation, side, id);
create index identity_people_keys on identity_people (automation, key) where key is not null;

create table requester_links (
    automation      text not null,
    source          text not null,
    contact_id      text not null,
    key             text,
    joined_by       text not null,          -- key | email | phone | ambiguous_email | ambiguous_phone | none
    customer_source text,
    customer_id     text,
    resolved_at     timestamptz not null,
    primary key (automation, source, contact_id)
);

-- The one home of requester -> customer: contacts, with the customer that an address told where the helpdesk's own id told none.
create view linked_contacts as
select c.automation, c.source, c.contact_id, c.version, coalesce(l.customer_id, c.customer_id) as customer_id,
       c.event_time, c.known_at, c.landing_id
from contacts c
left join requester_links l on l.automation = c.automation and l.source = c.source and l.contact_id = c.contact_id
  and l.joined_by in ('email', 'phone') and l.key is not distinct from c.customer_id;
