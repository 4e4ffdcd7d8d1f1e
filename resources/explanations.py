"""Explanations on demand: of one decision, of a version, and of the tickets behind a cell of its confusion matrix.

What belongs here: fetching what the pure code asks for (record, version, training set, tickets), what is kept ready in memory, and which
texts may be shown. What does not: how anything is explained (`aios_core/explanation/`).

What can't be had (a version whose files are gone, a training set that was deleted, an erased ticket) is said in words; the rest is
shown. Texts come from the tickets of now, never from a training set, so that an erased one is erased here too, and are masked
and cut: whoever needs all of a ticket opens its own page.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

import pyarrow as pa

from aios_core.decisions.record import decode_row, parse
from aios_core.errors import AiosError
from aios_core.explanation.contributions import Contributions, contributions, recorded
from aios_core.explanation.neighbours import (
    KEYS_FILE,
    VECTORS_FILE,
    Examples,
    K,
    Neighbour,
    by_embeddings,
    by_facts,
    by_terms,
    reads_facts,
)
from aios_core.explanation.settled import Step, headline, steps
from aios_core.explanation.version import (
    EXPLANATION_FILE,
    VersionExplained,
    count,
    encoder_of,
    explain_version,
    read_explanation,
)
from aios_core.features.encoding import CustomerEncoding
from aios_core.lifecycle.evaluation import EVALUATION_FILE, KEY, read_evaluation
from aios_core.privacy.masking import mask
from aios_core.scoring.cascade import ENCODER, FAST, part_files
from aios_core.scoring.encoder.text import TextEncoder
from aios_core.scoring.model import read_manifest
from aios_core.scoring.vocabulary import VOCABULARY_FILE, Vocabulary
from aios_core.training.snapshot import snapshot_from_bytes
from resources.comparisons import snapshot_path
from resources.database import Database
from resources.decisions import DecisionStore, StoredDecision
from resources.lake import Lake, LakeMissing
from resources.registry import ModelVersion, Registry
from resources.runtime import Accelerator, open_session

EXCERPT = 220
MOST_ROWS = 200
INDEXES, VERSIONS = 2, 16  # kept ready: some 40 MB and some 100 kB each

NOT_KNOWN = "Examples are not known for this kind of model."
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A labelled ticket near the one decided on. `text` is masked and cut; None: erased since, or not to be shown."""

    neighbour: Neighbour
    text: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionExplained:
    """Why a decision came out as it did. `measure` says what nearness is; `missing` why there are no neighbours."""

    decision_id: str
    headline: str
    steps: tuple[Step, ...]
    contributions: Contributions
    neighbours: tuple[Shown, ...]
    measure: str
    missing: str | None

    def as_json(self) -> dict[str, Any]:
        near = [asdict(each.neighbour) | {"text": each.text} for each in self.neighbours]
        return {
            "headline": self.headline,
            "steps": [step.as_json() for step in self.steps],
            "contributions": self.contributions.as_json(),
            "neighbours": {"measure": self.measure, "examples": near, "missing": self.missing},
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationRow:
    """A held-back ticket as a version saw it. `text` as in `Shown`."""

    source: str
    ticket_id: str
    ticket_version: str
    label: str
    queue: str
    confidence: float
    text: str | None


class Explanations:
    """Explanations of one database and one lake. Safe to share between threads: what costs much is done for one caller at a time."""

    def __init__(
        self, database: Database, *, lake: Lake, registry: Registry | None = None, accelerator: str = "cpu"
    ) -> None:
        self._database, self._lake, self._accelerator = database, lake, accelerator
        self._registry = registry or Registry(database, lake=lake)
        self._examples: OrderedDict[tuple[str, int, str], Examples] = OrderedDict()
        self._versions: OrderedDict[tuple[str, int], VersionExplained] = OrderedDict()
        self._heavy = threading.Lock()

    def decision(self, decision_id: str, *, count: int = K) -> DecisionExplained:
        """One decision, with `count` neighbours. Raises UnknownDecision."""
        stored = DecisionStore(self._database).get(decision_id)
        record = parse(stored.record)
        told = self._contributions(stored, record)
        near, measure, missing = self._neighbours(stored, record, told, count=count)
        texts = self._texts(stored.automation, [(n.source, n.ticket_id, n.ticket_version) for n in near])
        return DecisionExplained(
            decision_id=decision_id,
            headline=headline(record),
            steps=steps(record),
            contributions=told,
            neighbours=tuple(
                Shown(neighbour=n, text=texts.get((n.source, n.ticket_id, n.ticket_version))) for n in near
            ),
            measure=measure,
            missing=missing,
        )

    def version(self, name: str, version: int) -> VersionExplained | None:
        """A version as a whole: as training wrote it, else as far as its files tell now; None where it kept no held-back rows.

        Raises UnknownModel, and ModelError for damaged files.
        """
        row = self._registry.get(name, version)
        return _kept(self._versions, (name, version), VERSIONS, self._heavy, lambda: self._version(row))

    def cell(
        self, name: str, version: int, *, label: str, predicted: str, with_text: bool, limit: int = MOST_ROWS
    ) -> list[EvaluationRow]:
        """The held-back tickets of `label` that the version gave to `predicted`, the surest first. `with_text`: masked excerpts too."""
        row = self._registry.get(name, version)
        table = self._evaluation(row)
        if table is None:
            return []
        rows = [each for each in table.to_pylist() if each["label"] == label and each["queue"] == predicted]
        rows.sort(key=lambda each: -max(each["probabilities"]))
        rows = rows[:limit]
        keys = [tuple(each[part] for part in KEY) for each in rows]
        texts = self._texts(row.automation, keys) if with_text else {}
        return [
            EvaluationRow(
                **{part: each[part] for part in (*KEY, "label", "queue")},
                confidence=max(each["probabilities"]),
                text=texts.get(key),
            )
            for each, key in zip(rows, keys, strict=True)
        ]

    # --- one decision

    def _contributions(self, stored: StoredDecision, record: dict[str, Any]) -> Contributions:
        if not record["scored"] or stored.queue is None:
            return Contributions(
                method="none", told="There was no usable score, so no words spoke for a queue.", terms=()
            )
        try:
            manifest = self._registry.manifest(name=stored.model_name, version=stored.model_version)
            held = recorded(record["terms"], kind=manifest["kind"], estimator=manifest.get("estimator"))
            if held is not None:
                return held
            with self._heavy:
                model = self._registry.load(
                    name=stored.model_name, version=stored.model_version, accelerator=self._accelerator
                )
                return contributions(model, _row(record), record["predicted"])
        except AiosError as error:
            unread = Contributions(method="none", told=f"The version can't be asked: {error}", terms=())
            return recorded(record["terms"], kind=None, estimator=None) or unread

    def _neighbours(
        self, stored: StoredDecision, record: dict[str, Any], told: Contributions, *, count: int
    ) -> tuple[list[Neighbour], str, str | None]:
        if not stored.model_version:
            return [], "", "No model version was asked, so there are no examples that it learnt from."
        # of a cascade, by the eyes of the part that answered: words were left out only where that was the encoder
        part = ENCODER if told.method == "occlusion" else FAST
        try:
            row = self._registry.get(stored.model_name, stored.model_version)
            key = (row.name, row.version, part if row.kind == "cascade" else "")
            examples = _kept(self._examples, key, INDEXES, self._heavy, lambda: self._index(row, part))
        except AiosError as error:
            return [], "", str(error)
        if examples is None:
            return [], "", NOT_KNOWN
        batch = _row(record).combine_chunks().to_batches()[0]
        return examples.nearest(batch, count=count), examples.measure, None

    def _index(self, row: ModelVersion, part: str) -> Examples | None:
        files = self._registry.files(name=row.name, version=row.version)
        own = part_files(files, part) if row.kind == "cascade" else files
        manifest = self._registry.manifest(name=row.name, version=row.version)
        if VECTORS_FILE in own and KEYS_FILE in own:
            said = read_manifest(own)["encoder"]
            use: Accelerator = "cuda" if manifest.get("accelerator") == self._accelerator == "cuda" else "cpu"
            encoder = TextEncoder.from_files(
                own,
                lambda onnx: open_session(onnx, accelerator=use),
                max_tokens=said["max_tokens"],
                run_tokens=said["run_tokens"],
            )
            return by_embeddings(encoder, own[VECTORS_FILE], own[KEYS_FILE])
        if VOCABULARY_FILE in own:
            return by_terms(Vocabulary.from_files(own), self._snapshot(row))
        if reads_facts(manifest) and "customer" in manifest:
            return by_facts(CustomerEncoding.from_json(manifest["customer"]), self._snapshot(row))
        return None

    # --- a version

    def _version(self, row: ModelVersion) -> VersionExplained | None:
        if EXPLANATION_FILE in row.files:
            return read_explanation(self._registry.file(name=row.name, version=row.version, path=EXPLANATION_FILE))
        table = self._evaluation(row)
        if table is None:
            return None
        try:
            features = self._snapshot(row)
        except LakeMissing:
            return count(table, row.classes)
        model = self._registry.load(name=row.name, version=row.version, accelerator=self._accelerator)
        encoder = None
        if row.kind == "cascade":
            encoder = encoder_of(self._registry.files(name=row.name, version=row.version), open_session)
        return explain_version(model, table, features, tier=None, encoder=encoder)

    def _evaluation(self, row: ModelVersion) -> pa.Table | None:
        if EVALUATION_FILE not in row.files:
            return None
        return read_evaluation(self._registry.file(name=row.name, version=row.version, path=EVALUATION_FILE))

    def _snapshot(self, row: ModelVersion) -> pa.Table:
        return snapshot_from_bytes(self._lake.get(snapshot_path(row.automation, row.snapshot_id)))

    def _texts(self, automation: str, keys: Sequence[tuple[str, ...]]) -> dict[tuple[str, ...], str]:
        """Masked excerpts by (source, ticket id, version); an erased ticket is not among them."""
        if not keys:
            return {}
        with self._database.connection() as connection:
            rows = connection.execute(
                "select t.source, t.ticket_id, t.version, t.subject, t.body from tickets t"
                " join unnest(%s::text[], %s::text[], %s::text[]) as k (source, ticket_id, version)"
                " on t.source = k.source and t.ticket_id = k.ticket_id and t.version = k.version where t.automation = %s",
                (*(list(part) for part in zip(*keys, strict=True)), automation),
            ).fetchall()
        return {(s, i, v): excerpt(subject, body) for s, i, v, subject, body in rows}


def excerpt(subject: str | None, body: str | None) -> str:
    """A ticket's text for orientation: one line, masked, cut."""
    joined = " · ".join(" ".join(part.split()) for part in (subject, body) if part and part.strip())
    return mask(joined, limit=EXCERPT)


def _kept(
    memory: OrderedDict[Any, _T], key: Any, most: int, lock: threading.Lock, made: Callable[[], _T | None]
) -> _T | None:
    """What is in memory under a key, made where it is not; the longest unused goes first."""
    with lock:
        if key not in memory:
            found = made()
            if found is None:
                return None
            memory[key] = found
            while len(memory) > most:
                memory.popitem(last=False)
        memory.move_to_end(key)
        return memory[key]


def _row(record: dict[str, Any]) -> pa.Table:
    return decode_row(record["ticket"]["columns"], record["ticket"]["values"])
