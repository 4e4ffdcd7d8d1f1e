-- What a source's records have, learnt from them; a change follows the mode that the source declares.
create table source_contracts (
    automation text not null,
    source     text not null,
    object     text not null,
    seen       jsonb not null,                 -- {rows, fields: {path: [rows, kinds]}}
    changed_at timestamptz not null,
    primary key (automation, source, object)
);
