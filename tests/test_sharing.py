"""How tests are shared among workers: what one of them must run together, by what the files say."""

from pathlib import Path

import pytest

from tests.conftest import goes_with


def written(folder: Path, text: str, *, name: str = "test_one.py") -> Path:
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return file


def test_files_of_one_group_go_together(tmp_path: Path) -> None:
    marked = 'pytestmark = [pytest.mark.xdist_group("platform")]\n'
    files = [written(tmp_path, marked, name=name) for name in ("test_one.py", "test_two.py")]
    assert [goes_with(file) for file in files] == ["platform", "platform"]


@pytest.mark.parametrize("scope", ["module", "class"])
def test_tests_that_share_a_fixture_go_together_wherever_it_is_made(tmp_path: Path, scope: str) -> None:
    made = f'@pytest.fixture(scope="{scope}")\ndef platform():\n    return 1\n'
    shares = written(tmp_path, made)
    assert goes_with(shares) == str(shares)
    (tmp_path / "beside").mkdir()
    written(tmp_path / "beside", made, name="conftest.py")
    uses = written(tmp_path / "beside", "def test_it(platform):\n    pass\n")
    assert goes_with(uses) == str(uses)


def test_all_others_go_where_there_is_time(tmp_path: Path) -> None:
    assert goes_with(written(tmp_path, '@pytest.fixture(scope="session")\ndef one():\n    return 1\n')) is None


def test_the_running_platform_is_started_by_one_worker() -> None:
    here = Path(__file__).parent
    groups = {goes_with(here / file) for file in ("end_to_end/test_platform.py", "cli/test_up.py")}
    assert groups == {"platform"}
