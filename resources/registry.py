"""Model versions and aliases: rows in Postgres, files in the lake.

What belongs here: registering, verifying, loading, and moving aliases (their rows: `aliases.py`). What does not: what is in a
version (`aios_core/training/export.py`, `aios_core/scoring/model.py`), which moves there are (`aios_core/lifecycle/states.py`) and
whether a version is good enough (`gatekeeper.py`).

A version is immutable. Its files go to `models/<name>/<version>/` first and its row is written last, so a version that can be
seen is whole; the same content gives the same version. `models/<name>/config.pbtxt` beside them makes the folder a model
repository for Triton and KServe. Aliases are pointers with an append-only history: the newest row holds.
"""

import hashlib
import json
import re
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Connection
from psycopg.rows import dict_row
from psycopg.types.json import Json

from aios_core.errors import ModelError
from aios_core.lifecycle.states import CHAMPION, DECIDING, LAST_GOOD, ForbiddenMove, moves
from aios_core.scoring.golden import GOLDEN_FILE, check
from aios_core.scoring.model import MANIFEST_FILE, MODEL_FILE, ScoringModel, read_manifest
from aios_core.scoring.proof import prove
from aios_core.scoring.triton import triton_config
from resources import aliases
from resources.aliases import AliasMove, AppendsToLedger, Why
from resources.database import Database
from resources.lake import Lake, LakeError, LakeMissing
from resources.runtime import open_session

LOADED = 4  # versions kept ready in memory: champion, last good and two to compare


_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")


class UnknownModel(ModelError):
    """There is no such version, or the alias points nowhere."""

    code = "model.unknown"


