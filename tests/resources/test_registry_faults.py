"""What may go wrong with a model version: nothing is registered or written in part, and the message says what to do."""

import hashlib
import io
import json
import math
import signal
import subprocess
import sys
import textwrap

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from aios_core.errors import ModelError
from aios_core.scoring.golden import GOLDEN_FILE, check, read_golden
from aios_core.scoring.model import MANIFEST_FILE, MODEL_FILE, ScoringModel
from resources.lake import Lake
from resources.registry import DamagedModel, Registry, UnknownModel
from resources.runtime import open_session
from tests.aios_core.training import foreign_making, tabular_making
from tests.aios_core.training.making import FACTS, small_files, small_version, table
from tests.conftest import PROJECT

FILES = small_files()
MANIFEST = json.loads(FILES[MANIFEST_FILE])


@pytest.fixture
def lake(tmp_path):
    return Lake(tmp_path / "lake")


@pytest.fixture
def registry(database, lake):
    return Registry(database, lake=lake)


def register(registry, files=FILES, name="triage"):
    try:
        manifest = dict(json.loads(files[MANIFEST_FILE]))
    except (ValueError, KeyError, RecursionError):
        manifest = {}
    return registry.register(
        name=name,
        automation="triage",
        kind=manifest.get("kind", "linear_text"),
        files=files,
        snapshot_id="s",
        classes=manifest.get("classes", []),
        metrics={},
        card={},
    )


def with_manifest(files=FILES, **changes):
    """These files under a changed manifest whose checksums hold."""
    manifest = json.loads(files.get(MANIFEST_FILE, FILES[MANIFEST_FILE]))
    sums = {path: hashlib.sha256(content).hexdigest() for path, content in files.items() if path != MANIFEST_FILE}
    return {**files, MANIFEST_FILE: json.dumps({**manifest, "checksums": sums, **changes}).encode()}


def replaced(path, content):
    """The version with one file replaced, and its manifest saying so."""
    return with_manifest(FILES | {path: content})


def parquet(columns):
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer, compression="zstd")
    return buffer.getvalue()


def npy(header):
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, header)
    return buffer.getvalue()


def golden_of(number):
    return small_version(f"golden{number}")[GOLDEN_FILE]


def wrong_golden():
    """Golden rows as another model would have answered them."""
    rows = read_golden(FILES[GOLDEN_FILE])
    turned = [row[1:] + row[:1] for row in rows.column("probabilities").to_pylist()]
    buffer = io.BytesIO()
    pq.write_table(rows.set_column(rows.column_names.index("probabilities"), "probabilities", pa.array(turned)), buffer)
    return buffer.getvalue()


def without(path):
    return with_manifest({name: content for name, content in FILES.items() if name != path})


