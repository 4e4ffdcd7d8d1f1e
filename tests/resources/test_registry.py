import json
import threading
from datetime import UTC, datetime, timedelta

import pytest

from aios_core.errors import ModelError
from aios_core.scoring.model import MANIFEST_FILE, MODEL_FILE
from aios_core.training.files import CARD_FILE
from resources.lake import Lake, LakeError
from resources.ledger import Ledger
from resources.placement import summary
from resources.registry import DamagedModel, Registry, UnknownModel
from tests.aios_core.training.making import small, small_files, small_version

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
FILES = small_files()


@pytest.fixture
def lake(tmp_path):
    return Lake(tmp_path / "lake")


@pytest.fixture
def registry(database, lake):
    return Registry(database, lake=lake)


def variant(number):
    """The same model exported from another snapshot: other content, another version."""
    return small_version(f"snap{number}")


def register(registry, files=FILES, name="triage"):
    manifest = json.loads(files[MANIFEST_FILE])
    return registry.register(
        name=name,
        automation="triage",
        kind=manifest["kind"],
        files=files,
        snapshot_id=manifest["training"]["snapshot_id"],
        classes=manifest["classes"],
        metrics=manifest["metrics"],
        card=json.loads(files[CARD_FILE]),
    )


def move(registry, version, alias="champion", minutes=0):
    registry.move(
        name="triage", alias=alias, version=version, actor="ana", reason="because", evidence={"macro_f1": 0.9},
        now=NOW + timedelta(minutes=minutes),
    )  # fmt: skip


def rollback(registry):
    return registry.rollback(name="triage", actor="judge", reason="worse", evidence={"accuracy": 0.5}, now=NOW)


def test_a_version_is_registered_in_the_layout_that_triton_reads(registry, lake):
    assert register(registry) == 1
    assert set(lake.paths("models")) == {f"models/triage/1/{path}" for path in FILES} | {"models/triage/config.pbtxt"}
    assert b'name: "triage"' in lake.get("models/triage/config.pbtxt")
    row = registry.get("triage", 1)
    assert (row.automation, row.kind, row.snapshot_id) == ("triage", "linear_text", "snap1")
    assert row.classes == ("billing", "outage", "roaming")
    assert row.metrics["macro_f1"] > 0.8
    assert row.card["data"]["rows"] == 600


def test_the_same_content_is_the_same_version(registry):
    assert [register(registry), register(registry), register(registry, variant(2)), register(registry)] == [1, 1, 2, 1]
    assert [row.version for row in registry.versions("triage")] == [2, 1]


