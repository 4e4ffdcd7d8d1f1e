"""The frozen evaluation set: what it holds, and on which rows two versions may be compared."""

import numpy as np
import pyarrow as pa

from aios_core.lifecycle.evaluation import (
    EVALUATION_FILE,
    common_rows,
    evaluation_bytes,
    evaluation_table,
    keys_of,
    learnt,
    read_evaluation,
    rows_of,
)
from aios_core.scoring.model import read_manifest
from tests.aios_core.training.making import small_files, table


def frozen(ids):
    features = table(["text"] * len(ids), ids=ids)
    return evaluation_table(
        features,
        classes=("a", "b"),
        labels=np.zeros(len(ids), np.int64),
        probabilities=np.tile([0.25, 0.75], (len(ids), 1)),
    )


def tickets(keys):
    return [key[1] for key in keys]


def test_a_version_carries_its_held_back_rows_as_its_metrics_were_measured_on_them():
    files = small_files()
    rows = read_evaluation(files[EVALUATION_FILE])
    metrics = read_manifest(files)["metrics"]
    assert rows.num_rows == metrics["rows"]
    right = [a == b for a, b in zip(rows.column("label").to_pylist(), rows.column("queue").to_pylist(), strict=True)]
    assert round(sum(right) / len(right), 6) == metrics["accuracy"]


def test_it_comes_back_as_it_was_and_equal_sets_are_equal_bytes():
    made = frozen(["t1", "t2"])
    assert read_evaluation(evaluation_bytes(made)) == made
    assert evaluation_bytes(frozen(["t1", "t2"])) == evaluation_bytes(made)
    assert made.column("queue").to_pylist() == ["b", "b"]
    assert made.column("label").to_pylist() == ["a", "a"]


def test_an_older_version_is_heard_on_what_it_held_back_too_and_on_what_it_never_saw():
    newer, older = frozen(["t3", "t4", "t5", "t6"]), frozen(["t2", "t3"])
    snapshot = table(["text"] * 4, ids=["t1", "t2", "t3", "t4"])
    held_back, unseen = common_rows(newer, older, learnt(snapshot))
    assert (tickets(held_back), tickets(unseen)) == (["t3"], ["t5", "t6"])


def test_another_version_of_a_ticket_that_was_learnt_is_no_new_ticket():
    newer = frozen(["t1"])
    changed = newer.set_column(2, "ticket_version", pa.array(["2"]))
    assert common_rows(changed, None, learnt(table(["text"], ids=["t1"]))) == ([], [])


def test_rows_are_found_in_the_order_asked_for():
    made = frozen(["t1", "t2", "t3"])
    wanted = [keys_of(made)[2], keys_of(made)[0]]
    assert tickets(keys_of(rows_of(made, wanted))) == ["t3", "t1"]
