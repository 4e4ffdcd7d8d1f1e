"""The index of an automation's knowledge: built into the lake, loaded from there, searched, and never trusted to be up to date.

What belongs here: files, rows of `knowledge_indexes`, encoder sessions, and asking at each search what may be cited. What does not:
scoring (`aios_core/retrieval/index.py`).

An index is one Parquet file of passages with their vectors, named by the hash of what went into it. Its encoder's graph lies beside it,
ready to open: making it from weights takes seconds that no search has. What Postgres says of an article at the moment of the search
decides whether it is shown, so that one withdrawn a second ago is not, whatever the index says.
"""

import hashlib
import io
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from aios_core.automation import EncoderSettings, Knowledge
from aios_core.errors import ConfigurationError
from aios_core.retrieval.articles import Article, ArticleKey, KnowledgeError, Validity
from aios_core.retrieval.filters import Filter
from aios_core.retrieval.index import Embed, Floats, Hit, KnowledgeIndex, Method, cut_all
from aios_core.retrieval.passages import WORDS, Passage
from aios_core.scoring.encoder.text import HEAD_FILE, MODEL_FILE, TextEncoder
from aios_core.scoring.encoder.tokens import TOKENIZER_FILE
from resources.database import Database, rows
from resources.knowledge import KnowledgeStore, validity_of
from resources.lake import Lake
from resources.model_folders import read_folder