def test_two_processes_registering_at_once_get_what_they_brought(registry):
    results = {}

    def run(number):
        results[number] = register(registry, variant(number))

    threads = [threading.Thread(target=run, args=(n,)) for n in (1, 2, 3, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results.values()) == [1, 2, 3]
    for number, version in results.items():
        assert registry.get("triage", version).snapshot_id == f"snap{number}"
        assert registry.load(name="triage", version=version, accelerator="cpu").version == version


def test_a_loaded_version_scores_and_is_kept_ready(registry):
    version = register(registry)
    _, new, labels = small()
    model = registry.load(name="triage", version=version, accelerator="cpu")
    scored = model.score_batch(new)
    assert (model.name, model.version, list(summary(model))) == ("triage", 1, ["CPUExecutionProvider"])
    assert scored.column("model_version")[0].as_py() == 1
    assert sum(a == b for a, b in zip(scored.column("queue").to_pylist(), labels, strict=True)) > 170
    assert registry.load(name="triage", version=version, accelerator="cpu") is model


@pytest.mark.parametrize("path", sorted(FILES))
def test_a_missing_or_changed_file_is_named_when_loading(registry, lake, path):
    register(registry)
    where = f"models/triage/1/{path}"
    lake.put(where, FILES[path] + b" ")
    with pytest.raises(DamagedModel, match=f"{where} is not the file that was registered.*restore it"):
        registry.load(name="triage", version=1, accelerator="cpu")
    lake.delete(where)
    with pytest.raises(DamagedModel, match=f"{where} is missing"):
        registry.load(name="triage", version=1, accelerator="cpu")


def test_registering_again_heals_a_version_whose_files_are_gone(registry, lake):
    register(registry)
    lake.delete(f"models/triage/1/{MODEL_FILE}")
    assert register(registry) == 1
    assert registry.load(name="triage", version=1, accelerator="cpu").version == 1


class FullLake(Lake):
    """A lake whose disk is full after a few files."""

    def put(self, path, content):
        if len(self.paths("models")) >= 3:
            raise LakeError(f"{path}: no space left on device")
        return super().put(path, content)


def test_a_registration_that_fails_half_way_registers_nothing_and_the_next_one_starts_clean(
    database, tmp_path, registry, lake
):
    with pytest.raises(ModelError, match="triage was not registered: .*no space left"):
        register(Registry(database, lake=FullLake(tmp_path / "lake")))
    assert registry.versions("triage") == []
    lake.put("models/triage/1/left-over", b"x")
    assert register(registry) == 1
    assert "models/triage/1/left-over" not in lake.paths("models")


def test_files_that_are_no_version_are_refused(registry):
    without = {path: content for path, content in FILES.items() if path != "idf.npy"}
    with pytest.raises(ModelError, match=r"idf\.npy is missing"):
        register(registry, without)
    with pytest.raises(ModelError, match="kind or classes"):
        registry.register(
            name="triage", automation="triage", kind="linear_text", files=FILES, snapshot_id="s", classes=["other"], metrics={},
            card={},
        )  # fmt: skip
    assert registry.versions("triage") == []


def test_aliases_point_keep_the_last_good_and_remember_everything(registry):
    for number in (1, 2, 3):
        register(registry, variant(number))
    assert registry.current(name="triage") is None
    move(registry, 1)
    assert (registry.current(name="triage"), registry.current(name="triage", alias="last_good")) == (1, None)
    move(registry, 2, minutes=1)
    move(registry, 2, minutes=2)
    move(registry, 3, alias="shadow", minutes=3)
    assert (registry.current(name="triage"), registry.current(name="triage", alias="last_good")) == (2, 1)
    history = [(m.alias, m.version, m.previous_version) for m in registry.history("triage")]
    assert history == [("shadow", 3, None), ("last_good", 1, None), ("champion", 2, 1), ("champion", 1, None)]
    newest = registry.history("triage")[0]
    assert (newest.actor, newest.reason, newest.evidence) == ("ana", "because", {"macro_f1": 0.9})
    assert newest.moved_at == NOW + timedelta(minutes=3)


def test_a_rollback_goes_to_the_last_good_and_does_not_make_the_bad_one_good(registry):
    register(registry, variant(1))
    register(registry, variant(2))
    register(registry, variant(3))
    move(registry, 1)
    move(registry, 2)
    assert rollback(registry) == 1
    assert (registry.current(name="triage"), registry.current(name="triage", alias="last_good")) == (1, 1)
    with pytest.raises(UnknownModel, match="no other version to roll back to"):
        rollback(registry)
    move(registry, 3)
    assert registry.current(name="triage", alias="last_good") == 1


def test_a_promotion_by_hand_back_to_the_last_good_counts_as_a_rollback(registry):
    register(registry, variant(1))
    register(registry, variant(2))
    move(registry, 1)
    move(registry, 2)
    move(registry, 1)
    assert (registry.current(name="triage"), registry.current(name="triage", alias="last_good")) == (1, 1)


def test_a_rollback_without_any_champion_is_refused(registry):
    with pytest.raises(UnknownModel, match="promote a version"):
        rollback(registry)


def test_aliases_of_unknown_versions_and_unknown_aliases_are_refused(registry):
    register(registry)
    with pytest.raises(UnknownModel, match="triage has no version 7"):
        move(registry, 7)
    with pytest.raises(ModelError, match="'boss' is not known"):
        move(registry, 1, alias="boss")
    with pytest.raises(UnknownModel):
        registry.get("triage", 7)
    assert registry.history("triage") == []


def test_rollbacks_at_the_same_moment_move_the_alias_once(registry):
    for number in (1, 2):
        register(registry, variant(number))
    move(registry, 1)
    move(registry, 2)
    results = []

    def run():
        try:
            results.append(rollback(registry))
        except UnknownModel:
            results.append(None)

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results, key=str) == [1, None, None, None]


def test_every_move_is_in_the_ledger_when_there_is_one(database, lake):
    ledger = Ledger(database)
    registry = Registry(database, lake=lake, ledger=ledger)
    for number in (1, 2):
        register(registry, variant(number))
    move(registry, 1)
    move(registry, 2)
    rollback(registry)
    found = [(entry.kind, entry.subject) for entry in ledger.entries()]
    assert found == [("alias", f"triage@{a}") for a in ("champion", "champion", "last_good", "champion")]
    assert ledger.verify().ok


def test_one_file_of_a_version_can_be_read_alone(registry):
    register(registry)
    assert registry.file(name="triage", version=1, path="card.md") == FILES["card.md"]
    assert registry.manifest(name="triage", version=1)["kind"] == "linear_text"
    with pytest.raises(ModelError, match=r"no file nope\.txt \(it has calibration\.png"):
        registry.file(name="triage", version=1, path="nope.txt")
