-- What was written to one ticket, and when: how often a vendor lets a ticket be changed, and which changes were ours.
create index outbox_by_ticket on outbox (automation, target, external_id, sent_at);
