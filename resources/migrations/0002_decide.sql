-- What recording decisions, the ledger's check and delivery need beyond the first schema.

-- Which ledger entry covers a decision, when its ticket's content became known, and whether it is in the audit slice.
alter table decisions add column ledger_subject text;
alter table decisions add column known_at timestamptz;
alter table decisions add column audit boolean not null default false;

-- The check recomputes each entry's Merkle root over its decisions, in the order of their ids.
create index decisions_by_ledger on decisions (ledger_subject, decision_id);

-- A ticket's actions leave in their order.
create index outbox_pending_by_ticket on outbox (automation, target, external_id, action_id) where state = 'pending';

-- A newer decision supersedes what an older one still wants to send.
create index outbox_pending_by_decision on outbox (decision_id) where state = 'pending';
