"""What the image leaves out: nothing that the platform needs."""

import importlib.util
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
FILE = DEPLOY / "dev_only.py"
BLOCKED = """
import sys
class Refuse:
    def find_spec(self, name, *_):
        if name.partition(".")[0] in {blocked!r}:
            raise ModuleNotFoundError(name + " is not in the image", name=name)
sys.meta_path.insert(0, Refuse())
import aios_assets.definitions, cli.main, dagster._daemon, dagster_webserver, dagster_k8s, gateway.app, gateway.__main__
assert aios_assets.definitions.build_defs(folders=[]).resolve_asset_graph()
from resources.runtime import open_session
"""


def loaded():
    spec = importlib.util.spec_from_file_location("dev_only", FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_what_is_reached_through_extras_and_markers_stays_and_the_rest_goes():
    installed = {
        "web": ["server; extra == 'full'", "other; sys_platform == 'nowhere'"],
        "server": ["Loop_Lib>=1"],
        "loop-lib": [],
        "other": [],
        "pytest": ["pluggy"],
        "pluggy": [],
        "pip": [],
    }
    assert loaded().dev_only(["web[full]>=1"], installed) == ["other", "pluggy", "pytest"]
    assert loaded().dev_only(["web>=1"], installed) == ["loop-lib", "other", "pluggy", "pytest", "server"]


def test_the_platform_loads_without_what_the_image_leaves_out():
    printed = subprocess.run(
        [sys.executable, FILE, DEPLOY.parent / "pyproject.toml"], capture_output=True, text=True, check=True
    )
    gone = set(printed.stdout.split())
    assert {"pytest", "mypy", "ruff"} <= gone
    modules = {
        module
        for module, owners in packages_distributions().items()
        if {loaded().canonical(owner) for owner in owners} <= gone - {"aios"}
    }
    assert "pytest" in modules
    code = BLOCKED.format(blocked=modules)
    done = subprocess.run([sys.executable, "-c", code], cwd=DEPLOY.parent, capture_output=True, text=True, timeout=90)
    assert done.returncode == 0, done.stderr
