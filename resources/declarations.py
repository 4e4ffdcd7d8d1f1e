"""Automations as files: reads `defs.yaml` and its policy, and says with file and line what is wrong.

What belongs here: from a file to a checked `Automation`, and the scaffold of a new one. What does not: the schema and its
rules (`aios_core/automation.py`), Dagster (`aios_assets/automation.py`), the meaning of a policy (`resources/policy.py`).
"""

import difflib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError

from aios_core.automation import (
    ArticleFolder,
    Automation,
    HelpCenterSource,
)
from aios_core.declaration.sources import Source
from aios_core.errors import ConfigurationError, DeclarationError

COMPONENT = "aios_assets.automation.AutomationComponent"
DECLARATION_FILE = "defs.yaml"
TEMPLATES = Path(__file__).parent / "templates" / "automation"
# what Dagster itself allows beside `type` and `attributes`
TOP_LEVEL = ("type", "attributes", "requirements", "template_vars_module", "post_processing")
KINDS = ("linear_text", "encoder", "cascade", "tabular", "onnx")
SOURCES: dict[str, type[BaseModel]] = {
    get_args(kind.model_fields["connector"].annotation)[0]: kind for kind in get_args(get_args(Source)[0])
}
ARTICLES: dict[str, type[BaseModel]] = {"zendesk_help_center": HelpCenterSource, "folder": ArticleFolder}
# the sandbox's world begins about 30 days before today
SCAFFOLD_DAYS = 60

Location = Sequence[int | str]


