"""Cut-offs written into a declaration's text, and nothing else of it touched.

What belongs here: where in the text a value goes. What does not: files, and proving that only these values changed
(`resources/threshold_accept.py`). A YAML library that writes files anew would lose layout and comments; here the text is cut at the
places that the parser names.
"""

from collections.abc import Mapping
from typing import Any

import yaml

from aios_core.thresholds.tickets import ThresholdError

Value = float | str
Tree = dict[str, Any]  # leaves are values


def edited(text: str, changes: Mapping[str, Value]) -> str:
    """The text with these leaves (`decisions.automate`, `decisions.queues.billing.draft`) set. Raises ThresholdError.

    A key that is there has its value replaced. One that is not is added after the last key beside it, as deep as that.
    """
    for path, value in sorted(changes.items()):
        text = _set(text, path.split("."), value)
    return text


def _set(text: str, path: list[str], value: Value) -> str:
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    node: Any = _child(root, "attributes")
    if not isinstance(node, yaml.MappingNode):
        raise ThresholdError(
            "the declaration has no `attributes:`, so there is nowhere to write cut-offs; edit it by hand"
        )
    for depth, step in enumerate(path):
        child = _child(node, step)
        if child is None:
            return _added(text, node, _nested(path[depth:], value))
        if depth == len(path) - 1:
            return (
                text[: child.start_mark.index] + _plain(value) + text[child.end_mark.index :]
                if _is_inline(text, child)
                else _refused(path)
            )
        if not isinstance(child, yaml.MappingNode):
            return _refused(path)
        if not child.value:  # `queues: {}`
            return (
                text[: child.start_mark.index] + _flow(_nested(path[depth + 1 :], value)) + text[child.end_mark.index :]
            )
        node = child
    return _refused(path)


def _added(text: str, node: yaml.MappingNode, tree: Tree) -> str:
    key, last = node.value[-1]
    if node.flow_style:
        return text[: last.end_mark.index] + ", " + _flow(tree)[1:-1] + text[last.end_mark.index :]
    # a block ends where the next token begins: the new lines go right after its last line that says something
    end = len(text[: last.end_mark.index].rstrip()) if not _is_inline(text, last) else last.end_mark.index
    end = _end_of_line(text, _last_said(text, last, end))
    indent = " " * key.start_mark.column
    lines = "".join(f"\n{indent}{line}" for line in _block(tree))
    return text[:end] + lines + text[end:]


def _last_said(text: str, node: yaml.Node, end: int) -> int:
    """Where the last scalar or flow collection inside a node ends: comments after it are of what follows."""
    if isinstance(node, yaml.MappingNode) and not node.flow_style and node.value:
        return _last_said(text, node.value[-1][1], end)
    if isinstance(node, yaml.SequenceNode) and not node.flow_style and node.value:
        return _last_said(text, node.value[-1], end)
    return node.end_mark.index if _is_inline(text, node) else end


def _end_of_line(text: str, index: int) -> int:
    found = text.find("\n", index)
    end = len(text) if found < 0 else found
    return end - 1 if end > index and text[end - 1] == "\r" else end


def _is_inline(text: str, node: yaml.Node) -> bool:
    """A plain or quoted scalar, or a flow collection: its end is the end of what it says."""
    if isinstance(node, yaml.ScalarNode):
        return node.style not in ("|", ">")
    return bool(getattr(node, "flow_style", False)) or (
        text[node.start_mark.index : node.start_mark.index + 1] in ("{", "[")
    )


def _refused(path: list[str]) -> str:
    raise ThresholdError(
        f"`{'.'.join(path)}` can't be written by itself here; edit the declaration by hand as the patch shows"
    )


def _child(node: Any, name: str) -> Any:
    if not isinstance(node, yaml.MappingNode):
        return None
    return next((value for key, value in node.value if key.value == name), None)


def _nested(path: list[str], value: Value) -> Tree:
    tree: Any = value
    for step in reversed(path):
        tree = {step: tree}
    return tree  # type: ignore[no-any-return]


def _flow(tree: Any) -> str:
    if not isinstance(tree, dict):
        return _plain(tree)
    return "{" + ", ".join(f"{key}: {_flow(value)}" for key, value in tree.items()) + "}"


def _block(tree: Tree) -> list[str]:
    """Lines of a mapping; cut-offs of one queue stand on one line."""
    lines: list[str] = []
    for key, value in tree.items():
        if isinstance(value, dict) and any(isinstance(inner, dict) for inner in value.values()):
            lines += [f"{key}:", *(f"  {line}" for line in _block(value))]
        else:
            lines.append(f"{key}: {_flow(value)}")
    return lines


def _plain(value: Value) -> str:
    return value if isinstance(value, str) else f"{value:.6f}".rstrip("0").rstrip(".") if value % 1 else f"{value:.1f}"
