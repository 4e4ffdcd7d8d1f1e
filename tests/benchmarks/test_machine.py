import subprocess
import sys

import pytest

from benchmarks import machine

BURN = "import time\nwhile time.process_time() < 0.6: pass"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux says how busy the machine is")
def test_the_work_of_a_child_counts_as_ours_and_not_as_that_of_others():
    elsewhere, own, busy = machine.Elsewhere(), machine._own_seconds(), machine._busy_seconds()
    subprocess.run([sys.executable, "-c", BURN], check=True, timeout=30)
    spent, all_spent = machine._own_seconds() - own, machine._busy_seconds() - busy
    assert spent >= 0.6
    assert all_spent > 0.5, "the machine's own count has ours in it"
    assert 0 <= elsewhere.cores() <= machine.machine()["cores"]


def test_the_machine_is_described_by_what_figures_depend_on():
    found = machine.machine()
    assert found["cores"] >= 1
    assert found["memory_mb"] > 500
    assert found["python"].startswith("CPython 3.")
    assert found["libraries"]["numpy"]
