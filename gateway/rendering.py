"""Templates and how values are put into words on a page.

What belongs here: the Jinja environment, its filters and the one way to make an HTML response. What does not: what a page
says (`templates/`).
"""

import hashlib
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from gateway.security import HEADERS, PAGE_POLICY
from resources.console_case import masked

HERE = Path(__file__).parent
STATIC = HERE / "static"


class Pages:
    """Renders templates. What every page needs is handed in once."""

    def __init__(self, **everywhere: Any) -> None:
        self._environment = Environment(
            loader=FileSystemLoader(HERE / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.filters |= {
            "percent": percent,
            "span": span,
            "when": when,
            "name": name,
            "path": lambda text: quote(str(text), safe="/"),
            "number": number,
            "web": web,
            "coded": coded,
            "actor": actor,
            "masked": masked,
        }
        self._environment.globals |= {"asset": asset} | everywhere

    def render(
        self, template: str, *, status: int = 200, headers: dict[str, str] | None = None, **values: Any
    ) -> HTMLResponse:
        """A page as a response; never kept by a cache, since it shows customers' data."""
        body = self.text(template, **values)
        sent = HEADERS | {"content-security-policy": PAGE_POLICY, "cache-control": "no-store"} | (headers or {})
        return HTMLResponse(body, status_code=status, headers=sent)

    def text(self, template: str, **values: Any) -> str:
        """A piece of a page."""
        return self._environment.get_template(template).render(**values)


def percent(share: float | None) -> str:
    """0.9213 -> 92.1%. A share below one is never rounded up to certainty."""
    if share is None:
        return "–"
    if 0.9995 <= share < 1.0:
        return ">99.9%"
    return f"{share * 100:.1f}%"


def span(time: timedelta) -> str:
    """A duration in the two largest units: 2 d 3 h, 4 h 05 min, 12 min, 40 s."""
    seconds = abs(int(time.total_seconds()))
    days, hours, minutes = seconds // 86_400, seconds // 3600 % 24, seconds // 60 % 60
    if days:
        return f"{days} d {hours} h"
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min" if minutes else f"{seconds} s"


def when(time: datetime | None, style: str = "full") -> Markup:
    """A moment as a `time` element, UTC; the browser's script adds the reader's own time as a hint."""
    if time is None:
        return Markup("–")
    text = time.strftime({"clock": "%H:%M", "date": "%Y-%m-%d"}.get(style, "%Y-%m-%d %H:%M"))
    zone = " UTC" if style == "full" else ""
    return Markup('<time datetime="{}" title="{}">{}{}</time>').format(
        time.isoformat(), time.strftime("%Y-%m-%d %H:%M:%S UTC"), text, zone
    )


def name(identifier: str | None) -> str:
    """plan_change -> Plan change. None is an en dash: nothing was chosen."""
    if identifier is None:
        return "–"
    words = identifier.replace("_", " ").strip() or identifier
    return words[:1].upper() + words[1:]


def number(value: float) -> str:
    """12345 -> 12,345."""
    return f"{value:,}"


def web(address: str | None) -> str | None:
    """An address that may stand in a link: http or https. An article's own may be anything, `javascript:` included."""
    return address if address and address.strip().lower().startswith(("https://", "http://")) else None


def coded(text: str) -> Markup:
    """Our own messages set names and commands in backticks; on a page they are code. Backticks without a partner stay."""
    parts = text.split("`")
    if len(parts) % 2 == 0:
        return escape(text)
    return Markup("").join(Markup("<code>{}</code>").format(p) if i % 2 else escape(p) for i, p in enumerate(parts))


def actor(who: str) -> str:
    """person:lea -> lea, run:75dd003c-8c32-… -> run 75dd003c, model:x stays."""
    kind, _, name = who.partition(":")
    return name if kind == "person" and name else f"run {name[:8]}" if kind == "run" and name else who


def asset(file: str) -> str:
    """The address of a static file with its content's hash, so that browsers may keep it for good."""
    digest = hashlib.sha256((STATIC / file).read_bytes()).hexdigest()[:10]
    return f"/static/{file}?v={digest}"
