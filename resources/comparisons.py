"""Two versions of a model side by side: what each says of tickets that neither has learnt.

What belongs here: finding those tickets and what each version says of them (frozen evaluation sets, training snapshots, scoring
anew), and keeping a comparison for the console. What does not: counting (`aios_core/lifecycle/comparison.py`) and what follows
(`gatekeeper.py`).
"""

import json
from collections.abc import Sequence

import pyarrow as pa

from aios_core.decisions.decide import decide
from aios_core.decisions.model import rules_for
from aios_core.lifecycle import evaluation
from aios_core.lifecycle.comparison import Answer, Comparison, ComparisonError, compare, read_comparison
from aios_core.scoring.model import ScoringModel
from aios_core.training.snapshot import snapshot_from_bytes
from resources.database import Database
from resources.declarations import Declared
from resources.lake import Lake, LakeMissing
from resources.modes import ModeStore
from resources.registry import ModelVersion, Registry

MIN_ROWS = 100  # fewer common rows say less than the metrics that each version was registered with
MAX_ROWS = 5_000  # of the newest: two accuracies are then known to half a point, in seconds
CHUNK = 512
FOLDER = "comparisons"
HELD_BACK = "held-back tickets that neither version had learnt"


class Comparer:
    """The versions of one automation's model, ready to be heard on the same tickets."""

    def __init__(
        self, declared: Declared, *, database: Database, lake: Lake, registry: Registry, accelerator: str = "cpu"
    ) -> None:
        self._automation = declared.automation
        from resources.policy import RegoPolicy  # the gateway reads comparisons, and starts without the policy engine

        self._policy = RegoPolicy(declared.policy_text)
        self._database, self._lake, self._registry = database, lake, registry
        self._accelerator = accelerator
        self._name = declared.automation.model_name

    def compare(self, old: int, new: int) -> Comparison:
        """Two versions on the newer one's frozen evaluation set, as far as the older can be heard on it honestly; kept for the console.

        The answer is from `old` to `new`, whichever of the two is newer. Raises ComparisonError where there are too few rows, or the files
        to compare with are gone.
        """
        found = self._compared(old, new)
        self._lake.put(
            comparison_path(self._automation.name, self._name, old, new), json.dumps(found.as_json()).encode()
        )
        return found

    def load(self, version: int) -> ScoringModel:
        """The version, ready to score."""
        return self._registry.load(name=self._name, version=version, accelerator=self._accelerator)

    def files(self, version: int) -> dict[str, bytes]:
        """A version's files, checked."""
        return self._registry.files(name=self._name, version=version)

    def predict(self, version: int, features: pa.Table) -> list[str | None]:
        """The queue that a version gives each row."""
        return [str(q) for q in self._scored(version, features).column("queue").to_pylist()]

    def learnt(self, version: int) -> set[tuple[str, str]]:
        """(source, ticket id) of what a version was trained on; nothing where its snapshot is gone."""
        snapshot = self._snapshot(self._registry.get(self._name, version))
        return set() if snapshot is None else evaluation.learnt(snapshot)

    def answers(self, version: int, features: pa.Table, scores: pa.Table) -> list[Answer]:
        """What the version would do with these tickets under the rules of now; scores in the order of the features."""
        rules = rules_for(
            self._automation,
            policy_revision=self._policy.revision,
            model_version=version,
            manifest=self._registry.manifest(name=self._name, version=version),
            modes=ModeStore(self._database).current(self._automation.name),
        )
        wanted = scores.select([*evaluation.KEY, "probabilities", "queue"])
        made = decide(features, wanted, rules=rules, policy=self._policy.ask)
        return [
            Answer(queue=queue, verdict=decision.verdict)
            for queue, decision in zip(wanted.column("queue").to_pylist(), made, strict=True)
        ]

    def frozen(self, row: ModelVersion) -> pa.Table | None:
        """A version's evaluation set; None for versions from before there was one."""
        if evaluation.EVALUATION_FILE not in row.files:
            return None
        content = self._registry.file(name=row.name, version=row.version, path=evaluation.EVALUATION_FILE)
        return evaluation.read_evaluation(content)

    def features_of(self, row: ModelVersion, keys: Sequence[evaluation.Key]) -> pa.Table | None:
        """The features of these tickets as the version's snapshot has them; None where that is gone, or nothing is asked."""
        snapshot = self._snapshot(row)
        if snapshot is None or not keys:
            return None
        return evaluation.rows_of(snapshot, keys).drop_columns(["label"])

    def tiers(self, features: pa.Table) -> list[str | None] | None:
        """Each row's customer tier; None where no tier is declared, or the features have no such column."""
        column = f"crm_{self._automation.lifecycle.tier}"
        if self._automation.lifecycle.tier is None or column not in features.column_names:
            return None
        return [None if v is None else str(v) for v in features.column(column).to_pylist()]

    def _compared(self, old: int, new: int) -> Comparison:
        if old == new:
            raise ComparisonError(f"version {old} can't be compared with itself; name two versions")
        older, newer = (self._registry.get(self._name, v) for v in (min(old, new), max(old, new)))
        frozen, snapshot = self.frozen(newer), self._snapshot(newer)
        if frozen is None or snapshot is None:
            raise ComparisonError(
                f"model {self._name}: version {newer.version} has no evaluation set or its training snapshot {newer.snapshot_id} is gone; "
                "train again, then compare"
            )
        heard = self._heard(older, frozen, snapshot)
        rows = evaluation.rows_of(frozen, evaluation.keys_of(heard))
        features = evaluation.rows_of(snapshot, evaluation.keys_of(heard)).drop_columns(["label"])
        answers = {
            newer.version: self.answers(newer.version, features, rows),
            older.version: self.answers(older.version, features, heard),
        }
        return compare(
            rows.column("label").to_pylist(),
            old=(old, answers[old]),
            new=(new, answers[new]),
            automation=self._automation,
            tiers=self.tiers(features),
            rows_from=HELD_BACK,
        )

    def _heard(self, older: ModelVersion, frozen: pa.Table, snapshot: pa.Table) -> pa.Table:
        """What the older version says of the newer one's evaluation rows: as frozen, or scored now where it never saw them."""
        own, learnt = self.frozen(older), self._snapshot(older)
        if learnt is None:
            raise ComparisonError(
                f"model {self._name}: the training snapshot {older.snapshot_id} of version {older.version} is gone, so nobody knows "
                "what it had learnt; compare with another version"
            )
        held_back, unseen = evaluation.common_rows(frozen, own, evaluation.learnt(learnt))
        held_back, unseen = _newest(held_back, unseen, frozen)
        if len(held_back) + len(unseen) < MIN_ROWS:
            raise ComparisonError(
                f"model {self._name}: {len(held_back) + len(unseen)} held-back tickets are new to both versions, {MIN_ROWS} are needed; "
                "wait for more outcomes and train again"
            )
        columns = [*evaluation.KEY, "probabilities", "queue"]
        parts = [evaluation.rows_of(own, held_back).select(columns)] if own is not None and held_back else []
        if unseen:
            features = evaluation.rows_of(snapshot, unseen).drop_columns(["label"])
            parts.append(self._scored(older.version, features).select(columns))
        return pa.concat_tables(parts, promote_options="permissive")

    def _scored(self, version: int, features: pa.Table) -> pa.Table:
        model = self.load(version)
        chunks = [model.score_batch(features.slice(start, CHUNK)) for start in range(0, features.num_rows, CHUNK)]
        return pa.Table.from_batches(chunks)

    def _snapshot(self, row: ModelVersion) -> pa.Table | None:
        try:
            return snapshot_from_bytes(self._lake.get(snapshot_path(row.automation, row.snapshot_id)))
        except LakeMissing:
            return None