BAD = {
    "no_manifest": ({p: c for p, c in FILES.items() if p != MANIFEST_FILE}, r"has no manifest\.json"),
    "manifest_is_no_json": (FILES | {MANIFEST_FILE: b"{"}, r"manifest\.json can't be read"),
    "manifest_is_a_list": (FILES | {MANIFEST_FILE: b"[]"}, r"manifest\.json can't be read"),
    "manifest_is_nested_without_end": (FILES | {MANIFEST_FILE: b"[" * 100_000}, r"manifest\.json can't be read"),
    "manifest_is_cut_off": (FILES | {MANIFEST_FILE: FILES[MANIFEST_FILE][:-40]}, r"manifest\.json can't be read"),
    "manifest_is_too_large": (lambda: FILES | {MANIFEST_FILE: b" " * (64 * 2**20 + 1)}, r"manifest\.json has 67,108,865 bytes"),
    "classes_twice": (with_manifest(classes=["billing"] * 3), "two different names"),
    "classes_are_numbers": (with_manifest(classes=[1, 2, 3]), "lists of names"),
    "more_classes_than_the_graph_gives": (
        with_manifest(tabular_making.trained("logistic").files, classes=["none", "offer", "refund"]), "the graph gives 2.*names 3 classes",
    ),
    "unknown_kind": (with_manifest(kind="oracle"), "can't score models of kind 'oracle'"),
    "another_kinds_manifest": (with_manifest(kind="onnx"), "do not make a model of kind onnx.*KeyError"),
    "no_customer_state": (with_manifest(customer=None), "do not make a model of kind linear_text"),
    "a_file_outside": (FILES | {"../evil": b"x"}, r"'\.\./evil' is no path inside a version"),
    "an_absolute_file": (with_manifest(FILES | {"/tmp/evil": b"x"}), "is no path inside a version"),
    "a_manifest_that_names_a_file_outside": (
        with_manifest(checksums=MANIFEST["checksums"] | {"../2/model.onnx": "0" * 64}), r"'\.\./2/model\.onnx' is no path",
    ),
    "a_file_nobody_vouches_for": (FILES | {"extra.bin": b"x"}, r"no checksum for extra\.bin"),
    "a_changed_file": (FILES | {"idf.npy": FILES["idf.npy"] + b" "}, r"idf\.npy is not the file that was exported"),
    "a_graph_of_noise": (replaced(MODEL_FILE, b"\x00" * 500), "can't make a session"),
    "a_graph_cut_off": (replaced(MODEL_FILE, FILES[MODEL_FILE][:-100]), "can't make a session"),
    "an_empty_graph": (replaced(MODEL_FILE, b""), "can't make a session"),
    "a_second_graph_that_is_broken": (replaced("other.onnx", b"noise"), "can't make a session"),
    "no_graph": (without(MODEL_FILE), r"KeyError: 'model\.onnx'"),
    "a_graph_of_another_model": (replaced(MODEL_FILE, tabular_making.trained("logistic").files[MODEL_FILE]), "golden rows|refused|golden row"),
    "no_golden_rows": (without(GOLDEN_FILE), r"has no golden\.parquet.*with_golden"),
    "golden_rows_of_noise": (replaced(GOLDEN_FILE, b"PAR1noise"), "can't be read as Parquet"),
    "golden_rows_without_answers": (replaced(GOLDEN_FILE, parquet({"text": ["a"]})), "no list column `probabilities`"),
    "golden_rows_of_other_columns": (replaced(GOLDEN_FILE, parquet({"text": ["a"], "probabilities": [[1.0, 0.0, 0.0]]})), "needs the feature column source"),
    "golden_rows_with_other_answers": (replaced(GOLDEN_FILE, wrong_golden()), r"golden row \d+ scores .*off by"),
    "too_many_golden_rows": (replaced(GOLDEN_FILE, parquet({"probabilities": [[1.0]] * 17})), "has 17 rows"),
    "golden_rows_that_unpack_to_much_more": (replaced(GOLDEN_FILE, parquet({"text": ["a" * 2**21] * 16})), "unpack to"),
    "a_parquet_of_endless_equal_rows": (lambda: replaced("reference.parquet", parquet({"a": pa.nulls(60_000_000, pa.int8())})), "60,000,000 cells"),
    "an_array_that_claims_a_terabyte": (replaced("idf.npy", npy({"descr": "<f8", "fortran_order": False, "shape": (2**37,)})), "1,099,511,627,776 bytes"),
    "an_array_of_objects": (replaced("idf.npy", npy({"descr": "|O", "fortran_order": False, "shape": (1,)})), r"idf\.npy says that it holds object"),
    "an_array_that_is_none": (replaced("idf.npy", b"\x93NUMPX"), r"idf\.npy is no array file"),
    "too_many_files": (with_manifest(FILES | {f"f{n}": b"" for n in range(200)}), "too large: at most 100 files"),
}  # fmt: skip


class Untouchable:
    """A database that nobody may so much as connect to."""

    def connection(self):
        raise AssertionError("the database was asked before the version was proven")


@pytest.mark.parametrize("fault", sorted(BAD))
def test_nothing_is_registered_or_written_of_a_version_that_is_not_whole(lake, fault):
    files, words = BAD[fault]
    with pytest.raises(ModelError, match=words) as caught:
        register(Registry(Untouchable(), lake=lake), files() if callable(files) else files)
    assert any(
        verb in str(caught.value) for verb in ("register", "export", "restore", "update", "add", "declare", "train")
    )
    assert lake.paths("models") == []


def foreign_files():
    facts, labels = tabular_making.customers(200, seed=12)
    declared = foreign_making.declared(inputs={"tenure": "crm_tenure"})
    folder = {"model.onnx": foreign_making.dense_graph(kind=7), "golden.jsonl": foreign_making.dense_golden()}
    whole = [fact | {"tenure": float(round(fact["tenure"] or 0))} for fact in facts]
    return tabular_making.train(
        tabular_making.task(whole, labels, tabular_making.automation(declared), folder=folder)
    ).files


@pytest.mark.parametrize("kind", ["linear_text", "gradient_boosting", "logistic", "onnx"])
def test_versions_of_every_kind_prove_themselves_and_load(registry, lake, kind):
    own = {"linear_text": lambda: FILES, "onnx": foreign_files}
    files = own.get(kind, lambda: tabular_making.trained(kind).files)()
    assert register(registry, files) == 1
    model = registry.load(name="triage", version=1, accelerator="cpu")
    check(model, registry.file(name="triage", version=1, path=GOLDEN_FILE))
    config = lake.get("models/triage/config.pbtxt").decode()
    assert all(f'name: "{entry["name"]}"' in config for entry in model.manifest["onnx"]["inputs"])


