"""A run whose process was killed is noticed, also where nobody is left who could tell of it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
import yaml
from dagster._core.launcher.base import WorkerStatus

from aios_assets.run_launcher import LocalRunLauncher, lives, process_of
from resources.deployments import PROJECT

LONG_AGO = 1_000_000_000.0


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    started = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    yield started
    started.kill()
    started.wait()


def test_the_local_instance_uses_this_launcher() -> None:
    declared = yaml.safe_load((PROJECT / "dagster.yaml").read_text(encoding="utf-8"))
    named = declared["run_launcher"]
    assert (named["module"], named["class"]) == (LocalRunLauncher.__module__, LocalRunLauncher.__name__)
    assert declared["run_monitoring"]["enabled"]


def test_a_process_lives_until_it_is_killed_and_a_zombie_does_not(process: subprocess.Popen[bytes]) -> None:
    assert lives(process.pid, since=time.time())
    process.send_signal(signal.SIGKILL)
    time.sleep(0.3)  # it is ours and nobody has waited for it: a zombie
    assert not lives(process.pid, since=time.time())
    process.wait()
    assert not lives(process.pid, since=time.time())


@pytest.mark.skipif(sys.platform != "linux", reason="the system does not say when a process began")
def test_a_number_that_was_given_to_another_process_since_is_not_ours() -> None:
    assert lives(os.getpid(), since=time.time())
    assert not lives(os.getpid(), since=LONG_AGO)


@pytest.mark.skipif(sys.platform != "linux", reason="there is no /proc")
def test_a_program_may_be_called_anything(tmp_path: Path) -> None:
    (tmp_path / "7").mkdir()
    fields = " ".join(["S", *["0"] * 18, "100", *["0"] * 20])
    (tmp_path / "7" / "stat").write_text(f"7 (a) Z (b) {fields}")
    (tmp_path / "stat").write_text("cpu 1\nbtime 1000\n")
    assert lives(7, since=2_000.0, proc=tmp_path)


def test_the_process_is_the_first_that_a_run_names() -> None:
    said = [
        ("Launching", 1.0),
        ("Started process for run (pid: 12).", 2.0),
        ("Executing steps in process (pid: 13)", 3.0),
    ]
    assert process_of(said) == (12, 2.0)
    assert process_of(said[2:]) == (13, 3.0)
    assert process_of(said[:1]) is None


def test_monitoring_hears_of_a_run_whose_process_is_gone_and_leaves_the_others_alone(
    process: subprocess.Popen[bytes],
) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        launcher = LocalRunLauncher()
        launcher.register_instance(instance)
        run = instance.create_run_for_job(_job(), status=dg.DagsterRunStatus.STARTED)
        assert launcher.supports_check_run_worker_health
        assert launcher.check_run_worker_health(run).status == WorkerStatus.RUNNING  # nothing said yet

        instance.report_engine_event(f"Started process for run (pid: {process.pid}).", run)
        assert launcher.check_run_worker_health(run).status == WorkerStatus.RUNNING

        process.kill()
        process.wait()
        found = launcher.check_run_worker_health(run)
        assert found.status == WorkerStatus.FAILED
        assert str(process.pid) in (found.msg or "")


def test_a_run_in_this_very_process_is_seen_to_be_alive() -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        launcher = LocalRunLauncher()
        launcher.register_instance(instance)
        done = _job().execute_in_process(instance=instance)
        run = instance.get_run_by_id(done.run_id)
        assert run is not None
        found = launcher.check_run_worker_health(run)
        assert (found.status, found.run_worker_id) == (WorkerStatus.RUNNING, str(os.getpid()))


def _job() -> dg.JobDefinition:
    @dg.op
    def nothing() -> None: ...

    @dg.job(executor_def=dg.in_process_executor)
    def small() -> None:
        nothing()

    return small
