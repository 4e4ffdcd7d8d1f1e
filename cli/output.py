"""How the command line speaks: people read tables, scripts read JSON, and an error is one line.

What belongs here: printing. What does not: what is printed.
"""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

AsJson = Annotated[bool, typer.Option("--json", help="JSON on standard output, for scripts.")]

# piped output is read by grep and awk: a line must not be folded at the 80 columns of a terminal that isn't there
WIDE = 200
out = Console(width=None if sys.stdout.isatty() else WIDE)
err = Console(stderr=True, width=None if sys.stderr.isatty() else WIDE)


def fail(error: BaseException) -> None:
    """One line that begins with `error:`; more only where the message itself has several."""
    print(f"error: {error}", file=sys.stderr)


def say(text: str) -> None:
    """A line for people."""
    print(text)


def note(text: str) -> None:
    """Something worth knowing, out of the way of what a script reads."""
    print(text, file=sys.stderr)


def as_json(value: Any) -> None:
    """One JSON document on standard output."""
    print(json.dumps(value, indent=2, default=_plain, ensure_ascii=False))


def table(rows: Iterable[Mapping[str, Any]], *, columns: Sequence[str], empty: str) -> None:
    """Rows as a table with these columns; `empty` where there is none."""
    found = list(rows)
    if not found:
        out.print(empty)
        return
    shown = Table(show_edge=False, pad_edge=False, header_style="bold")
    for column in columns:
        shown.add_column(column.replace("_", " "), overflow="fold")
    for row in found:
        shown.add_row(*(escape(_short(row.get(column))) for column in columns))
    out.print(shown)


def pairs(value: Mapping[str, Any], *, title: str | None = None) -> None:
    """Names and values below each other; nested ones are indented by a dotted name."""
    if title:
        out.print(f"[bold]{escape(title)}[/bold]")
    shown = Table(show_header=False, show_edge=False, box=None, pad_edge=False)
    for name, item in _flat(value):
        shown.add_row(f"[dim]{escape(name)}[/dim]", escape(_short(item)))
    out.print(shown)


def _flat(value: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, Any]]:
    for name, item in value.items():
        if isinstance(item, Mapping) and item:
            yield from _flat(item, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", item


def _short(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(value, list | tuple | dict):
        return json.dumps(value, default=_plain, ensure_ascii=False)
    return str(value)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, set | frozenset | tuple):
        return list(value)
    if isinstance(value, Mapping):
        return dict(value)
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")
