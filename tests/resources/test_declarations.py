"""What a person who writes an automation gets told, with file and line."""

from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aios_core.errors import ConfigurationError, DeclarationError
from resources.declarations import find_declarations, load_declaration, scaffold

GOOD = """\
type: aios_assets.automation.AutomationComponent
attributes:
  name: parcels
  start_date: 2026-01-01
  sources:
    desk:
      connector: file
      provides: tickets
      path: tickets.csv
      mapping:
        body: text
        queue: {field: team}
  queues:
    - {name: lost}
    - {name: late}
  decisions:
    automate: 0.9
    draft: 0.6
  actions:
    source: desk
"""


def write(folder: Path, text: str | bytes, *, policy: str | None = "package aios.policy") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "defs.yaml"
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    if policy is not None:
        (folder / "policy.rego").write_text(policy)
    return file


def message(file: Path) -> str:
    with pytest.raises(DeclarationError) as caught:
        load_declaration(file)
    return str(caught.value)


def test_a_declaration_is_loaded_with_its_policy(tmp_path: Path) -> None:
    declared = load_declaration(write(tmp_path, GOOD))
    assert declared.automation.name == "parcels"
    assert declared.automation.queue_names == ("lost", "late")
    assert declared.policy_text == "package aios.policy"
    assert declared.folder == tmp_path


@pytest.mark.parametrize(
    ("old", "new", "line", "says"),
    [
        ("  queues:", "  queuess:", 13, "unknown key `queuess`, did you mean `queues`?"),
        ("      path: tickets.csv", "      pathh: tickets.csv", 9, "unknown key `pathh`, did you mean `path`?"),
        ("{field: team}", "{fild: team}", 12, "unknown key `fild`, did you mean `field`?"),
        ("    - {name: late}", "    - {name: late, wrong_cots: 1}", 15, "did you mean `wrong_cost`?"),
        ("      path: tickets.csv\n", "", 6, "`path` is missing; add it"),
        ("connector: file", "connector: fille", 6, "unknown connector `fille`, did you mean `file`?"),
        ("      connector: file\n", "", 6, "`connector` is missing"),
        ("    - {name: late}", "    - {name: no}", 15, "should be a valid string; put it in quotes; it is False"),
        ("    - {name: late}", "    - {name: Late!}", 15, "lower-case letters, digits and _"),
        ("    desk:", "    Desk:", 6, "lower-case letters, digits and _"),
        ("    - {name: late}", "    - {name: lost}", 3, "two queues have the same name"),
        ("draft: 0.6", "draft: 0.9", 17, "the `automate` threshold must be strictly above `draft`"),
        ("draft: 0.6", "draft: 1.6", 18, "less than or equal to 1; it is 1.6"),
        ("draft: 0.6", "draft: high", 18, "valid number"),
        ("source: desk", "source: disk", 20, "no source is called `disk`; there are: desk"),
        ("start_date: 2026-01-01", "start_date: 2026-02-30", 4, "day is out of range"),
        ("start_date: 2026-01-01", "start_date: soon", 4, "valid date"),
        ("  actions:", "  review: {schedule: hourly}\n  actions:", 19, "five cron fields"),
        ("  name: parcels", "  name: parcels\n  name: letters", 4, "`name` is given twice, first in line 3"),
        ("attributes:", "attribute:", 2, "unknown key `attribute`, did you mean `attributes`?"),
        ("AutomationComponent", "Component", 1, "write `type: aios_assets.automation.AutomationComponent`"),
        ("  queues:", " queues:", 13, "not YAML"),
        ("name: parcels", "name: 'parcels", 21, "not YAML"),
        ("name: parcels", "name: !!python/object:os.system parcels", 3, "not YAML"),
        ("name: parcels", "name: par\x00cels", 3, "not YAML"),
        ("  decisions:", "---\n  decisions:", 16, "a second document begins here"),
        ("    draft: 0.6", "    draft: 0.6\n    policy: rules.rego", 19, "rules.rego can't be read (No such file"),
    ],
)
def test_a_mistake_is_named_with_its_line(tmp_path: Path, old: str, new: str, line: int, says: str) -> None:
    assert old in GOOD
    file = write(tmp_path, GOOD.replace(old, new))
    text = message(file)
    assert text.startswith(f"{file}:{line}: "), text
    assert says in text
    assert "\n" not in text


def test_all_mistakes_are_listed_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    file = write(tmp_path, GOOD.replace("name: parcels", "nme: parcels").replace("draft: 0.6", "drift: 0.6"))
    lines = message(file).splitlines()
    assert [line.split(": ")[0] for line in lines] == [f"{file}:{n}" for n in (3, 18)]


