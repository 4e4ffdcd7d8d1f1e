-- How many cases each batch and queue has in each state, without counting cases: signed steps that add up to the counts.
-- Steps are only ever inserted, in the transaction that moves the cases, so that nobody waits for anybody; now and then they are
-- folded into one row each. A page adds up some hundred rows where it counted a million.
create table review_tallies (
    automation text not null,
    batch      text,
    queue      text not null,
    state      text not null,
    steps      bigint not null
);

insert into review_tallies select automation, batch, queue, state, count(*) from review_cases group by 1, 2, 3, 4;
create index review_tallies_of on review_tallies (automation, batch) include (queue, state, steps);

create function review_tally_added() returns trigger language plpgsql set search_path from current as $$
begin
    insert into review_tallies (automation, batch, queue, state, steps)
    select automation, batch, queue, state, count(*) from added group by 1, 2, 3, 4;
    return null;
end $$;

create function review_tally_gone() returns trigger language plpgsql set search_path from current as $$
begin
    insert into review_tallies (automation, batch, queue, state, steps)
    select automation, batch, queue, state, -count(*) from gone group by 1, 2, 3, 4;
    return null;
end $$;

create function review_tally_moved() returns trigger language plpgsql set search_path from current as $$
begin
    insert into review_tallies (automation, batch, queue, state, steps)
    select automation, batch, queue, state, sum(step) from (
        select automation, batch, queue, state, 1 as step from added
        union all select automation, batch, queue, state, -1 from gone
    ) s group by 1, 2, 3, 4 having sum(step) <> 0;
    return null;
end $$;

create function review_tally_none() returns trigger language plpgsql set search_path from current as $$
begin
    delete from review_tallies;
    return null;
end $$;

create trigger review_tally_added after insert on review_cases
    referencing new table as added for each statement execute function review_tally_added();
create trigger review_tally_gone after delete on review_cases
    referencing old table as gone for each statement execute function review_tally_gone();
create trigger review_tally_moved after update on review_cases
    referencing old table as gone new table as added for each statement execute function review_tally_moved();
create trigger review_tally_none after truncate on review_cases
    for each statement execute function review_tally_none();

-- The time at which a batch's newest verdict was given, and since when its oldest case waits.
create index review_cases_newest_verdict on review_cases (automation, batch, decided_at desc nulls last);
alter table review_batches add column waiting_since timestamptz;
update review_batches b set waiting_since =
    (select min(c.created_at) from review_cases c where c.automation = b.automation and c.batch = b.batch);

-- The few that were raised, without looking at all that wait.
create index review_cases_raised on review_cases (automation, queue) where escalated_at is not null and state <> 'decided';
