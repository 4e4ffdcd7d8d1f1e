-- Knowledge: articles in all their versions, what is read from where, and the index that is searched.

-- A row is a change: an article that goes A, B, A has three. The newest of an article is the one that counts.
create table knowledge_articles (
    change_id   bigint generated always as identity primary key,
    automation  text not null,
    source      text not null,
    article_id  text not null,
    version     text not null,           -- hash of the content
    title       text not null,
    sections    jsonb not null,          -- plain text: [{"headings": […], "text": …}]
    language    text not null,
    products    text[] not null,
    url         text,
    valid_from  timestamptz,
    valid_until timestamptz,
    published   boolean not null,
    known_at    timestamptz not null,
    unique (automation, source, article_id, change_id)
);

-- What was read and could not become an article; a row goes when the article comes whole, or goes away.
create table knowledge_rejects (
    automation text not null,
    source     text not null,
    article_id text not null,
    code       text not null,
    message    text not null,
    at         timestamptz not null,
    primary key (automation, source, article_id)
);

-- Where each source was read to, and when all of it was listed, so that what is missing counts as gone.
create table knowledge_reads (
    automation text not null,
    source     text not null,
    position   text,
    listed_at  timestamptz,
    read_at    timestamptz not null,
    primary key (automation, source)
);

-- An index is files in the lake; the newest row of an automation is the one that is searched.
create table knowledge_indexes (
    built_id   bigint generated always as identity primary key,
    automation text not null,
    index_id   text not null,            -- hash of the versions, the cut and the encoder
    path       text not null,
    encoder    text,                     -- folder of the encoder's files; null: words alone
    articles   integer not null,
    passages   integer not null,
    built_at   timestamptz not null
);
create index knowledge_indexes_newest on knowledge_indexes (automation, built_id desc);

-- Questions that no article answers, as they were found last.
create table knowledge_gaps (
    automation text not null,
    gap_id     text not null,
    label      text not null,
    queue      text,
    tickets    integer not null,
    cost       double precision not null,
    currency   text not null,
    examples   jsonb not null,           -- ticket ids; their text stays where it can be erased
    nearest    text,                     -- the article that came closest, and how close
    nearest_score double precision,
    found_at   timestamptz not null,
    primary key (automation, gap_id)
);
