"""The weights that the extra `encoder` brings, in our graphs: what their makers and the formulas say of them."""

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load

from aios_core.automation import EncoderSettings
from aios_core.errors import ConfigurationError
from aios_core.training.encoder.fit import prepare
from benchmarks.encoder import weights
from resources.model_folders import read_folder
from resources.runtime import open_session
from tests.aios_core.training.encoder_making import vectors

# https://sbert.net/docs/quickstart.html prints these for all-MiniLM-L6-v2, computed by its own library
TEXTS = ["The weather is lovely today.", "It's so sunny outside!", "He drove to the stadium."]
SIMILARITIES = [[1.0, 0.6660, 0.1046], [0.6660, 1.0, 0.1411], [0.1046, 0.1411, 1.0]]


@pytest.fixture(scope="module")
def files():
    try:
        return read_folder(weights(), beside=Path())
    except ConfigurationError as error:
        pytest.skip(f"THE ENCODER IS NOT TESTED WITH REAL WEIGHTS: {error}")


@pytest.fixture(scope="module")
def prepared(files):
    return {
        precision: prepare(files, EncoderSettings(precision=precision), accelerator="cpu", open_session=open_session)
        for precision in ("fp32", "int8")
    }


def test_the_graph_says_what_its_makers_and_numpy_say(files, prepared):
    encoder = prepared["fp32"].open(open_session)
    found = encoder.embed(TEXTS)
    assert np.abs(found @ found.T - SIMILARITIES).max() < 1e-4
    ids = encoder.tokens.windows(TEXTS[:1]).ids
    mean = vectors(ids, json.loads(files["config.json"]), load(files["model.safetensors"])).mean(axis=0)
    assert np.abs(found[0] - mean / np.linalg.norm(mean)).max() < 1e-5


def test_int8_keeps_the_meaning_and_a_quarter_of_the_bytes(prepared):
    exact, small = (prepared[precision].open(open_session).embed(TEXTS) for precision in ("fp32", "int8"))
    assert (exact * small).sum(axis=1).min() > 0.995
    assert np.abs(small @ small.T - SIMILARITIES).max() < 0.03
    whole, part = (len(prepared[precision].files()["model.onnx"]) for precision in ("fp32", "int8"))
    assert part < 24_000_000 < 90_000_000 < whole


def test_a_texts_embedding_is_the_same_to_the_last_bit_in_any_batch(prepared):
    texts = [f"{text} {'again ' * number}" for number in range(30) for text in TEXTS]
    for encoder in (p.open(open_session) for p in prepared.values()):
        together = encoder.embed(texts)
        assert together[:12].tobytes() == b"".join(encoder.embed([text]).tobytes() for text in texts[:12])
