import json
import shutil
import tempfile
from pathlib import Path

import pytest

from benchmarks.command import main
from benchmarks.plan import Stage, Step

FIGURES = {"rows", "seconds", "rows_per_s", "peak_rss_mb"}


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """Where temporary folders go; short, since the database's socket lies in it, and open, since it may run as another user."""
    folder = Path(tempfile.mkdtemp(prefix="b-"))
    folder.chmod(0o755)
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    shutil.rmtree(folder)


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_one_command_measures_every_stage_and_leaves_json_and_a_plot(temporary, tmp_path, capsys):
    out = tmp_path / "results" / "found.json"
    code = main(["--rows", "500", "--out", str(out)])
    printed = capsys.readouterr()
    found = json.loads(out.read_text())
    assert (code, found["failed"]) == (0, {}), printed.err
    assert json.loads(printed.out) == found
    assert list(found["stages"]) == ["landing", "canonical", "features", "scoring", "decisions", "drift"]
    for name, stage in found["stages"].items():
        assert stage.keys() >= FIGURES, name
        # seconds are written to the millisecond: what half of one may hide of a short stage is not an error
        slowest, fastest = stage["seconds"] + 0.0005, max(stage["seconds"] - 0.0005, 1e-9)
        assert 0.99 * stage["rows"] / slowest <= stage["rows_per_s"] <= 1.01 * stage["rows"] / fastest, name
        assert 30 < stage["peak_rss_mb"] < 4_000, name
        assert name in printed.err
    stages = found["stages"]
    assert (stages["landing"]["rows"], stages["features"]["rows"], stages["decisions"]["rows"]) == (500, 250, 250)
    assert sum(stages["decisions"]["verdicts"].values()) == 250
    assert stages["landing"]["inputs"].keys() == {"parquet", "csv"}
    assert stages["scoring"].keys() >= {"ceiling_rows_per_s", "share_of_ceiling"}
    assert stages["scoring"]["inputs"].keys() == {"sandbox", "banking77", "stage"}
    assert stages["drift"]["inputs"]["columns"].keys() >= FIGURES
    assert found.keys() >= {"format", "date", "machine", "revision", "settings", "preparations", "seconds"}
    assert found["machine"].keys() >= {"cores", "memory_mb", "python", "libraries", "cores_busy_elsewhere"}
    assert found["machine"]["libraries"].keys() >= {"numpy", "pyarrow", "scikit-learn", "psycopg"}
    assert found["settings"] == {"rows": 500, "seed": 7, "stages": list(stages)}
    assert 1_000 < out.with_suffix(".png").stat().st_size < 60_000
    assert list(temporary.glob("aios-bench-*")) == []


@pytest.fixture
def small_steps(tmp_path, monkeypatch):
    """Steps of a test's own, as modules that the steps' processes find."""
    good = 'def run(workspace): return {"rows": workspace.rows, "seconds": 2.0, "rows_per_s": workspace.rows / 2}\n'
    (tmp_path / "good_step.py").write_text(good)
    (tmp_path / "raising_step.py").write_text('def run(workspace): raise ValueError("the file is torn")\n')
    (tmp_path / "killed_step.py").write_text(
        "import os, signal\ndef run(workspace): os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    steps = (
        Step(name="raising", module="raising_step"),
        Step(name="killed", module="killed_step"),
        Step(name="absent", module="no_such_step"),
        Step(name="after", module="good_step", needs=("raising",)),
        Step(name="good", module="good_step"),
    )
    return {"steps": steps, "stages": tuple(Stage(name=step.name, step=step.name) for step in steps)}


def test_a_failed_stage_is_reported_and_the_rest_goes_on(small_steps, tmp_path, capsys):
    out = tmp_path / "found.json"
    assert main(["--rows", "200", "--out", str(out)], **small_steps) == 1
    found, stages = json.loads(out.read_text()), json.loads(out.read_text())["stages"]
    assert stages["raising"] == {"error": "ValueError: the file is torn"}
    assert "SIGKILL" in stages["killed"]["error"]
    assert "no_such_step" in stages["absent"]["error"]
    assert stages["after"] == {"error": "needs raising, which failed: ValueError: the file is torn"}
    assert stages["good"]["rows_per_s"] == 100
    assert found["failed"].keys() == {"raising", "killed", "absent", "after"}
    assert "raising_step.py" in capsys.readouterr().err, "where it failed is shown"


def test_only_the_chosen_stages_run(small_steps, tmp_path):
    out = tmp_path / "found.json"
    assert main(["--only", "good", "--out", str(out)], **small_steps) == 0
    assert list(json.loads(out.read_text())["stages"]) == ["good"]


def test_a_stage_that_was_only_needed_is_a_preparation(small_steps, tmp_path):
    out = tmp_path / "found.json"
    assert main(["--only", "after", "--out", str(out)], **small_steps) == 1
    found = json.loads(out.read_text())
    assert found["preparations"].keys() == {"raising"}
    assert found["failed"].keys() == {"after"}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--only", "landing,sailing"], "no stage is called 'sailing'; there are: landing, canonical"),
        (["--rows", "10"], "give 200 or more"),
        (["--out", "found.yaml"], "FILE.json"),
    ],
)
def test_a_wrong_argument_is_named_before_anything_starts(arguments, told, capsys):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert told in capsys.readouterr().err
