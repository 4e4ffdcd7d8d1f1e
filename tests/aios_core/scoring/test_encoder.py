"""An encoder's scores: every token read, and the same to the last bit in any batch."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers

from aios_core.errors import ModelError
from aios_core.scoring.encoder.runs import padded_lengths, padding_waste, runs
from aios_core.scoring.encoder.text import TextEncoder
from aios_core.scoring.encoder.tokens import Tokens
from aios_core.scoring.model import ScoringModel
from resources.runtime import open_session
from tests.aios_core.training.encoder_making import MAX_TOKENS, prepared, rows, tokenizer, trained
from tests.aios_core.training.making import FACTS, table

STRANGE = ["", " ", "\x00", "💳 💳", "أين بطاقتي", "invoice " * 500, "zorp", "no signal abroad invoice", "a" * 300]
ROWS = table([*rows()[2].column("text").to_pylist()[:40], *STRANGE], spec=FACTS)
PRECISIONS = ["fp32", "int8"]
lengths = st.lists(st.integers(2, 3_000), max_size=200).map(lambda values: np.array(values, np.int64))


def model(precision, threads=1):
    return ScoringModel.from_files(
        trained("encoder", precision).files, lambda onnx: open_session(onnx, intra_threads=threads), name="triage"
    )


MODELS = {precision: model(precision) for precision in PRECISIONS}
ALONE = {p: [m.infer(ROWS.slice(i, 1).combine_chunks().to_batches()[0]) for i in range(ROWS.num_rows)]
         for p, m in MODELS.items()}  # fmt: skip


@pytest.mark.parametrize("precision", PRECISIONS)
@settings(max_examples=25, deadline=None)
@given(chosen=st.lists(st.integers(0, ROWS.num_rows - 1), min_size=1, max_size=60))
def test_a_rows_numbers_are_the_same_to_the_last_bit_in_any_batch(precision, chosen):
    found = MODELS[precision].infer(ROWS.take(pa.array(chosen)).combine_chunks().to_batches()[0])
    for place, row in enumerate(chosen):
        alone = ALONE[precision][row]
        assert found.probabilities[place].tobytes() == alone.probabilities[0].tobytes()
        assert found.novelty[place].tobytes() == alone.novelty[0].tobytes()


@pytest.mark.parametrize("precision", PRECISIONS)
def test_two_threads_change_no_bit(precision):
    found = model(precision, threads=2).infer(ROWS.combine_chunks().to_batches()[0])
    assert found.probabilities.tobytes() == np.concatenate([a.probabilities for a in ALONE[precision]]).tobytes()


def test_a_scale_for_a_whole_tensor_would_break_that_law(tmp_path):
    """What ONNX Runtime's own dynamic quantisation does, and why it is not used: the reason must stay true."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    plain, small = tmp_path / "plain.onnx", tmp_path / "small.onnx"
    plain.write_bytes(prepared("fp32").files()["model.onnx"])
    quantize_dynamic(plain, small, weight_type=QuantType.QInt8, per_channel=True)
    session = open_session(small.read_bytes())
    rng = np.random.default_rng(1)
    ids = rng.integers(4, 60, (16, 12))
    together = session.run({"input_ids": ids, "attention_mask": np.ones_like(ids)})["embedding"]
    alone = [
        session.run({"input_ids": row[None], "attention_mask": np.ones_like(row)[None]})["embedding"] for row in ids
    ]
    assert np.abs(together - np.concatenate(alone)).max() > 1e-4


def test_tokens_are_those_of_the_folders_own_tokenizer():
    plain = tokenizer()
    plain.no_truncation()
    plain.no_padding()
    tokens = Tokens(tokenizer().to_str().encode(), max_tokens=MAX_TOKENS)
    for text in ["no signal abroad", "", "zorp", "it's urgent!"]:
        assert tokens.windows([text]).ids.tolist() == plain.encode(text).ids


