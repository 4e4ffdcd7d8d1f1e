"""`aios bench score`: every figure of one small run, and none that could not be measured."""

from benchmarks.score import measure

ASKED = {
    "rows_per_s",
    "ceiling_rows_per_s",
    "share_of_ceiling",
    "sklearn_rows_per_s",
    "ratio_to_sklearn",
    "label_mismatches",
    "peak_rss_mb",
    "rss_growth_100k_to_10m",
    "seconds_per_million_at_100k",
    "seconds_per_million_at_10m",
}


def test_one_run_gives_every_figure_and_loses_no_row():
    found = measure(rows=700, long_rows=1_500, text="sandbox", train=400, turns=2)
    assert found.keys() >= ASKED
    assert (found["rows"], found["long_rows"], found["label_mismatches"]) == (700, 1_500, 0)
    assert all(found[key] > 0 for key in ASKED - {"label_mismatches", "rss_growth_100k_to_10m"})
    assert found["ratio_to_sklearn"] == round(found["rows_per_s"] / found["sklearn_rows_per_s"], 2)


def test_what_is_not_measured_is_not_told():
    found = measure(rows=300, long_rows=0, text="sandbox", train=400, turns=1, sklearn=False)
    assert not found.keys() & {"sklearn_rows_per_s", "rss_growth_100k_to_10m", "seconds_per_million_at_10m"}
