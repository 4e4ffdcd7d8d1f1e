"""Model versions and aliases: rows in Postgres, files in the lake.

What belongs here: registering, verifying, loading, and moving aliases. What does not: what is in a version
(`aios_core/training/export.py`, `aios_core/scoring/model.py`) and when an alias should move (`aios_core/monitoring/`).

A version is immutable. Its files go to `models/<name>/<version>/` first and its row is written last, so a version that can be
seen is whole; the same content gives the same version. `models/<name>/config.pbtxt` beside them makes the folder a model
repository for Triton and KServe. Aliases are pointers with an append-only history: the newest row holds.
"""

import hashlib
import json
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from psycopg import Connection
from psycopg.rows import dict_row
from psycopg.types.json import Json

from aios_core.errors import ModelError
from aios_core.scoring.model import MANIFEST_FILE, MODEL_FILE, ScoringModel, read_manifest
from aios_core.scoring.triton import triton_config
from resources.database import Database
from resources.lake import Lake, LakeError, LakeMissing
from resources.runtime import PROVIDERS, open_session

CHAMPION, LAST_GOOD = "champion", "last_good"
ALIASES = (CHAMPION, "challenger", "shadow", "canary", "candidate", LAST_GOOD)
LOADED = 4  # versions kept ready in memory: champion, last good and two to compare


class UnknownModel(ModelError):
    """There is no such version, or the alias points nowhere."""

    code = "model.unknown"


class DamagedModel(ModelError):
    """A version's files are not what was registered."""

    code = "model.damaged"


class AppendsToLedger(Protocol):
    """What the registry needs of the ledger."""

    def append(
        self, connection: Connection, /, *, automation: str, kind: str, subject: str, items: Sequence[bytes]
    ) -> Any: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelVersion:
    """One row of the registry; `files` maps relative path to sha256."""

    name: str
    version: int
    automation: str
    kind: str
    files: Mapping[str, str]
    content_hash: str
    snapshot_id: str
    classes: tuple[str, ...]
    metrics: Mapping[str, Any]
    card: Mapping[str, Any]
    registered_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AliasMove:
    """One move of an alias, as it stays for ever."""

    move_id: int
    alias: str
    version: int
    previous_version: int | None
    actor: str
    reason: str
    evidence: Mapping[str, Any]
    moved_at: datetime


