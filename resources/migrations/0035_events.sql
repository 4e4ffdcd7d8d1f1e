-- What happened, for others to know of: written by triggers in the transaction of the fact itself, whichever way the fact came about.

-- What is asked for, renewed by whoever sends it. Without a row here nothing is written: who sends no events pays nothing for them, and
-- a receiver that is declared no more leaves no table that grows.
create table event_types_wanted (
    automation text not null,
    type       text not null,
    until      timestamptz not null,
    primary key (automation, type)
);

-- `transaction` is the writer's: ids are drawn before the commit, so that a later one may be seen first. A reader takes what was
-- written by transactions that are over for everybody, in the order of (transaction, event_id), and never misses one.
create table events (
    event_id    bigint generated always as identity primary key,
    transaction xid8 not null default pg_current_xact_id(),
    automation  text not null,
    type        text not null,
    fact        text not null,                 -- what tells this fact from all others of its type
    subject     text not null,                 -- what it is about: events of one subject arrive in their order
    at          timestamptz not null,
    data        jsonb not null
);
create index events_in_order on events (automation, transaction, event_id);
create index events_by_age on events (automation, at);

-- How far each receiver has come.
create table event_cursors (
    automation  text not null,
    sink        text not null,
    transaction xid8 not null,
    event_id    bigint not null,
    sent        bigint not null default 0,
    moved_at    timestamptz not null,
    last_error  text,
    failed_at   timestamptz,
    primary key (automation, sink)
);

-- Exceptions: what a receiver did not take at once, and what waits behind it.
create table event_deliveries (
    automation      text not null,
    sink            text not null,
    event_id        bigint not null references events (event_id),
    state           text not null check (state in ('pending', 'dead')),
    attempts        integer not null,
    next_attempt_at timestamptz not null,
    last_error      text,
    primary key (automation, sink, event_id)
);
create index event_deliveries_of on event_deliveries (event_id);

create function is_event_wanted(asked_automation text, asked_type text) returns boolean
language sql stable set search_path from current as
$$ select exists (select from event_types_wanted w where w.automation = asked_automation and w.type = asked_type
                          and w.until > clock_timestamp()) $$;

create function events_of_decisions() returns trigger language plpgsql set search_path from current as $$
begin
    insert into events (automation, type, fact, subject, at, data)
    select automation, 'decision.recorded', decision_id, 'tickets/' || source || '/' || ticket_id, decided_at,
        jsonb_build_object('decision_id', decision_id, 'source', source, 'ticket_id', ticket_id, 'ticket_version', ticket_version,
            'verdict', verdict, 'queue', queue, 'confidence', confidence, 'rule', rule, 'reason', reason, 'model_name', model_name,
            'model_version', model_version, 'policy_revision', policy_revision, 'declaration', declaration,
            'correlation_id', correlation_id)
    from added d where d.automation in (
        select w.automation from event_types_wanted w where w.type = 'decision.recorded' and w.until > clock_timestamp())
    order by decided_at, decision_id;
    return null;
end $$;
create trigger events_of_decisions after insert on decisions
    referencing new table as added for each statement execute function events_of_decisions();

create function event_of_action() returns trigger language plpgsql set search_path from current as $$
declare
    told text := case new.state when 'sent' then 'action.delivered' else 'action.failed' end;
begin
    if is_event_wanted(new.automation, told) then
        insert into events (automation, type, fact, subject, at, data)
        values (new.automation, told, new.action_id || '/' || new.attempts, 'tickets/' || new.target || '/' || new.external_id,
            coalesce(new.sent_at, new.next_attempt_at),
            jsonb_build_object('action_id', new.action_id, 'kind', new.kind, 'source', new.target, 'ticket_id', new.external_id,
                'queue', new.payload ->> 'queue', 'decision_id', new.decision_id, 'case_id', new.case_id, 'attempts', new.attempts,
                'error', new.last_error, 'idempotency_key', new.idempotency_key));
    end if;
    return null;
end $$;
create trigger event_of_action after update on outbox for each row
    when (new.state in ('sent', 'dead') and old.state is distinct from new.state) execute function event_of_action();

create function event_of_review() returns trigger language plpgsql set search_path from current as $$
declare
    told text := case new.state when 'decided' then 'review.decided' else 'review.reopened' end;
    known review_cases := case new.state when 'decided' then new else old end;
begin
    if is_event_wanted(new.automation, told) then
        insert into events (automation, type, fact, subject, at, data)
        values (new.automation, told, new.case_id || '/' || new.round || '/' || extract(epoch from known.decided_at),
            'tickets/' || new.source || '/' || new.ticket_id, coalesce(new.decided_at, clock_timestamp()),
            jsonb_build_object('case_id', new.case_id, 'decision_id', new.decision_id, 'source', new.source, 'ticket_id', new.ticket_id,
                'batch', new.batch, 'verdict', known.verdict, 'queue', known.verdict_queue, 'decided_by', known.decided_by,
                'overridden', known.overridden, 'round', new.round, 'correlation_id', new.correlation_id));
    end if;
    return null;
end $$;
create trigger event_of_review after update on review_cases for each row
    when (old.state is distinct from new.state and 'decided' in (old.state, new.state)) execute function event_of_review();

create function event_of_incident() returns trigger language plpgsql set search_path from current as $$
declare
    told text := case when new.closed_at is null then 'incident.opened' else 'incident.closed' end;
begin
    if is_event_wanted(new.automation, told) then
        insert into events (automation, type, fact, subject, at, data)
        values (new.automation, told, new.incident_id::text, 'incidents/' || new.incident_id, coalesce(new.closed_at, new.opened_at),
            jsonb_build_object('incident_id', new.incident_id, 'remedy', new.remedy, 'queue', new.queue, 'reason', new.reason,
                'actor', new.actor, 'closed_why', new.closed_why));
    end if;
    return null;
end $$;
create trigger event_of_opened_incident after insert on incidents for each row execute function event_of_incident();
create trigger event_of_closed_incident after update on incidents for each row
    when (old.closed_at is null and new.closed_at is not null) execute function event_of_incident();

create function event_of_alias_move() returns trigger language plpgsql set search_path from current as $$
declare
    owner text := (select automation from model_versions where name = new.name and version = new.version);
begin
    if is_event_wanted(owner, 'model.alias_moved') then
        insert into events (automation, type, fact, subject, at, data)
        values (owner, 'model.alias_moved', new.move_id::text, 'models/' || new.name, new.moved_at,
            jsonb_build_object('move_id', new.move_id, 'model_name', new.name, 'alias', new.alias, 'version', new.version,
                'previous_version', new.previous_version, 'actor', new.actor, 'reason', new.reason));
    end if;
    return null;
end $$;
create trigger event_of_alias_move after insert on alias_moves for each row execute function event_of_alias_move();
