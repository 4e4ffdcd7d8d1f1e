"""Training an encoder: one fit for training and serving, honest numbers, a version that proves itself."""

import json
from dataclasses import replace

import numpy as np
import pytest

from aios_core.errors import ModelError
from aios_core.scoring.model import ScoringModel, read_manifest
from aios_core.scoring.proof import prove
from aios_core.training.encoder.fit import fit_encoder
from aios_core.training.encoder.head import SHARED, fit_centers, fit_classifier
from aios_core.training.encoder.train import encoder_parity
from aios_core.training.parity import Parity
from aios_core.training.rows import usable_rows
from aios_core.training.trainers import train
from resources.runtime import open_session
from tests.aios_core.training.encoder_making import encoder_model, prepared, rows, task, trained


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_a_version_agrees_with_scikit_learn_proves_itself_and_knows_new_tickets(precision):
    found = trained("encoder", precision)
    assert found.agreement.agrees
    assert found.agreement.rows == 700
    assert found.agreement.max_probability_error < 1e-5
    manifest = prove(found.files, open_session)
    assert (manifest["kind"], manifest["encoder"]["precision"]) == ("encoder", precision)
    _, _, new, labels = rows()
    scored = ScoringModel.from_files(found.files, open_session).score_batch(new)
    accuracy = np.mean(np.array(scored.column("queue").to_pylist()) == np.array(labels))
    assert accuracy > 0.7  # a random encoder, three queues
    assert abs(accuracy - manifest["metrics"]["accuracy"]) < 0.15


def test_equal_fits_give_equal_bytes():
    assert train(task(encoder_model("int8"))).files == trained("encoder", "int8").files


def test_int8_stores_no_float_copy_and_keeps_the_weights_licence():
    whole, small = (trained("encoder", precision).files for precision in ("fp32", "int8"))
    assert len(small["model.onnx"]) < len(whole["model.onnx"])
    assert small["weights/NOTICE"] == b"Made by a test."
    assert read_manifest(small)["golden_tolerance"] == 0.02
    assert "golden_tolerance" not in read_manifest(whole)


def test_parity_sees_a_version_with_another_head():
    features, labels, _, _ = rows()
    model = encoder_model("fp32")
    data = usable_rows(features, labels, training=model.training, queues=())
    told = []
    fitted = fit_encoder(
        data, prepared("fp32"), model, training=model.training, open_session=open_session, progress=told.append
    )
    assert len([line for line in told if "embedding" in line]) == 1
    other = replace(fitted, classifier=fit_classifier(
        np.random.default_rng(1).normal(size=(60, 32)), np.arange(60) % 3, classes=3, regularization=1.0))  # fmt: skip
    files = trained("encoder", "fp32").files
    assert encoder_parity(fitted, files, features.slice(0, 50), open_session).agrees
    assert not encoder_parity(other, files, features.slice(0, 50), open_session).agrees


@pytest.mark.parametrize(
    ("mismatches", "share", "agrees"), [(0, 1.0, True), (1, 1.0, False), (5, 0.995, True), (6, 0.995, False)]
)
def test_labels_agree_where_enough_of_them_do(mismatches, share, agrees):
    assert Parity(1_000, mismatches, 0.0, min_agreement=share).agrees is agrees


def test_two_queues_are_calibrated_like_many():
    features, labels, _, _ = rows()
    two = ["billing" if label == "billing" else "outage" for label in labels]
    found = train(task(encoder_model("fp32"), features, two))
    assert found.agreement.agrees
    assert read_manifest(found.files)["classes"] == ["billing", "outage"]


def test_a_class_that_a_fold_lacks_is_out_of_reach_there():
    embeddings = np.random.default_rng(0).normal(size=(40, 8))
    found = fit_classifier(embeddings, np.array([0, 2] * 20), classes=3, regularization=1.0)
    assert (found.margins(embeddings).argmin(axis=1) == 1).all()
    alone = fit_classifier(embeddings, np.full(40, 1), classes=3, regularization=1.0)
    assert (alone.margins(embeddings).argmax(axis=1) == 1).all()


def test_no_center_is_one_text():
    rng = np.random.default_rng(0)
    crowd, loners = rng.normal(size=(200, 16)) * 0.01 + 1.0, -np.eye(16)[:3] * 50
    centers = fit_centers(np.vstack([crowd, loners]))
    assert np.allclose(np.linalg.norm(centers, axis=1), 1.0)
    cosines = centers @ (loners / np.linalg.norm(loners, axis=1, keepdims=True)).T
    assert SHARED > 1
    assert cosines.max() < 0.9


def test_a_damaged_version_is_refused_by_the_file():
    files = dict(trained("encoder", "fp32").files)
    files["head.onnx"] = b"junk"
    with pytest.raises(ModelError, match=r"head\.onnx is not the file"):
        ScoringModel.from_files(files, open_session)
    manifest = json.loads(trained("encoder", "fp32").files["manifest.json"])
    del manifest["encoder"]
    broken = {**trained("encoder", "fp32").files, "manifest.json": json.dumps(manifest).encode()}
    with pytest.raises(ModelError, match="kind encoder"):
        ScoringModel.from_files(broken, open_session)
