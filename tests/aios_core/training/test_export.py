"""A version's files: complete, plain, equal for equal fits, and in agreement with scikit-learn."""

import io
import json

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from aios_core.scoring.model import MANIFEST_FILE, MODEL_FILE, ScoringModel
from aios_core.training import reference
from aios_core.training.export import export, wording_column
from aios_core.training.files import CARD_FILE, CARD_TEXT, PLOT_FILE, REFERENCE_FILE, with_golden
from aios_core.training.graph import bag_graph
from aios_core.training.parity import parity
from aios_core.training.reference import representative
from resources.runtime import open_session
from tests.aios_core.training.making import automation, small, small_files, table

FILES = small_files()


def test_scikit_learn_and_the_version_agree_on_every_row():
    fitted, new, labels = small()
    agreement = parity(fitted, FILES, new, open_session)
    assert agreement.rows == 200
    assert agreement.label_mismatches == 0
    assert agreement.max_probability_error < 1e-5
    assert agreement.agrees
    model = ScoringModel.from_files(FILES, open_session)
    assert np.mean(np.array(model.score_batch(new).column("queue").to_pylist()) == np.array(labels)) > 0.85


def test_scikit_learn_and_the_version_agree_on_text_that_nobody_would_write():
    fitted, _, _ = small()
    texts = [
        "",
        "\x00",
        "ΣΊΣΥΦΟΣ ΣΑΣ",
        "İİ ß ﬃ",
        "💳💳 invoice",
        "أين فاتورتي",
        "no-signal/no.signal",
        "a" * 5_000,
        "\u2028invoice\x85late",
    ]
    odd = table(texts, facts=[{"plan": "nope", "tenure_months": -1e9}] * len(texts), spec=fitted.features)
    assert parity(fitted, FILES, odd, open_session).agrees


def test_a_version_that_disagrees_is_found_out():
    fitted, new, _ = small()
    other = bag_graph(
        fitted.linear.coefficients[:, ::-1],
        fitted.linear.intercepts,
        temperature=fitted.assessed.temperature,
        wording=wording_column(fitted),
    )
    agreement = parity(fitted, FILES, new, lambda _: open_session(other))
    assert not agreement.agrees
    assert agreement.label_mismatches > 50


def test_a_slightly_wrong_temperature_is_found_out():
    fitted, new, _ = small()
    other = bag_graph(
        fitted.linear.coefficients,
        fitted.linear.intercepts,
        temperature=fitted.assessed.temperature * 1.01,
        wording=wording_column(fitted),
    )
    agreement = parity(fitted, FILES, new, lambda _: open_session(other))
    assert agreement.label_mismatches == 0
    assert not agreement.agrees


def test_equal_fits_give_equal_bytes():
    fitted, new, _ = small()
    assert with_golden(export(fitted, automation=automation(), snapshot_id="snap1"), new, open_session) == FILES


def test_the_manifest_says_what_a_reader_needs():
    fitted, _, _ = small()
    manifest = json.loads(FILES[MANIFEST_FILE])
    assert manifest["kind"] == "linear_text"
    assert manifest["classes"] == list(fitted.assessed.classes)
    assert manifest["inputs"] == ["text", "crm_plan", "crm_tenure_months"]
    assert manifest["training"]["snapshot_id"] == "snap1"
    assert set(manifest["checksums"]) == set(FILES) - {MANIFEST_FILE}
    assert {"accuracy", "macro_f1", "ece", "log_loss", "rows"} <= set(manifest["metrics"])
    curve = manifest["operating_curve"]
    assert len({len(curve[key]) for key in ("threshold", "coverage", "accuracy", "accuracy_lower")}) == 1


def test_nothing_in_a_version_is_pickled():
    assert {path.rsplit(".", 1)[1] for path in FILES} == {"onnx", "json", "npy", "md", "png", "parquet"}
    assert b"\x80\x04" not in FILES[MODEL_FILE][:8]
    np.load(io.BytesIO(FILES["idf.npy"]), allow_pickle=False)


def test_the_card_tells_people_data_quality_and_limits():
    fitted, _, _ = small()
    card, text = json.loads(FILES[CARD_FILE]), FILES[CARD_TEXT].decode()
    assert card["data"]["snapshot_id"] == "snap1"
    assert card["data"]["rows"] == 600
    assert card["licence"] in text
    assert [entry["class"] for entry in card["by_class"]] == list(fitted.assessed.classes)
    for expected in (
        "snap1",
        "600 tickets from 2025-03-01",
        "ops@example.com",
        "| billing |",
        "## Limits",
        "held back",
    ):
        assert expected in text


def test_the_plot_is_small_and_an_image():
    assert FILES[PLOT_FILE].startswith(b"\x89PNG")
    assert len(FILES[PLOT_FILE]) < 40_000


def test_the_reference_holds_the_watched_columns_of_out_of_fold_scores():
    fitted, _, _ = small()
    frame = pq.read_table(io.BytesIO(FILES[REFERENCE_FILE])).to_pandas()
    assert {"text_length", "unseen_share", "confidence", "queue", "crm_plan", "crm_tenure_months"} <= set(frame)
    assert len(frame) == 600
    assert sorted(frame["confidence"]) == sorted(fitted.assessed.scores.column("confidence").to_pylist())


def test_the_reference_is_made_of_the_newest_rows_where_there_are_many(monkeypatch):
    fitted, _, _ = small()
    monkeypatch.setattr(reference, "MIN_ROWS", 50)
    frame = pq.read_table(io.BytesIO(reference.reference_parquet(fitted.assessed))).to_pandas()
    created = fitted.assessed.scored.column("created_at").to_pylist()
    ages = sorted(range(len(created)), key=created.__getitem__, reverse=True)[:120]
    lengths = fitted.assessed.scores.column("text_length").to_pylist()
    assert len(frame) == 120  # a fifth of 600
    assert sorted(frame["text_length"]) == sorted(lengths[i] for i in ages)


@pytest.mark.parametrize("seed", [0, 1])
def test_fewer_rows_keep_quantiles_shares_and_nulls(seed):
    random = np.random.default_rng(seed)
    skewed = random.lognormal(size=40_000)
    skewed[random.random(40_000) < 0.1] = np.nan
    names = pd.Series(random.choice(["a", "b", "c"], p=[0.7, 0.299, 0.001], size=40_000), dtype="string")
    frame = pd.DataFrame({"number": skewed, "name": names})
    small_frame = representative(frame, 5_000)
    assert len(small_frame) == 5_000
    assert small_frame["number"].isna().mean() == pytest.approx(frame["number"].isna().mean(), abs=2e-4)
    quantiles = np.linspace(0.01, 0.99, 50)
    assert np.allclose(small_frame["number"].quantile(quantiles), frame["number"].quantile(quantiles), rtol=0.02)
    shares = frame["name"].value_counts(normalize=True)
    assert (
        small_frame["name"].value_counts(normalize=True).reindex(shares.index, fill_value=0) - shares
    ).abs().max() < 3e-4
