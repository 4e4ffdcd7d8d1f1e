-- As 0041: what differs most stands in front, so that a step down an index compares one text and not two equal ones first. Whoever looks a row up
-- names all of a key, or at least its id.

alter table tickets drop constraint tickets_pkey;
alter table tickets add primary key (ticket_id, version, source, automation);
alter table outcomes drop constraint outcomes_pkey;
alter table outcomes add primary key (ticket_id, event_time, origin, source, automation);
drop index tickets_of_requester;
create index tickets_of_requester on tickets (requester_id, source, automation) where requester_id is not null;
drop index tickets_of_customer;
create index tickets_of_customer on tickets (customer_id, source, automation) where customer_id is not null;