def test_a_missing_policy_is_an_error_with_a_way_out(tmp_path: Path) -> None:
    text = message(write(tmp_path, GOOD, policy=None))
    assert text.startswith(f"{tmp_path}/defs.yaml:16: decisions.policy: policy.rego can't be read")
    assert "write it beside this file" in text


def test_a_file_that_is_not_utf8_names_the_line(tmp_path: Path) -> None:
    assert ":2: not UTF-8 text" in message(write(tmp_path, b"type: x\nname: caf\xe9\n"))


def test_an_empty_file_says_what_belongs_there(tmp_path: Path) -> None:
    assert ":1: empty or not a mapping; it needs `type:" in message(write(tmp_path, ""))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    assert f"{tmp_path}/defs.yaml:1: can't be read" in message(tmp_path / "defs.yaml")


def test_an_alias_inside_itself_is_refused_and_does_not_hang(tmp_path: Path) -> None:
    assert "defs.yaml:" in message(write(tmp_path, GOOD.replace("  queues:", "  owners: &a [*a]\n  queues:")))


@given(text=st.text() | st.binary())
def test_no_content_raises_anything_but_a_declaration_error(
    tmp_path_factory: pytest.TempPathFactory, text: str | bytes
) -> None:
    raw = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
    file = write(tmp_path_factory.mktemp("any"), raw)
    with pytest.raises(DeclarationError):
        load_declaration(file)


@given(line=st.integers(0, 18), text=st.text(max_size=20))
def test_no_edit_of_a_good_file_raises_anything_but_a_declaration_error(
    tmp_path_factory: pytest.TempPathFactory, line: int, text: str
) -> None:
    lines = GOOD.splitlines()
    lines[line] = lines[line] + text
    file = write(tmp_path_factory.mktemp("edited"), "\n".join(lines).encode("utf-8", "surrogatepass"))
    try:
        load_declaration(file)
    except DeclarationError as error:
        assert str(error).startswith(f"{file}:")


def test_automations_are_found_in_several_folders_by_name(tmp_path: Path) -> None:
    write(tmp_path / "a" / "x", GOOD)
    write(tmp_path / "b" / "y", GOOD.replace("parcels", "letters"))
    (tmp_path / "b" / "notes").mkdir()
    assert [d.automation.name for d in find_declarations([tmp_path / "a", tmp_path / "b"])] == ["letters", "parcels"]


def test_two_automations_of_one_name_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "x", GOOD)
    write(tmp_path / "y", GOOD)
    with pytest.raises(
        DeclarationError, match=r"y/defs.yaml:1: automation `parcels` is already declared in .*x/defs.yaml"
    ):
        find_declarations([tmp_path])


def test_a_broken_automation_need_not_stop_the_others(tmp_path: Path) -> None:
    write(tmp_path / "x", "nonsense")
    write(tmp_path / "y", GOOD)
    errors: list[DeclarationError] = []
    assert [d.automation.name for d in find_declarations([tmp_path], errors=errors)] == ["parcels"]
    assert [str(e).startswith(f"{tmp_path}/x/defs.yaml:1: ") for e in errors] == [True]


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigurationError, match="gone: no such folder of automations; make it, or correct AIOS_AUTOMATIONS"
    ):
        find_declarations([tmp_path / "gone"])


def test_a_scaffold_loads_as_it_is(tmp_path: Path) -> None:
    file = scaffold("my_tickets", folder=tmp_path, today=date(2026, 11, 22))
    declared = load_declaration(file)
    assert declared.automation.name == "my_tickets"
    assert declared.automation.start_date == date(2026, 9, 23)
    assert declared.automation.actions.dry_run
    assert "@" not in file.read_text()


def test_a_scaffold_never_overwrites(tmp_path: Path) -> None:
    scaffold("mine", folder=tmp_path, today=date(2026, 11, 22))
    with pytest.raises(DeclarationError, match="mine: exists already"):
        scaffold("mine", folder=tmp_path, today=date(2026, 11, 22))


@pytest.mark.parametrize("name", ["Mine", "../up", "", "a b", "9lives"])
def test_a_scaffold_needs_a_name_that_can_be_one(tmp_path: Path, name: str) -> None:
    with pytest.raises(DeclarationError, match="can't name an automation"):
        scaffold(name, folder=tmp_path, today=date(2026, 11, 22))


@pytest.mark.parametrize(
    "file",
    sorted((Path(__file__).parents[2] / "examples").glob("*/defs.yaml"))
    + sorted((Path(__file__).parents[2] / "aios_assets" / "defs").glob("*/defs.yaml")),
    ids=lambda f: f.parent.name,
)
def test_every_automation_of_this_project_loads_without_any_environment(file: Path) -> None:
    assert load_declaration(file).automation.name == file.parent.name
