"""Model folders are found by name in a package and by path beside the declaration, or refused with the way out."""

import sys

import pytest

from aios_core.errors import ConfigurationError
from resources.model_folders import read_folder


@pytest.fixture
def package(tmp_path, monkeypatch):
    """An installed package that must not be imported: its import fails."""
    root = tmp_path / "site" / "own_weights"
    root.mkdir(parents=True)
    (root / "__init__.py").write_text("raise RuntimeError('imported')")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    yield root
    sys.modules.pop("own_weights", None)


def test_a_packages_model_folder_is_found_however_deep_it_lies(package, tmp_path):
    folder = package / "data" / "embeddings" / "small"
    (folder / "1_Pooling").mkdir(parents=True)
    (folder / "tokenizer.json").write_text("{}")
    (folder / "1_Pooling" / "config.json").write_text("[]")
    assert read_folder("package:own-weights", beside=tmp_path) == {
        "tokenizer.json": b"{}",
        "1_Pooling/config.json": b"[]",
    }


def test_a_package_with_no_model_folder_or_two_is_refused(package, tmp_path):
    with pytest.raises(ConfigurationError, match="it has none"):
        read_folder("package:own-weights", beside=tmp_path)
    for name in ("one", "two"):
        (package / name).mkdir()
        (package / name / "tokenizer.json").write_text("{}")
    with pytest.raises(ConfigurationError, match="it has one, two"):
        read_folder("package:own-weights", beside=tmp_path)


def test_an_absent_package_names_the_extra(tmp_path):
    with pytest.raises(ConfigurationError, match=r"aios\[encoder\]"):
        read_folder("package:nobody-has-this", beside=tmp_path)


def test_a_path_is_relative_to_the_declaration(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "model.onnx").write_bytes(b"x")
    assert read_folder("mine", beside=tmp_path) == {"model.onnx": b"x"}
    with pytest.raises(ConfigurationError, match="is no folder"):
        read_folder("theirs", beside=tmp_path)
