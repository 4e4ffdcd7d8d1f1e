from benchmarks.plan import Stage
from benchmarks.plot import speed_plot
from benchmarks.report import failures, line, stage_figures

FAST = {"rows": 100, "seconds": 1.0, "rows_per_s": 100.0, "peak_rss_mb": 50.0, "pages": 3}
SLOW = {"rows": 100, "seconds": 2.0, "rows_per_s": 50.0, "peak_rss_mb": 40.0}
SCORING = Stage(name="scoring", step="texts", memory="alone", inputs={"texts": "texts", "alone": "alone"})


def test_a_stage_of_one_step_has_all_its_figures():
    assert stage_figures(Stage(name="landing", step="fast"), {"fast": FAST}) == FAST


def test_a_stage_of_several_inputs_has_its_headline_and_the_inputs_beneath():
    stage = Stage(name="landing", step="fast", inputs={"parquet": "fast", "csv": "slow"})
    assert stage_figures(stage, {"fast": FAST, "slow": SLOW}) == {
        **{name: FAST[name] for name in ("rows", "seconds", "rows_per_s", "peak_rss_mb")},
        "inputs": {"parquet": FAST, "csv": SLOW},
    }


def test_the_memory_of_scoring_is_that_of_the_process_that_only_scores():
    texts = {**FAST, "ceiling_rows_per_s": 200.0, "share_of_ceiling": 0.5}
    found = stage_figures(SCORING, {"texts": texts, "alone": SLOW})
    assert (found["rows_per_s"], found["share_of_ceiling"], found["peak_rss_mb"]) == (100.0, 0.5, 40.0)


def test_a_failure_of_a_further_input_fails_the_run_but_not_the_stages_figures():
    results = {"texts": FAST, "alone": {"error": "no memory"}}
    found = stage_figures(SCORING, results)
    assert (found["rows_per_s"], found["peak_rss_mb"]) == (100.0, None)
    assert failures([SCORING], results) == {"alone": "no memory"}


def test_data_that_is_not_there_is_no_failure():
    results = {"texts": FAST, "alone": {"skipped": "no data"}}
    assert failures([SCORING], results) == {}
    assert line("alone", results["alone"]).endswith("left out: no data")


def test_a_line_says_rows_seconds_speed_and_memory():
    assert line("landing", FAST).split() == ["landing", "100", "rows", "1.00", "s", "100", "rows/s", "peak", "50", "MB"]


def test_the_plot_is_small_and_copes_with_failed_stages():
    stages = {"landing": FAST, "scoring": {**SLOW, "ceiling_rows_per_s": 90.0}, "drift": {"error": "broken"}}
    for shown in (stages, {"drift": {"error": "broken"}}):
        picture = speed_plot(shown, caption="a machine")
        assert picture.startswith(b"\x89PNG")
        assert len(picture) < 60_000