class Registry:
    """The registry of one database and one lake."""

    def __init__(self, database: Database, *, lake: Lake, ledger: AppendsToLedger | None = None) -> None:
        self._database = database
        self._lake = lake
        self._ledger = ledger
        self._loaded: OrderedDict[tuple[str, int, str], ScoringModel] = OrderedDict()
        self._lock = threading.Lock()

    def register(
        self,
        *,
        name: str,
        automation: str,
        kind: str,
        files: Mapping[str, bytes],
        snapshot_id: str,
        classes: Sequence[str],
        metrics: Mapping[str, Any],
        card: Mapping[str, Any],
    ) -> int:
        """Store a version and return its number; the same files give the number they already have.

        Raises ModelError, with nothing registered, where the files are not a whole version.
        """
        manifest = read_manifest(files)
        if MODEL_FILE not in files:
            raise ModelError(f"model {name}: the version has no {MODEL_FILE}; export it before registering")
        if list(manifest["classes"]) != list(classes) or manifest["kind"] != kind:
            raise ModelError(
                f"model {name}: kind or classes are not those of its {MANIFEST_FILE}; hand in the manifest's own"
            )
        sums = {path: hashlib.sha256(content).hexdigest() for path, content in sorted(files.items())}
        content_hash = hashlib.sha256(json.dumps(sums, sort_keys=True).encode()).hexdigest()
        with self._database.connection() as connection:
            _lock(connection, "register", name)
            version, known = _number_for(connection, name, content_hash)
            folder = version_path(name, version)
            if not (known and all(self._lake.exists(f"{folder}/{path}") for path in sums)):
                self._write_files(name, folder, files, manifest)
            if not known:
                connection.execute(
                    "insert into model_versions (name, version, automation, kind, files, content_hash, snapshot_id, classes,"
                    " metrics, card) values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
                    (name, version, automation, kind, Json(sums), content_hash, snapshot_id, list(classes),
                     Json(dict(metrics)), Json(dict(card))),
                )  # fmt: skip
        return version

    def load(self, *, name: str, version: int, accelerator: str) -> ScoringModel:
        """The version, ready to score, its files verified; kept ready for the next call.

        `accelerator` is the deployment's. CUDA is used where both the deployment and the version declare it, and then it
        must be: see `open_session`.
        """
        key = (name, version, accelerator)
        with self._lock:
            if key not in self._loaded:
                self._loaded[key] = self._open(name, version, accelerator)
                while len(self._loaded) > LOADED:
                    self._loaded.popitem(last=False)
            self._loaded.move_to_end(key)
            return self._loaded[key]

    def files(self, *, name: str, version: int) -> dict[str, bytes]:
        """All files of a version, checked against the sums they were registered with."""
        row = self.get(name, version)
        return {path: self._verified(row, path) for path in row.files}

    def file(self, *, name: str, version: int, path: str) -> bytes:
        """One file of a version (`manifest.json`, `card.md`, `reference.parquet` …), checked."""
        row = self.get(name, version)
        if path not in row.files:
            raise ModelError(
                f"model {name} version {version} has no file {path} (it has {', '.join(sorted(row.files))})"
            )
        return self._verified(row, path)

    def manifest(self, *, name: str, version: int) -> dict[str, Any]:
        """The version's manifest."""
        manifest: dict[str, Any] = json.loads(self.file(name=name, version=version, path=MANIFEST_FILE))
        return manifest

    def current(self, *, name: str, alias: str = CHAMPION) -> int | None:
        """The version an alias points to; None where it was never moved."""
        with self._database.connection() as connection:
            return _current(connection, name, alias)

    def move(
        self,
        *,
        name: str,
        alias: str,
        version: int,
        actor: str,
        reason: str,
        evidence: Mapping[str, Any],
        now: datetime,
    ) -> None:
        """Point an alias at a version. Where it points there already nothing happens, so a step may run twice.

        The champion's predecessor becomes `last_good`, unless the move leads back to `last_good` itself: what is being
        left is then what was found wanting. Raises UnknownModel for a version that is not registered.
        """
        if alias not in ALIASES:
            raise ModelError(f"alias {alias!r} is not known; use one of {', '.join(ALIASES)}")
        with self._database.connection() as connection:
            _lock(connection, "alias", name)
            automation = _automation_of(connection, name, version)
            previous = _current(connection, name, alias)
            if previous == version:
                return
            self._append(connection, automation, name, alias, version, previous, actor, reason, evidence, now)
            last_good = _current(connection, name, LAST_GOOD)
            if alias == CHAMPION and previous is not None and last_good not in (version, previous):
                kept = f"champion before version {version}"
                self._append(connection, automation, name, LAST_GOOD, previous, last_good, actor, kept, evidence, now)

    def rollback(self, *, name: str, actor: str, reason: str, evidence: Mapping[str, Any], now: datetime) -> int:
        """Point `champion` back at `last_good`; returns that version. Raises UnknownModel where there is no other."""
        with self._database.connection() as connection:
            _lock(connection, "alias", name)
            champion, last_good = _current(connection, name, CHAMPION), _current(connection, name, LAST_GOOD)
            if last_good is None or last_good == champion:
                raise UnknownModel(
                    f"model {name}: there is no other version to roll back to (champion {champion}, last_good {last_good}); "
                    "promote a version, or hold its queues to review"
                )
            automation = _automation_of(connection, name, last_good)
            self._append(connection, automation, name, CHAMPION, last_good, champion, actor, reason, evidence, now)
            return last_good

    def history(self, name: str) -> list[AliasMove]:
        """Every move of every alias of this model, newest first."""
        rows = self._rows(
            "select move_id, alias, version, previous_version, actor, reason, evidence, moved_at from alias_moves"
            " where name = %s order by move_id desc",
            (name,),
        )
        return [AliasMove(**row) for row in rows]

    def versions(self, name: str) -> list[ModelVersion]:
        """Every version of this model, newest first."""
        return [_version(row) for row in self._rows(f"{_SELECT} where name = %s order by version desc", (name,))]

    def get(self, name: str, version: int) -> ModelVersion:
        """One version. Raises UnknownModel."""
        rows = self._rows(f"{_SELECT} where name = %s and version = %s", (name, version))
        if not rows:
            raise UnknownModel(f"model {name} has no version {version}; `aios model list` shows what there is")
        return _version(rows[0])

    def _open(self, name: str, version: int, accelerator: str) -> ScoringModel:
        files = self.files(name=name, version=version)
        wanted = read_manifest(files).get("accelerator", "cpu")
        use = "cuda" if wanted == accelerator == "cuda" else "cpu"
        return ScoringModel.from_files(
            files,
            lambda onnx: open_session(onnx, accelerator=use),
            name=name,
            version=version,
            providers=(PROVIDERS[use],),
        )

    def _verified(self, row: ModelVersion, path: str) -> bytes:
        where = f"{version_path(row.name, row.version)}/{path}"
        out = f"restore it from a copy, or roll back and train model {row.name} again"
        try:
            content = self._lake.get(where)
        except LakeMissing as error:
            raise DamagedModel(f"{where} is missing from the lake {self._lake.url}; {out}") from error
        if hashlib.sha256(content).hexdigest() != row.files[path]:
            raise DamagedModel(f"{where} is not the file that was registered (its checksum differs); {out}")
        return content

    def _write_files(self, name: str, folder: str, files: Mapping[str, bytes], manifest: Mapping[str, Any]) -> None:
        try:
            self._lake.delete(folder)  # what a killed registration may have left
            # the graph comes last: a server that watches the folder loads a version when its graph appears
            for path in sorted(files, key=lambda p: (p == MODEL_FILE, p)):
                self._lake.put(f"{folder}/{path}", files[path])
            self._lake.put(f"models/{name}/config.pbtxt", triton_config(name, manifest).encode())
        except LakeError as error:
            raise ModelError(f"model {name} was not registered: {error}") from error

    def _append(
        self,
        connection: Connection,
        automation: str,
        name: str,
        alias: str,
        version: int,
        previous: int | None,
        actor: str,
        reason: str,
        evidence: Mapping[str, Any],
        now: datetime,
    ) -> None:
        connection.execute(
            "insert into alias_moves (name, alias, version, previous_version, actor, reason, evidence, moved_at)"
            " values (%s, %s, %s, %s, %s, %s, %s, %s)",
            (name, alias, version, previous, actor, reason, Json(dict(evidence)), now),
        )
        if self._ledger is not None:
            move = {"alias": alias, "version": version, "previous_version": previous, "actor": actor, "reason": reason,
                    "evidence": dict(evidence), "moved_at": now.isoformat(), "name": name}  # fmt: skip
            item = json.dumps(move, sort_keys=True, separators=(",", ":")).encode()
            self._ledger.append(
                connection, automation=automation, kind="alias", subject=f"{name}@{alias}", items=[item]
            )

    def _rows(self, query: str, parameters: Sequence[Any]) -> list[dict[str, Any]]:
        with self._database.connection() as connection, connection.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(query, parameters).fetchall()


