-- What the life of a model version needs: aliases that point to nothing again, and how a shadow agrees with the champion.

-- A row without a version says that the alias points to nothing from then on: a shadow or canary that was withdrawn.
alter table alias_moves alter column version drop not null;
alter table alias_moves add constraint alias_moves_kept
    check (version is not null or alias not in ('champion', 'last_good'));

-- Which version an alias pointed to at a time.
create index alias_moves_as_of on alias_moves (name, alias, moved_at desc, move_id desc);

-- A day's tickets under the shadow beside the champion's own scores of them; measured again, the later one holds.
create table shadow_days (
    automation    text not null,
    day           date not null,
    model_name    text not null,
    model_version integer not null,
    champion      integer not null,
    rows          integer not null,            -- scored by both
    agreed        integer not null,            -- both name the same queue
    reverdicted   integer not null,            -- would get another verdict under the rules of then
    scored_at     timestamptz not null,
    primary key (automation, day, model_name, model_version, champion)
);
