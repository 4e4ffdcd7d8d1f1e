"""A cascade: the fast model where it is sure, both below, and numbers of the whole."""

import hashlib
import json

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aios_core.errors import ModelError
from aios_core.scoring.cascade import ENCODER, FAST, Rule, part_files
from aios_core.scoring.model import ScoringModel, read_manifest
from aios_core.scoring.proof import prove
from aios_core.training.cascade import NEVER, fit_rule
from aios_core.training.trainers import train
from resources.registry import Registry
from resources.runtime import open_session
from tests.aios_core.training.encoder_making import cascade_model, rows, task, trained

FILES = trained("cascade", "int8").files
MODEL = ScoringModel.from_files(FILES, open_session, name="triage", version=1)
PARTS = {part: ScoringModel.from_files(part_files(FILES, part), open_session) for part in (FAST, ENCODER)}
NEW = rows()[2]
RULE = Rule(**read_manifest(FILES)["cascade"])


def probabilities(scored):
    return np.array(scored.column("probabilities").flatten()).reshape(scored.num_rows, -1)


def test_both_parts_are_whole_versions_and_the_whole_proves_itself():
    assert prove(FILES, open_session)["kind"] == "cascade"
    assert {part: model.manifest["kind"] for part, model in PARTS.items()} == {FAST: "linear_text", ENCODER: "encoder"}
    assert trained("cascade", "int8").agreement.agrees


def test_a_row_is_answered_by_the_fast_model_where_it_is_sure_and_by_both_elsewhere():
    scored = MODEL.score_batch(NEW)
    fast, encoder = (probabilities(PARTS[part].score_batch(NEW)) for part in (FAST, ENCODER))
    sure = fast.max(axis=1) >= RULE.threshold
    assert 0 < sure.sum() < NEW.num_rows
    assert scored.column("stage").to_pylist() == [FAST if s else ENCODER for s in sure]
    expected = np.where(sure[:, None], fast, RULE.joined(fast, encoder))
    assert np.abs(probabilities(scored) - expected).max() < 1e-5
    novelty = [
        PARTS[FAST if s else ENCODER].score_batch(NEW.slice(i, 1)).column("novelty")[0].as_py()
        for i, s in enumerate(sure)
    ]
    scale = MODEL.manifest["novelty"]
    expected = (np.array(novelty) - scale["center"]) / (scale["limit"] - scale["center"])
    assert np.abs(scored.column("novelty").to_numpy() - expected).max() < 1e-5


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, NEW.num_rows - 1), min_size=1, max_size=40))
def test_a_rows_score_is_the_same_to_the_last_bit_in_any_batch(chosen):
    scored = MODEL.infer(NEW.take(pa.array(chosen)).combine_chunks().to_batches()[0])
    for place, row in enumerate(chosen):
        alone = MODEL.infer(NEW.slice(row, 1).combine_chunks().to_batches()[0])
        assert scored.probabilities[place].tobytes() == alone.probabilities[0].tobytes()


def test_terms_speak_only_for_the_fast_models_answers():
    scored = MODEL.score_batch(NEW, explain=3)
    counts = [len(terms) for terms in scored.column("terms").to_pylist()]
    stages = scored.column("stage").to_pylist()
    assert {count for count, stage in zip(counts, stages, strict=True) if stage == ENCODER} == {0}
    assert min(count for count, stage in zip(counts, stages, strict=True) if stage == FAST) > 0


def test_the_card_and_curve_are_those_of_the_whole():
    manifest = read_manifest(FILES)
    parts = [model.manifest["out_of_fold"]["log_loss"] for model in PARTS.values()]
    assert manifest["out_of_fold"]["log_loss"] <= min(parts) + 0.02
    assert 0 < manifest["metrics"]["encoder_share"] < 1
    curve = manifest["operating_curve"]
    assert curve["accuracy"][0] == pytest.approx(manifest["out_of_fold"]["accuracy"], abs=0.02)


def scores(rng, rows, classes, right):
    """Probabilities that are right so often, surer where they are."""
    labels = rng.integers(0, classes, rows)
    margins = rng.normal(0, 1, (rows, classes))
    margins[np.arange(rows), labels] += right
    shifted = np.exp(margins)
    return shifted / shifted.sum(axis=1, keepdims=True), labels