def test_golden_rows_are_nobodys_and_cover_what_is_missing():
    rows = read_golden(FILES[GOLDEN_FILE])
    assert rows.num_rows == 16
    texts = rows.column("text").to_pylist()
    assert texts[0] == ""
    assert len(set(texts)) > 10
    assert rows.column("crm_plan")[1].as_py() is None
    assert {row["source"] for row in rows.to_pylist()} == {"golden"}
    assert rows.column("customer_id").null_count == 16
    sums = [sum(row) for row in rows.column("probabilities").to_pylist()]
    assert sums == pytest.approx([1.0] * 16, abs=1e-5)


def test_a_version_that_scores_otherwise_than_when_it_was_made_does_not_load(registry, lake, monkeypatch):
    register(registry)
    model = ScoringModel.from_files(FILES, open_session)
    check(model, FILES[GOLDEN_FILE])

    class Drunk:
        def __init__(self, session):
            self.session = session

        def run(self, inputs, outputs=None):
            found = self.session.run(inputs, outputs)
            return {name: value[:, ::-1] if name == "probabilities" else value for name, value in found.items()}

    with pytest.raises(ModelError, match=r"golden row \d+ scores"):
        check(ScoringModel.from_files(FILES, lambda onnx: Drunk(open_session(onnx))), FILES[GOLDEN_FILE])
    real = open_session
    monkeypatch.setattr("resources.registry.open_session", lambda onnx, **settings: Drunk(real(onnx, **settings)))
    with pytest.raises(ModelError, match="model triage version 1: golden row"):
        registry.load(name="triage", version=1, accelerator="cpu")


def test_a_row_without_its_files_names_them_and_leaves_other_versions_alone(registry, lake):
    register(registry)
    register(registry, small_version("other"))
    lake.delete("models/triage/1")
    with pytest.raises(DamagedModel, match="models/triage/1/.* is missing.*restore it"):
        registry.load(name="triage", version=1, accelerator="cpu")
    assert registry.load(name="triage", version=2, accelerator="cpu").version == 2


def test_files_swapped_between_versions_are_found_out(registry, lake):
    register(registry)
    register(registry, small_version("other"))
    one, two = (lake.get(f"models/triage/{number}/{MANIFEST_FILE}") for number in (1, 2))
    lake.put(f"models/triage/1/{MANIFEST_FILE}", two)
    lake.put(f"models/triage/2/{MANIFEST_FILE}", one)
    for number in (1, 2):
        with pytest.raises(
            DamagedModel, match=rf"models/triage/{number}/manifest\.json is not the file that was registered"
        ):
            registry.load(name="triage", version=number, accelerator="cpu")


def test_unknown_models_and_versions_have_a_stable_code(registry):
    register(registry)
    for name, version in (("triage", 2), ("nobody", 1), ("triage", -1), ("../etc", 1)):
        with pytest.raises(UnknownModel, match="aios model list") as caught:
            registry.load(name=name, version=version, accelerator="cpu")
        assert (caught.value.code, caught.value.retryable) == ("model.unknown", False)


@pytest.mark.parametrize("name", ["", "../evil", "a/b", "Über", "a" * 64])
def test_a_name_that_is_no_folder_is_refused(lake, name):
    with pytest.raises(ModelError, match="no name for a model"):
        register(Registry(Untouchable(), lake=lake), name=name)
    assert lake.paths("models") == []


CHILD = """
import json, os, signal, sys
from pathlib import Path
from resources.database import Database
from resources.lake import Lake
from resources.registry import Registry

url, folder, lake_folder, kill_at = sys.argv[1:5]
files = {p.name: p.read_bytes() for p in Path(folder).iterdir()}

class Mortal(Lake):
    written = 0
    def put(self, path, content):
        if self.written == int(kill_at):
            os.kill(os.getpid(), signal.SIGKILL)
        self.written += 1
        return super().put(path, content)

manifest = json.loads(files["manifest.json"])
with Database(url) as database:
    registry = Registry(database, lake=Mortal(lake_folder))
    print("ready", flush=True)
    sys.stdin.readline()
    print(registry.register(name="triage", automation="triage", kind=manifest["kind"], files=files, snapshot_id="s",
                            classes=manifest["classes"], metrics={}, card={}))
"""