class DamagedModel(ModelError):
    """A version's files are not what was registered."""

    code = "model.damaged"


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

        Raises ModelError, with nothing registered or written, where `prove` finds that the files are not a whole, working version.
        """
        if not _NAME.fullmatch(name):
            raise ModelError(
                f"{name[:200]!r} is no name for a model: up to 63 of a-z, 0-9 and _, a letter first; declare another"
            )
        manifest = prove(files, open_session)
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
        """The version an alias points to; None where it points to nothing."""
        with self._database.connection() as connection:
            return aliases.current(connection, name, alias)

    def standing(self, *, name: str) -> dict[str, int | None]:
        """Where every alias that was ever moved points now."""
        with self._database.connection() as connection:
            return aliases.standing(connection, name)

    def as_of(self, *, name: str, at: datetime) -> dict[str, int | None]:
        """Where every alias pointed at a time; one that was not moved by then is not in it."""
        with self._database.connection() as connection:
            return aliases.standing(connection, name, at=at)

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
        accelerator: str = "cpu",
        expecting: Mapping[str, int | None] | None = None,
    ) -> None:
        """Point an alias at a version, with what `states.moves` says it brings. Nothing happens where it points there already.

        A version that is to decide is loaded first, on the deployment's `accelerator`: its files verified, its sessions opened, its
        golden rows scored. `expecting` is where other aliases have to point still. Raises UnknownModel for a version that is not registered, DamagedModel or ModelError, with nothing
        moved, for one that can't be loaded, ForbiddenMove for a move that there is not, or where `expecting` does not hold any more.
        """
        if alias in DECIDING and self.current(name=name, alias=alias) != version:
            self._ready(name, version, accelerator)
        why = Why(actor=actor, reason=reason, evidence=evidence, now=now)
        with self._database.connection() as connection:
            aliases.lock(connection, name)
            automation = _automation_of(connection, name, version)
            standing = aliases.standing(connection, name)
            found = moves(standing, alias=alias, version=version)
            if found:
                _require_unmoved(name, standing, expecting or {})
            aliases.append(connection, name, found, why, automation=automation, ledger=self._ledger)

    def withdraw(
        self,
        *,
        name: str,
        alias: str,
        version: int,
        actor: str,
        reason: str,
        evidence: Mapping[str, Any],
        now: datetime,
    ) -> bool:
        """Let an alias point to nothing where it still points to `version`; False where it does not. Raises ForbiddenMove."""
        why = Why(actor=actor, reason=reason, evidence=evidence, now=now)
        with self._database.connection() as connection:
            aliases.lock(connection, name)
            standing = aliases.standing(connection, name)
            found = moves(standing, alias=alias, version=None)
            if not found or standing.get(alias) != version:
                return False
            automation = _automation_of(connection, name, version)
            aliases.append(connection, name, found, why, automation=automation, ledger=self._ledger)
        return True

    def rollback(
        self,
        *,
        name: str,
        actor: str,
        reason: str,
        evidence: Mapping[str, Any],
        now: datetime,
        accelerator: str = "cpu",
        leaving: int | None = None,
    ) -> int:
        """Point `champion` back at `last_good`, loaded first, and end a canary; returns that version.

        Raises UnknownModel where there is no other version, ForbiddenMove where the champion is not the version that is to be left.
        """
        with self._database.connection() as connection:
            target = _way_back(name, aliases.standing(connection, name))
        self._ready(name, target, accelerator)
        why = Why(actor=actor, reason=reason, evidence=evidence, now=now)
        with self._database.connection() as connection:
            aliases.lock(connection, name)
            standing = aliases.standing(connection, name)
            _require_unmoved(name, standing, {} if leaving is None else {CHAMPION: leaving})
            if _way_back(name, standing) != target:
                raise ModelError(f"model {name}: `last_good` was moved at this moment; look again, then roll back")
            automation = _automation_of(connection, name, target)
            found = moves(standing, alias=CHAMPION, version=target)
            aliases.append(connection, name, found, why, automation=automation, ledger=self._ledger)
        return target

    def history(self, name: str) -> list[AliasMove]:
        """Every move of every alias of this model, newest first."""
        with self._database.connection() as connection:
            return aliases.history(connection, name)

    def names(self) -> list[str]:
        """Every model that has a version."""
        return [row["name"] for row in self._rows("select distinct name from model_versions order by name", ())]

    def versions(self, name: str) -> list[ModelVersion]:
        """Every version of this model, newest first."""
        return [_version(row) for row in self._rows(f"{_SELECT} where name = %s order by version desc", (name,))]

    def get(self, name: str, version: int) -> ModelVersion:
        """One version. Raises UnknownModel."""
        rows = self._rows(f"{_SELECT} where name = %s and version = %s", (name, version))
        if not rows:
            raise UnknownModel(f"model {name} has no version {version}; `aios model list` shows what there is")
        return _version(rows[0])

    def _ready(self, name: str, version: int, accelerator: str) -> None:
        """Load a version from its files, whatever is kept in memory: they may have been damaged since."""
        model = self._open(name, version, accelerator)
        with self._lock:
            self._loaded[name, version, accelerator] = model

    def _open(self, name: str, version: int, accelerator: str) -> ScoringModel:
        files = self.files(name=name, version=version)
        wanted = read_manifest(files).get("accelerator", "cpu")
        use = "cuda" if wanted == accelerator == "cuda" else "cpu"
        model = ScoringModel.from_files(
            files, lambda onnx: open_session(onnx, accelerator=use), name=name, version=version
        )
        if GOLDEN_FILE in files:  # versions from before golden rows have none
            check(model, files[GOLDEN_FILE])
        return model

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
            if "onnx" in manifest:  # a cascade is several graphs, which Triton can't serve as one
                self._lake.put(f"models/{name}/config.pbtxt", triton_config(name, manifest).encode())
        except LakeError as error:
            raise ModelError(f"model {name} was not registered: {error}") from error

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


def _require_unmoved(name: str, standing: Mapping[str, int | None], expecting: Mapping[str, int | None]) -> None:
    moved = [alias for alias, version in expecting.items() if standing.get(alias) != version]
    if moved:
        raise ForbiddenMove(f"model {name}: {', '.join(moved)} was moved at this moment; look again, then decide again")


def _way_back(name: str, standing: Mapping[str, int | None]) -> int:
    champion, last_good = standing.get(CHAMPION), standing.get(LAST_GOOD)
    if last_good is None or last_good == champion:
        raise UnknownModel(
            f"model {name}: there is no other version to roll back to (champion {champion}, last_good {last_good}); "
            "promote a version, or hold its queues to review"
        )
    return last_good