@given(st.lists(st.integers(0, 90), max_size=12))
@settings(max_examples=60, deadline=None)
def test_windows_hold_every_token_of_every_text_once(counts):
    texts = [" ".join(["invoice", "abroad", "urgent!"][i % 3] for i in range(count)) for count in counts]
    plain, tokens = tokenizer(), Tokens(tokenizer().to_str().encode(), max_tokens=MAX_TOKENS)
    plain.no_truncation()
    plain.no_padding()
    found = tokens.windows(texts)
    assert (found.lengths <= MAX_TOKENS).all()
    for row, text in enumerate(texts):
        inner = [
            found.ids[a + 1 : b - 1]
            for a, b, r in zip(found.starts[:-1], found.starts[1:], found.rows, strict=True)
            if r == row
        ]
        assert np.concatenate(inner).tolist() == plain.encode(text, add_special_tokens=False).ids
        assert found.tokens[row] == sum(map(len, inner))


def test_the_last_word_of_a_long_text_is_read():
    encoder = prepared("fp32").open(open_session)
    long = "hello there please help " * 60
    first, second = encoder.embed([long + "invoice", long + "abroad"])
    assert np.abs(first - second).max() > 1e-4


class Watched:
    """A session that keeps the largest rectangle it was given."""

    def __init__(self, session):
        self.session, self.most = session, 0

    def run(self, inputs, outputs=None):
        self.most = max(self.most, *(values.size for values in inputs.values()))
        return self.session.run(inputs, outputs)


def test_a_text_of_half_a_megabyte_is_read_in_runs_of_the_usual_size():
    files = prepared("int8").files()
    sessions = []

    def watched(onnx):
        sessions.append(Watched(open_session(onnx)))
        return sessions[-1]

    encoder = TextEncoder.from_files(files, watched, max_tokens=MAX_TOKENS, run_tokens=256)
    found = encoder.embed(["invoice refund " * 35_000, "invoice"])
    assert np.isfinite(found).all()
    assert encoder.padding.entries > 70_000
    assert sessions[0].most <= 256


def test_unknown_words_are_counted_and_an_empty_batch_is_scored():
    scored = MODELS["int8"].score_batch(table(["💳 invoice", "invoice", ""], spec=FACTS))
    assert scored.column("unseen_share").to_pylist() == [0.5, 0.0, 0.0]
    assert MODELS["int8"].score_batch(ROWS.slice(0, 0)).num_rows == 0


def test_novel_text_is_stranger_than_known_text():
    known = MODELS["int8"].score_batch(rows()[2]).column("novelty").to_numpy()
    strange = MODELS["int8"].score_batch(table(["💳 💳 💳 💳", "💳 💳 💳 💳 💳 💳"], spec=FACTS)).column("novelty")
    assert (known > 1).mean() < 0.1
    assert min(strange.to_pylist()) > max(np.quantile(known, 0.95), 1.0)


@given(lengths)
def test_runs_hold_every_window_once_at_a_length_of_its_own(counts):
    seen = []
    for length, windows in runs(counts, tokens=256):
        assert (padded_lengths(counts[windows]) == length).all()
        assert length * windows.size <= max(256, length)
        seen += windows.tolist()
    assert sorted(seen) == list(range(counts.size))


@given(lengths)
def test_padding_never_reaches_five_in_a_hundred(counts):
    assert (padded_lengths(counts) >= counts).all()
    assert padding_waste(counts) < 0.05
    assert padding_waste(counts[counts <= 64]) == 0.0


def test_a_window_of_no_token_or_one_has_the_shape_of_two():
    assert padded_lengths(np.array([0, 1, 2])).tolist() == [2, 2, 2]


def test_a_vocabulary_of_unigrams_numbers_its_unknown_token():
    model = models.Unigram([("<unk>", 0.0), ("▁hello", -1.0), ("▁", -2.0)], unk_id=0, byte_fallback=False)
    unigrams = Tokenizer(model)
    unigrams.pre_tokenizer = pre_tokenizers.Metaspace()
    unigrams.add_tokens(["a"])
    found = Tokens(unigrams.to_str().encode(), max_tokens=8).windows(["hello", "💳"])
    assert found.unknown.tolist() == [0, 1]


def test_a_window_must_have_room_for_a_token():
    with pytest.raises(ModelError, match="no room"):
        Tokens(tokenizer().to_str().encode(), max_tokens=2)