def start(database_url, tmp_path, lake, files, *, kill_at=10**6):
    folder = tmp_path / f"files-{hashlib.sha256(files[MANIFEST_FILE]).hexdigest()[:8]}"
    folder.mkdir(exist_ok=True)
    for path, content in files.items():
        (folder / path).write_bytes(content)
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(CHILD), database_url, str(folder), lake.url, str(kill_at)],
        cwd=PROJECT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def go(*children):
    """Let them all start registering at the same moment; their exit codes and what they said."""
    for child in children:
        assert child.stdout.readline() == "ready\n"
    for child in children:
        child.stdin.write("\n")
        child.stdin.flush()
    said = [child.communicate(timeout=60)[0].strip() for child in children]
    return [child.returncode for child in children], said


@pytest.mark.parametrize("kill_at", [1, len(FILES)])
def test_a_registration_killed_in_the_middle_leaves_nothing_that_can_be_seen(
    database_url, registry, lake, tmp_path, kill_at
):
    codes, _ = go(start(database_url, tmp_path, lake, FILES, kill_at=kill_at))
    assert codes == [-signal.SIGKILL]
    assert len(lake.paths("models")) == kill_at
    assert registry.versions("triage") == []
    with pytest.raises(UnknownModel):
        registry.load(name="triage", version=1, accelerator="cpu")
    other = small_version("other")
    assert register(registry, other) == 1
    assert {path.rsplit("/", 1)[1] for path in lake.paths("models/triage/1")} == set(other)
    assert registry.load(name="triage", version=1, accelerator="cpu").manifest["training"]["snapshot_id"] == "other"


def test_two_processes_registering_the_same_version_at_once_make_one(database_url, registry, lake, tmp_path):
    other = small_version("other")
    children = [start(database_url, tmp_path, lake, files) for files in (FILES, FILES, other)]
    codes, said = go(*children)
    assert codes == [0, 0, 0]
    assert said[0] == said[1]
    assert sorted({*said}) == ["1", "2"]
    for version in registry.versions("triage"):
        assert registry.load(name="triage", version=version.version, accelerator="cpu").version == version.version


HUGE = "invoice abroad " * 70_000


@pytest.mark.parametrize(
    ("text", "facts"),
    [
        ("", {}),
        (HUGE, {}),
        ("x" * 2**20, {}),
        ("\x00", {"plan": "\x00"}),
        ("invoice", {"tenure_months": math.nan}),
        ("invoice", {"tenure_months": math.inf}),
        ("invoice", {"tenure_months": -math.inf}),
        ("invoice", {"tenure_months": 1.7e308}),
    ],
)
def test_texts_and_numbers_that_nobody_should_send_still_get_a_proper_score(text, facts):
    model = ScoringModel.from_files(FILES, open_session)
    odd, plain = table([text, "invoice"], facts=[facts, {}], spec=FACTS), table(["invoice"], facts=[{}], spec=FACTS)
    scored = model.score_batch(odd, explain=3).to_pylist()
    assert sum(scored[0]["probabilities"]) == pytest.approx(1, abs=1e-5)
    assert scored[1]["probabilities"] == model.score_batch(plain).to_pylist()[0]["probabilities"]


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("text", pa.array([1, 2])),
        ("text", pa.array([["a"], ["b"]])),
        ("crm_plan", pa.array([1.0, 2.0])),
        ("crm_tenure_months", pa.array(["3", "4"])),
        ("crm_tenure_months", pa.array([[1.0], [2.0]])),
    ],
)
def test_columns_of_another_type_are_refused_by_name(column, values):
    model = ScoringModel.from_files(FILES, open_session)
    rows = table(["a", "b"], facts=[{}, {}], spec=FACTS)
    wrong = rows.set_column(rows.column_names.index(column), column, values)
    with pytest.raises(ModelError, match=rf"takes (texts|numbers) in the feature column {column}, which is"):
        model.score_batch(wrong)


def test_arrays_of_another_shape_name_or_type_are_refused_by_the_session():
    session = open_session(FILES[MODEL_FILE])
    ids, weights = np.zeros((2, 8), np.int32), np.zeros((2, 8), np.float32)
    wrong = [
        {"ids": ids},
        {"ids": ids, "weights": weights, "more": ids},
        {"ids": ids, "weights": weights[:, :4]},
        {"ids": ids.astype(np.float64), "weights": weights},
        {"ids": ids[0], "weights": weights[0]},
        {"ids": ids + 10**9, "weights": weights},
    ]
    for inputs in wrong:
        with pytest.raises(ModelError, match="ONNX Runtime refused"):
            session.run(inputs)