ENCODER_FILES = (MODEL_FILE, HEAD_FILE, TOKENIZER_FILE)
QUESTION_WORDS = (
    300  # of a ticket of 10,000 words the first ones say what it is about; more make a search slow, not better
)
FORMAT = "1"
SCHEMA = pa.schema(
    [
        ("source", pa.string()),
        ("article_id", pa.string()),
        ("version", pa.string()),
        ("number", pa.int32()),
        ("headings", pa.list_(pa.string())),
        ("text", pa.string()),
        ("vector", pa.list_(pa.float32())),
    ]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """One index. `encoder` None: words alone, and `without` says why. `embedded` passages were new; the others' vectors were kept."""

    built_id: int
    index_id: str
    path: str
    encoder: str | None
    articles: int
    passages: int
    built_at: datetime
    embedded: int = 0
    fresh: bool = False
    without: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Loaded:
    built: Built
    index: KnowledgeIndex
    embed: Embed | None


class IndexBuilder:
    """Makes an index of what is citable now. Building the same again changes nothing."""

    def __init__(self, database: Database, lake: Lake, *, progress: Callable[[str], None] = lambda _: None) -> None:
        self._database, self._lake, self._progress = database, lake, progress

    def build(self, automation: str, settings: Knowledge, *, folder: Path, now: datetime) -> Built:
        """Articles not yet valid are in it, too: the search looks at the time."""
        articles = [a for a in KnowledgeStore(self._database).current(automation) if _worth_indexing(a, now)]
        cut = cut_all(articles)
        encoder, without = self._encoder(settings, folder)
        index_id = _index_id(cut, encoder)
        newest = newest_index(self._database, automation)
        if newest is not None and newest.index_id == index_id and self._lake.exists(newest.path):
            return newest
        vectors, embedded = None, 0
        if encoder is not None:
            vectors, embedded = self._vectors(cut, encoder, newest)
        path = f"{automation}/knowledge/{index_id}.parquet"
        self._lake.write_file(path, _table(cut, vectors).to_batches(), schema=SCHEMA)
        with self._database.connection() as connection:
            (row,) = rows(
                connection,
                "insert into knowledge_indexes (automation, index_id, path, encoder, articles, passages, built_at)"
                " values (%s, %s, %s, %s, %s, %s, %s) returning built_id",
                (automation, index_id, path, encoder, len(articles), len(cut), now),
            )
        return Built(
            built_id=row["built_id"],
            index_id=index_id,
            path=path,
            encoder=encoder,
            articles=len(articles),
            passages=len(cut),
            built_at=now,
            embedded=embedded,
            fresh=True,
            without=without,
        )

    def _encoder(self, settings: Knowledge, folder: Path) -> tuple[str | None, str | None]:
        """Where the encoder's graph lies in the lake, made there where it was not; or why there is none."""
        if settings.encoder is None:
            return None, "the declaration names no encoder"
        try:
            files = read_folder(settings.encoder, beside=folder)
        except ConfigurationError as error:
            if not settings.encoder.startswith("package:"):
                raise
            return None, str(error)
        digest = hashlib.sha256(FORMAT.encode())
        for name, content in sorted(files.items()):
            digest.update(f"{name}\0{len(content)}\0".encode())
            digest.update(content)
        place = f"knowledge_encoders/{digest.hexdigest()[:16]}"
        if not all(self._lake.exists(f"{place}/{name}") for name in ENCODER_FILES):
            from aios_core.training.encoder.fit import prepare
            from resources.runtime import open_session

            self._progress("preparing the encoder")
            prepared = prepare(files, EncoderSettings(), accelerator="cpu", open_session=open_session)
            for name, content in prepared.files().items():
                self._lake.put(f"{place}/{name}", content)
        return place, None

    def _vectors(self, cut: list[Passage], encoder: str, newest: Built | None) -> tuple[Floats, int]:
        """A row a passage; those of the last index are used again where encoder and text are the same."""
        known: dict[str, Floats] = {}
        if newest is not None and newest.encoder == encoder and self._lake.exists(newest.path):
            before, vectors = _read(self._lake, newest.path)
            if vectors is not None:
                known = {p.searched: v for p, v in zip(before, vectors, strict=True)}
        missing = list(dict.fromkeys(p.searched for p in cut if p.searched not in known))
        if missing:
            self._progress(f"embedding {len(missing):,} of {len(cut):,} passages")
            known |= dict(zip(missing, open_encoder(self._lake, encoder)(missing), strict=True))
        width = next((v.size for v in known.values()), 0)
        return np.array([known[p.searched] for p in cut], np.float32).reshape(len(cut), width), len(missing)


class KnowledgeSearch:
    """Searches the newest index of each automation; it is loaded once and again where a newer one was built. Safe to share between threads."""

    def __init__(self, database: Database, lake: Lake) -> None:
        self._database, self._lake = database, lake
        self._store = KnowledgeStore(database)
        self._loaded: dict[str, _Loaded] = {}
        self._encoders: dict[str, Embed] = {}
        self._lock = threading.Lock()

    def search(
        self,
        automation: str,
        question: str,
        *,
        now: datetime,
        filter: Filter = Filter(),  # noqa: B008 (frozen)
        method: Method = "fusion",
        limit: int = 5,
    ) -> list[Hit]:
        """The best articles that may be cited at `now`. Raises KnowledgeError where there is no index."""
        loaded = self._newest(automation)
        question = " ".join(question.split()[:QUESTION_WORDS])
        barred: set[ArticleKey] = set()

        def allowed(article: Article) -> bool:
            return article.key not in barred and validity_of(article).holds(now)

        while True:
            found = loaded.index.search(
                question, embed=loaded.embed, method=method, filter=filter, allowed=allowed, limit=limit
            )
            known = self._store.validity(automation, [hit.article.key for hit in found])
            wrong = {h.article.key for h in found if not _still(h.article, known.get(h.article.key), now)}
            if not wrong:
                return found
            barred |= wrong

    def loaded(self, automation: str) -> bool:
        """Whether a search would find its index in memory; a caller in a hurry asks first."""
        newest = newest_index(self._database, automation)
        return newest is not None and automation in self._loaded and self._loaded[automation].built == newest

    def _newest(self, automation: str) -> _Loaded:
        built = newest_index(self._database, automation)
        if built is None:
            raise KnowledgeError(
                f"{automation} has no index of its knowledge; declare `knowledge:` and run `aios knowledge read {automation}`"
            )
        with self._lock:
            loaded = self._loaded.get(automation)
            if loaded is None or loaded.built != built:
                loaded = self._load(automation, built)
                self._loaded[automation] = loaded
        return loaded

    def _load(self, automation: str, built: Built) -> _Loaded:
        cut, vectors = _read(self._lake, built.path)
        articles = {(a.key, a.version): a for a in self._store.current(automation)}
        kept = [n for n, passage in enumerate(cut) if (passage.key, passage.version) in articles]
        wanted = dict.fromkeys((cut[n].key, cut[n].version) for n in kept)
        index = KnowledgeIndex(
            [articles[key] for key in wanted],
            vectors=None if vectors is None else vectors[kept],
            cut=[cut[n] for n in kept],
        )
        embed = None
        if built.encoder is not None and vectors is not None:
            embed = self._encoders.get(built.encoder) or open_encoder(self._lake, built.encoder)
            self._encoders = {built.encoder: embed}
        return _Loaded(built=built, index=index, embed=embed)


def newest_index(database: Database, automation: str) -> Built | None:
    """The index that is searched; None where none was built."""
    with database.connection() as connection:
        found = rows(
            connection,
            "select built_id, index_id, path, encoder, articles, passages, built_at from knowledge_indexes"
            " where automation = %s order by built_id desc limit 1",
            (automation,),
        )
    return Built(**found[0]) if found else None


def open_encoder(lake: Lake, place: str) -> Embed:
    """The encoder whose files lie there. Raises ModelError without the extra `encoder`."""
    from resources.runtime import open_session

    files = {name: lake.get(f"{place}/{name}") for name in ENCODER_FILES}
    return TextEncoder.from_files(files, open_session, max_tokens=EncoderSettings().max_tokens).embed


def _worth_indexing(article: Article, now: datetime) -> bool:
    return article.published and (article.valid_until is None or now < article.valid_until)


def _still(article: Article, newest: Validity | None, now: datetime) -> bool:
    """Whether the store's newest version is this one, and may be cited."""
    return newest is not None and newest.version == article.version and newest.holds(now)


def _index_id(cut: list[Passage], encoder: str | None) -> str:
    digest = hashlib.sha256(f"{FORMAT}\0{WORDS}\0{encoder}".encode())
    for passage in cut:
        digest.update(f"\0{passage.key}\0{passage.version}\0{passage.number}".encode())
    return digest.hexdigest()[:16]


def _table(cut: list[Passage], vectors: Floats | None) -> pa.Table:
    columns = {
        "source": [p.key.source for p in cut],
        "article_id": [p.key.article_id for p in cut],
        "version": [p.version for p in cut],
        "number": [p.number for p in cut],
        "headings": [list(p.headings) for p in cut],
        "text": [p.text for p in cut],
        "vector": [None] * len(cut) if vectors is None else list(vectors),
    }
    return pa.table(columns, schema=SCHEMA)


def _read(lake: Lake, path: str) -> tuple[list[Passage], Floats | None]:
    table = pq.read_table(io.BytesIO(lake.get(path)))
    cut = [
        Passage(
            key=ArticleKey(row["source"], row["article_id"]),
            version=row["version"],
            number=row["number"],
            headings=tuple(row["headings"]),
            text=row["text"],
        )
        for row in table.drop_columns(["vector"]).to_pylist()
    ]
    column = table.column("vector").combine_chunks()
    if not cut or column.null_count:
        return cut, None
    return cut, column.values.to_numpy(zero_copy_only=False).reshape(len(cut), -1)