@given(st.integers(0, 10_000), st.sampled_from([0.8, 0.9, 0.98]))
@settings(max_examples=20, deadline=None)
def test_the_threshold_is_the_lowest_at_which_the_fast_model_reached_its_accuracy(seed, accuracy):
    rng = np.random.default_rng(seed)
    fast, labels = scores(rng, 400, 4, 2.0)
    rule = fit_rule(fast, fast[rng.permutation(400)], labels, accuracy=accuracy)
    sure = rule.sure(fast)
    if rule.threshold != NEVER:
        assert (fast.argmax(axis=1) == labels)[sure].mean() >= accuracy - 1e-6
    else:
        assert not sure.any()


def test_weights_follow_whoever_is_right():
    rng = np.random.default_rng(3)
    fast, labels = scores(rng, 2_000, 4, 0.2)
    margins = rng.normal(0, 1, fast.shape)
    margins[np.arange(2_000), labels] += 3
    encoder = np.exp(margins) / np.exp(margins).sum(axis=1, keepdims=True)
    rule = fit_rule(fast, encoder, labels, accuracy=0.98)
    assert rule.encoder_weight > 3 * rule.fast_weight
    joined = rule.joined(fast, encoder)
    assert np.allclose(joined.sum(axis=1), 1.0)
    assert (joined.argmax(axis=1) == labels).mean() >= (encoder.argmax(axis=1) == labels).mean() - 0.01


def test_a_fast_model_that_is_never_good_enough_leaves_every_row_to_the_encoder():
    found = train(task(cascade_model("fp32", fast_accuracy=1.0)))
    manifest = read_manifest(found.files)
    if manifest["cascade"]["threshold"] == NEVER:
        assert manifest["metrics"]["encoder_share"] == 1.0
        assert any("reaches 100.0% at no threshold" in note for note in manifest["training"]["notes"])
    model = ScoringModel.from_files(found.files, open_session)
    stages = model.score_batch(NEW).column("stage").to_pylist()
    assert stages.count(FAST) <= NEW.num_rows * (1 - manifest["out_of_fold"]["encoder_share"]) + 20


def test_a_row_without_a_number_is_not_sure():
    rule = Rule(threshold=0.5, fast_weight=0.5, encoder_weight=0.5)
    assert rule.sure(np.array([[np.nan, np.nan], [0.9, 0.1]])).tolist() == [False, True]


def rewritten(change):
    """The version with another inner manifest, its checksums made to fit."""
    files = dict(FILES)
    inner = json.loads(files["fast/manifest.json"])
    change(inner)
    files["fast/manifest.json"] = json.dumps(inner).encode()
    outer = json.loads(files["manifest.json"])
    outer["checksums"]["fast/manifest.json"] = hashlib.sha256(files["fast/manifest.json"]).hexdigest()
    files["manifest.json"] = json.dumps(outer).encode()
    return files


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda inner: inner["classes"].reverse(), "other classes"),
        (lambda inner: inner.update(kind="cascade"), "can't be a part"),
        (lambda inner: inner["checksums"].pop("model.onnx"), "no checksum for model.onnx"),
    ],
)
def test_parts_that_do_not_fit_are_refused(change, told):
    with pytest.raises(ModelError, match=told):
        ScoringModel.from_files(rewritten(change), open_session)


def test_the_registry_keeps_and_loads_a_cascade(database, tmp_path):
    from resources.lake import Lake

    manifest, lake = read_manifest(FILES), Lake(str(tmp_path))
    registry = Registry(database, lake=lake)
    version = registry.register(
        name="triage",
        automation="triage",
        kind="cascade",
        files=FILES,
        snapshot_id="snap1",
        classes=manifest["classes"],
        metrics=manifest["metrics"],
        card=json.loads(FILES["card.json"]),
    )
    loaded = registry.load(name="triage", version=version, accelerator="cpu")
    assert loaded.score_batch(NEW.slice(0, 5)).column("stage").null_count == 0
    assert not lake.exists("models/triage/config.pbtxt")