_SELECT = (
    "select name, version, automation, kind, files, content_hash, snapshot_id, classes, metrics, card, registered_at"
    " from model_versions"
)


def version_path(name: str, version: int) -> str:
    """The folder of a version in the lake."""
    return f"models/{name}/{version}"


def _version(row: dict[str, Any]) -> ModelVersion:
    return ModelVersion(**{**row, "classes": tuple(row["classes"])})


def _lock(connection: Connection, what: str, name: str) -> None:
    """One writer a model, until the transaction ends."""
    connection.execute("select pg_advisory_xact_lock(hashtextextended(%s, 0))", (f"aios.registry.{what}.{name}",))


def _number_for(connection: Connection, name: str, content_hash: str) -> tuple[int, bool]:
    """The version's number, and whether it is registered already."""
    row = connection.execute(
        "select version from model_versions where name = %s and content_hash = %s", (name, content_hash)
    ).fetchone()
    if row:
        return row[0], True
    newest = connection.execute(
        "select coalesce(max(version), 0) from model_versions where name = %s", (name,)
    ).fetchone()
    return (newest[0] if newest else 0) + 1, False


def _automation_of(connection: Connection, name: str, version: int) -> str:
    row = connection.execute(
        "select automation from model_versions where name = %s and version = %s", (name, version)
    ).fetchone()
    if row is None:
        raise UnknownModel(f"model {name} has no version {version}; `aios model list` shows what there is")
    automation: str = row[0]
    return automation


def _current(connection: Connection, name: str, alias: str) -> int | None:
    row = connection.execute(
        "select version from alias_moves where name = %s and alias = %s order by move_id desc limit 1", (name, alias)
    ).fetchone()
    return row[0] if row else None