def kept_comparison(lake: Lake, *, automation: str, name: str, old: int, new: int) -> Comparison | None:
    """A comparison that was made before; None where these two were never compared. Raises ComparisonError for a damaged one."""
    path = comparison_path(automation, name, old, new)
    if not lake.exists(path):
        return None
    try:
        content = json.loads(lake.get(path))
    except ValueError as error:
        raise ComparisonError(f"{path} is not JSON ({error}); compare the versions again") from error
    return read_comparison(content)


def kept_comparisons(lake: Lake, *, automation: str, name: str) -> list[tuple[int, int]]:
    """(old, new) of every comparison that was made, the newest versions first."""
    stems = [path.rsplit("/", 1)[-1].removesuffix(".json") for path in lake.paths(f"{automation}/{FOLDER}/{name}")]
    pairs = [tuple(int(part) for part in stem.split("-")) for stem in stems]
    return sorted(((old, new) for old, new in pairs), key=lambda pair: (-max(pair), pair))


def comparison_path(automation: str, name: str, old: int, new: int) -> str:
    """Where a comparison is kept in the lake."""
    return f"{automation}/{FOLDER}/{name}/{old}-{new}.json"


def snapshot_path(automation: str, snapshot_id: str) -> str:
    """Where a training set is kept in the lake."""
    return f"{automation}/training_sets/{snapshot_id}.parquet"


def _newest(
    held_back: list[evaluation.Key], unseen: list[evaluation.Key], frozen: pa.Table
) -> tuple[list[evaluation.Key], list[evaluation.Key]]:
    """Both lists less the oldest rows, where there are too many; the evaluation set is in time order."""
    chosen = set(held_back) | set(unseen)
    keep = set([key for key in evaluation.keys_of(frozen) if key in chosen][-MAX_ROWS:])
    return [key for key in held_back if key in keep], [key for key in unseen if key in keep]
