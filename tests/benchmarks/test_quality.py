"""`aios bench quality`: figures from data alone, the same keys with any data, and a clear word where the data is missing."""

import csv
import json
from pathlib import Path
from random import Random

import pytest

from benchmarks.quality import COARSE, measure, merged_queues
from benchmarks.quality_data import NoData, as_features, banking77, data_folder

WORDS = [f"{a}{b}{c}" for a in "bdfgkl" for b in "aeiou" for c in "mnrst"]
INTENTS = [f"intent_{i:02d}" for i in range(14)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small world in the files' own formats: 14 intents with words of their own, and texts in other words."""
    root, random = tmp_path_factory.mktemp("data"), Random(1)
    (root / "tickets").mkdir()
    (root / "kb").mkdir()
    for part, rows in (("train", 40), ("test", 10)):
        with (root / "tickets" / f"banking77_{part}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, ["text", "category"])
            writer.writeheader()
            for number, intent in enumerate(INTENTS):
                own = WORDS[number * 5 : number * 5 + 5]
                for _ in range(rows):
                    words = random.sample(own, 3) + random.sample(WORDS[100:], 3)
                    writer.writerow({"text": " ".join(words), "category": intent})
    strange = [" ".join(f"quux{random.randrange(999)}" for _ in range(7)) for _ in range(20)]
    (root / "kb" / "stackfaq_even.jsonl").write_text("\n".join(json.dumps({"queries": [text]}) for text in strange))
    with (root / "tickets" / "hadoop_issues_2020_2024.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, ["Summary", "Description"])
        writer.writeheader()
        writer.writerows({"Summary": text, "Description": "NullPointerException"} for text in strange)
    return root


def test_the_figures_are_there_and_novelty_catches_what_confidence_does_not(folder: Path, tmp_path: Path) -> None:
    picture = tmp_path / "quality.png"
    found = measure(data=folder, draws=1, cascade=False, plot=picture)
    assert {"accuracy", "macro_f1", "ece", "encoder_share", "coverage_at_98", "accuracy_at_98"} <= found[
        "banking77"
    ].keys()
    assert (found["banking77"]["kind"], found["banking77"]["encoder_share"]) == ("linear_text", 0.0)
    novelty = found["novelty"]
    assert {name.split("_", 1)[0] for name in novelty["far"]} == {"stackfaq", "hadoop"}
    assert len(novelty["far"]) == 6
    assert novelty["far_to_review"] == min(part["to_review"] for part in novelty["far"].values())
    assert novelty["far_to_review"] >= 0.97
    assert all(part["to_review"] >= part["by_confidence_alone"] for part in novelty["far"].values())
    assert all(part["to_review"] >= part["to_review_with_drafts"] for part in novelty["far"].values())
    assert all(part["novel"] < 0.1 for part in novelty["known"].values())
    assert 0.5 < novelty["near_auroc"] <= 1
    assert sum(found["reliability"]["rows"]) == 140
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert json.loads(json.dumps(found)) == found


def test_queues_are_merged_into_eight_of_about_equal_size() -> None:
    for merged in merged_queues([f"i{n}" for n in range(77)]).values():
        sizes = [list(merged.values()).count(queue) for queue in set(merged.values())]
        assert len(sizes) == COARSE
        assert max(sizes) - min(sizes) <= 1


def test_missing_data_is_said_with_the_way_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NoData, match=r"banking77_train\.csv; .*--data or AIOS_DATA"):
        data_folder(tmp_path)
    monkeypatch.setenv("AIOS_DATA", str(tmp_path / "elsewhere"))
    with pytest.raises(NoData, match="elsewhere"):
        measure()


def test_the_files_are_shuffled_alike_every_time(folder: Path) -> None:
    first, again = banking77(folder, "train"), banking77(folder, "train")
    assert first == again
    assert first.labels[:20] != sorted(first.labels[:20])
    assert as_features(first.texts).num_rows == len(first.labels) == 560