@dataclass(frozen=True, slots=True)
class Declared:
    """One automation as found: its declaration, where it came from, and the text of its policy."""

    automation: Automation
    folder: Path
    file: Path
    policy_text: str


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with one line of a file."""

    file: Path
    line: int
    what: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.what}"


def load_declaration(file: Path) -> Declared:
    """The automation declared in `file`; a DeclarationError lists every problem as `file:line: what; what to do`."""
    file = file.resolve()
    return read_declaration(file, _read(file))


def read_declaration(file: Path, text: str) -> Declared:
    """The automation that `file` would declare if it held this text; as `load_declaration`."""
    root = _compose(file, text)
    attributes = _attributes(file, root)
    try:
        automation = Automation.model_validate(_construct(file, attributes))
    except ValidationError as error:
        raise _refuse(_problems(file, attributes, error)) from error
    return Declared(automation, file.parent, file, _policy(file, attributes, automation))


def find_declarations(folders: Sequence[Path], *, errors: list[DeclarationError] | None = None) -> list[Declared]:
    """The automations in `folder/*/defs.yaml`, by name. With `errors` given, broken ones are put there and left out."""
    found: dict[str, Declared] = {}
    for file in _files(folders):
        try:
            declared = load_declaration(file)
            if (other := found.get(declared.automation.name)) is not None:
                raise DeclarationError(
                    f"{file}:1: automation `{declared.automation.name}` is already declared in {other.file}; rename one of them"
                )
            found[declared.automation.name] = declared
        except DeclarationError as error:
            if errors is None:
                raise
            errors.append(error)
    return [found[name] for name in sorted(found)]


def scaffold(name: str, *, folder: Path, today: date) -> Path:
    """Write `folder/name/defs.yaml` and its policy: an automation that loads and runs on the sandbox."""
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,62}", name):
        raise DeclarationError(
            f"`{name}` can't name an automation; use lower-case letters, digits and _, a letter first"
        )
    target = folder / name
    if target.exists():
        raise DeclarationError(f"{target}: exists already; choose another name, or edit what is there")
    values = {"@NAME@": name, "@START_DATE@": (today - timedelta(days=SCAFFOLD_DAYS)).isoformat()}
    try:
        target.mkdir(parents=True)
        for template in sorted(TEMPLATES.iterdir()):
            text = template.read_text(encoding="utf-8")
            for placeholder, value in values.items():
                text = text.replace(placeholder, value)
            (target / template.name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"{target}: can't write the new automation: {error.strerror}") from error
    return target / DECLARATION_FILE


def _files(folders: Iterable[Path]) -> list[Path]:
    files: list[Path] = []
    for folder in folders:
        if not folder.is_dir():
            raise ConfigurationError(f"{folder}: no such folder of automations; make it, or correct AIOS_AUTOMATIONS")
        files += sorted(folder.glob(f"*/{DECLARATION_FILE}"))
    return list(dict.fromkeys(f.resolve() for f in files))


def _read(file: Path) -> str:
    try:
        return file.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise _refuse([Problem(file, line, "not UTF-8 text; save the file as UTF-8")]) from error
    except OSError as error:
        raise _refuse([Problem(file, 1, f"can't be read: {error.strerror}; is the path right?")]) from error


def _compose(file: Path, text: str) -> yaml.MappingNode:
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        if "expected a single document" in str(error.context):
            raise _refuse(
                [Problem(file, line, "a second document begins here; declare one automation a file")]
            ) from error
        raise _refuse(
            [Problem(file, line, f"not YAML: {error.problem or error.context}; check indents and quotes")]
        ) from error
    except (yaml.YAMLError, RecursionError) as error:
        line = text[: getattr(error, "position", 0)].count("\n") + 1
        reason = getattr(error, "reason", None) or "it is nested too deeply"
        raise _refuse([Problem(file, line, f"not YAML: {reason}; remove what does not belong here")]) from error
    if not isinstance(root, yaml.MappingNode):
        raise _refuse([Problem(file, 1, f"empty or not a mapping; it needs `type: {COMPONENT}` and `attributes:`")])
    if doubles := list(_doubles(file, root, set())):
        raise _refuse(doubles)
    return root


def _doubles(file: Path, node: yaml.Node, visited: set[int]) -> Iterable[Problem]:
    """Keys given twice: YAML would silently take the last."""
    if id(node) in visited:  # an alias: seen already, and perhaps inside itself
        return
    visited.add(id(node))
    if isinstance(node, yaml.MappingNode):
        seen: dict[str, int] = {}
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value != "<<":
                if (first := seen.setdefault(key.value, key.start_mark.line)) != key.start_mark.line:
                    what = f"`{key.value}` is given twice, first in line {first + 1}; remove one"
                    yield Problem(file, key.start_mark.line + 1, what)
            yield from _doubles(file, value, visited)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            yield from _doubles(file, value, visited)


def _attributes(file: Path, root: yaml.MappingNode) -> yaml.MappingNode:
    top = {key.value: (key, value) for key, value in root.value if isinstance(key, yaml.ScalarNode)}
    for name, (key, _) in top.items():
        if name not in TOP_LEVEL:
            what = f"unknown key `{name}`{_meant(name, TOP_LEVEL)}; an automation's own keys stand under `attributes:`"
            raise _refuse([Problem(file, key.start_mark.line + 1, what)])
    if "type" not in top or top["type"][1].value != COMPONENT:
        line = top["type"][0].start_mark.line + 1 if "type" in top else 1
        raise _refuse([Problem(file, line, f"not an automation; write `type: {COMPONENT}`")])
    node = top["attributes"][1] if "attributes" in top else None
    if not isinstance(node, yaml.MappingNode):
        line = top["attributes"][0].start_mark.line + 1 if "attributes" in top else 1
        raise _refuse([Problem(file, line, "`attributes:` is missing or empty; the declaration goes there")])
    return node


def _construct(file: Path, node: yaml.MappingNode) -> Any:
    try:
        return yaml.constructor.SafeConstructor().construct_document(node)
    except yaml.constructor.ConstructorError as error:
        mark = error.problem_mark or error.context_mark
        raise _refuse(
            [Problem(file, mark.line + 1 if mark else 1, f"not YAML: {error.problem}; check this value")]
        ) from error
    except ValueError as error:  # a date like 2026-02-30
        raise _refuse([Problem(file, _impossible_date(node), f"{error}; correct this value")]) from error


def _impossible_date(node: yaml.Node) -> int:
    for child in _scalars(node):
        if child.tag == "tag:yaml.org,2002:timestamp":
            try:
                yaml.constructor.SafeConstructor().construct_yaml_timestamp(child)
            except ValueError:
                return int(child.start_mark.line) + 1
    return int(node.start_mark.line) + 1


def _scalars(node: yaml.Node) -> Iterable[yaml.ScalarNode]:
    if isinstance(node, yaml.ScalarNode):
        yield node
    elif isinstance(node, yaml.SequenceNode):
        for child in node.value:
            yield from _scalars(child)
    elif isinstance(node, yaml.MappingNode):
        for key, child in node.value:
            yield key
            yield from _scalars(child)


def _problems(file: Path, attributes: yaml.MappingNode, error: ValidationError) -> list[Problem]:
    found: dict[tuple[int, str, str], Problem] = {}
    items = error.errors(include_url=False)
    for item in items:
        if item["type"] == "missing" and _is_misspelt(item["loc"], items):
            continue
        line, path = _place(attributes, item["loc"], item["msg"])
        # a value that may be one of several types fails once for each: the first says enough
        key = str(item["loc"][-1]) if item["type"] == "missing" else ""
        found.setdefault((line, path, key), Problem(file, line, _say(item, path)))
    return sorted(found.values(), key=lambda p: p.line)


def _is_misspelt(missing: Location, items: Sequence[Any]) -> bool:
    """Whether an unknown key beside it is this one misspelt: one mistake, one message."""
    beside = [str(i["loc"][-1]) for i in items if i["type"] == "extra_forbidden" and i["loc"][:-1] == missing[:-1]]
    return any(difflib.get_close_matches(key, [str(missing[-1])]) for key in beside)


def _place(attributes: yaml.MappingNode, loc: Location, message: str) -> tuple[int, str]:
    """The line of a pydantic location, and the path as it is written in the file.

    Locations hold names that are not in the file (the tag of a union): what is not there is left out.
    """
    node: yaml.Node = attributes
    line, path = attributes.start_mark.line, ""
    steps: list[int | str] = [*loc]
    if not steps and (dotted := re.match(r"(?:Value error, )?([a-z_]+(?:\.[a-z_]+)+): ", message)):
        steps = [*dotted[1].split(".")]
    for step in steps:
        child = _child(node, step)
        if child is not None:
            line, node = child
            path += f"[{step}]" if isinstance(step, int) else f".{step}"
    for word in re.findall(r"`(\w+)`", message):
        if (child := _child(node, word)) is not None:
            line = child[0]
            break
    return line + 1, path.lstrip(".")


def _child(node: yaml.Node, step: int | str) -> tuple[int, yaml.Node] | None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == str(step):
                return key.start_mark.line, value
    elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        return node.value[step].start_mark.line, node.value[step]
    return None


def _say(item: Any, path: str) -> str:
    kind, loc = item["type"], item["loc"]
    key = str(loc[-1]) if loc else ""
    at = f"{path}: " if path else ""
    if kind == "extra_forbidden":
        allowed = _allowed(loc[:-1])
        return f"{at}unknown key `{key}`{_meant(key, allowed)}; allowed here: {', '.join(sorted(allowed)) or 'nothing'}"
    if kind == "missing":
        return f"{at}`{key}` is missing; add it"
    if kind == "union_tag_not_found":
        return f"{at}`connector` is missing; add one of {', '.join(_connectors(loc))}"
    if kind == "union_tag_invalid":
        tag = item["ctx"]["tag"]
        if loc and loc[-1] == "model":
            return f"{at}unknown kind `{tag}`{_meant(tag, KINDS)}; there are: {', '.join(KINDS)}"
        known = _connectors(loc)
        return f"{at}unknown connector `{tag}`{_meant(tag, known)}; there are: {', '.join(known)}"
    if key == "[key]":
        return f"{at}`{item['input']}` can't be a name here; use lower-case letters, digits and _, a letter first"
    message = item["msg"].removeprefix("Value error, ")
    if at and message.startswith(at):
        at = ""
    if kind == "string_pattern_mismatch" and "a-z0-9_" in message:
        message = "should be lower-case letters, digits and _, a letter first"
    elif kind == "string_pattern_mismatch":
        message = 'should be five cron fields, such as "*/5 * * * *"'
    elif kind == "string_type" and isinstance(item["input"], bool | int | float | date):
        message += "; put it in quotes"
    shown = "" if isinstance(item["input"], dict | list | BaseModel) else f"; it is {item['input']!r}"
    return f"{at}{message}{shown}"


def _connectors(loc: Location) -> Iterable[str]:
    """The connectors that a source at a pydantic location may have."""
    return ARTICLES if "knowledge" in loc else SOURCES


def _allowed(loc: Location) -> set[str]:
    """The keys that the model at a pydantic location knows."""
    model: Any = Automation
    for step in loc:
        if step in SOURCES or step in ARTICLES:
            model = (SOURCES | ARTICLES)[str(step)]
        elif isinstance(step, str) and not isinstance(model, tuple) and step in model.model_fields:
            model = _inner_model(model.model_fields[step].annotation)
        elif isinstance(model, tuple):
            model = next((m for m in model if step in (m.__name__, _kind(m))), model)
    models = model if isinstance(model, tuple) else (model,)
    return {name for m in models for name in getattr(m, "model_fields", {})}


def _kind(model: type[BaseModel]) -> str | None:
    """The tag of one kind in a union of kinds."""
    field = model.model_fields.get("kind")
    return get_args(field.annotation)[0] if field is not None else None


def _inner_model(annotation: Any) -> Any:
    """The model inside `X | None`, `tuple[X, ...]`, `dict[str, X]` and their like."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    models = tuple(m for arg in getattr(annotation, "__args__", ()) for m in _as_tuple(_inner_model(arg)))
    return models[0] if len(models) == 1 else models


def _as_tuple(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,)


def _meant(word: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(word, list(known), n=1)
    return f", did you mean `{near[0]}`?" if near else ""


def _policy(file: Path, attributes: yaml.MappingNode, automation: Automation) -> str:
    path = file.parent / automation.decisions.policy
    line, _ = _place(attributes, ("decisions", "policy"), "")
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise _refuse([Problem(path, 1, "not UTF-8 text; save the file as UTF-8")]) from error
    except OSError as error:
        what = f"decisions.policy: {path.name} can't be read ({error.strerror}); write it beside this file"
        raise _refuse([Problem(file, line, what)]) from error


def _refuse(problems: Sequence[Problem]) -> DeclarationError:
    return DeclarationError("\n".join(map(str, problems)))
