"""A folder of Markdown and HTML files, each an article; its id is its path in the folder.

What belongs here: finding and reading files. What does not: reading markup (`aios_core/retrieval/markup.py`).

Front matter (YAML between `---` lines) may say `title`, `language` (or `lang`), `products`, `url`, `valid_from`, `valid_until` and
`published`; what else it says is passed over. Without a title the first heading is the title, else the file's name.
"""

import html
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any, Final

import yaml

from aios_core.errors import RecordError
from aios_core.retrieval.articles import Article, ArticleKey, KnowledgeError
from aios_core.retrieval.markup import html_sections, markdown_sections, plain
from resources.connectors.knowledge.base import ArticlePage, Rejected
from resources.connectors.knowledge.shaping import article

ENDINGS: Final = {
    ".md": markdown_sections,
    ".markdown": markdown_sections,
    ".html": html_sections,
    ".htm": html_sections,
}
MAX_BYTES: Final = 5_000_000
_FRONT: Final = re.compile(r"\A---[ \t]*\r?\n(.*?)\r?\n---[ \t]*(?:\r?\n|\Z)", re.DOTALL)
_TITLE: Final = re.compile(r"<title[^>]*>(.*?)</title>", re.DOTALL | re.IGNORECASE)


class FolderArticles:
    """The files under one folder. A folder that is not there is an error, not an empty knowledge base."""

    def __init__(self, *, source: str, folder: Path, language: str | None = None) -> None:
        self._source, self._folder, self._language = source, folder, language

    def changes(self, *, cursor: str | None) -> Iterator[ArticlePage]:  # noqa: ARG002 (reading a folder costs little: all of it, always)
        return self.listing()

    def listing(self) -> Iterator[ArticlePage]:
        """One page with every file; what can't be read is rejected by name, and the others go on."""
        if not self._folder.is_dir():
            raise KnowledgeError(
                f"knowledge source `{self._source}`: {self._folder} is no folder; make it, or correct its `path`"
            )
        found: list[Article] = []
        rejected: list[Rejected] = []
        for file in sorted(self._folder.rglob("*")):
            inside = file.relative_to(self._folder)
            if file.suffix.lower() not in ENDINGS or not file.is_file() or any(p.startswith(".") for p in inside.parts):
                continue
            try:
                found.append(self._read(file, inside.as_posix()))
            except RecordError as error:
                rejected.append(Rejected(article_id=inside.as_posix(), code=error.code, message=str(error)))
        yield ArticlePage(articles=tuple(found), rejected=tuple(rejected))

    def close(self) -> None:
        """Nothing is held open."""

    def _read(self, file: Path, name: str) -> Article:
        if file.stat().st_size > MAX_BYTES:
            raise RecordError("knowledge.too_large", f"{name}: more than {MAX_BYTES:,} bytes; cut it into articles")
        try:
            text = file.read_bytes().decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise RecordError(
                "knowledge.not_text", f"{name}: not UTF-8 at byte {error.start}; save it as UTF-8"
            ) from error
        said, body = _front_matter(text, name)
        read = ENDINGS[file.suffix.lower()]
        sections = read(body)
        title = plain(str(said.get("title") or "")) or _html_title(body, file)
        if not title and sections and sections[0].headings:
            title = sections[0].headings[0]
        return article(
            key=ArticleKey(self._source, name),
            title=title or file.stem.replace("-", " ").replace("_", " "),
            sections=sections,
            language=said.get("language") or said.get("lang") or self._language,
            products=_listed(said.get("products") or said.get("product")),
            url=said.get("url"),
            valid_from=_moment(said.get("valid_from"), "valid_from", name),
            valid_until=_moment(said.get("valid_until"), "valid_until", name),
            published=said.get("published") is not False and said.get("draft") is not True,
        )


def _front_matter(text: str, name: str) -> tuple[dict[str, Any], str]:
    match = _FRONT.match(text)
    if match is None:
        return {}, text
    try:
        said = yaml.safe_load(match[1])
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        first = str(error).splitlines()[0]
        raise RecordError(
            "knowledge.front_matter", f"{name}: its front matter is not YAML ({first}); correct it"
        ) from error
    return (said if isinstance(said, dict) else {}), text[match.end() :]


def _html_title(body: str, file: Path) -> str:
    match = _TITLE.search(body) if file.suffix.lower() in (".html", ".htm") else None
    return " ".join(html.unescape(match[1]).split()) if match else ""


def _listed(value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    return tuple(
        str(v).strip() for v in (value if isinstance(value, list) else str(value).split(",")) if str(v).strip()
    )


def _moment(value: Any, field: str, name: str) -> datetime | None:
    """A date is its midnight in UTC; so `valid_until: 2026-05-01` is the first day on which it is not valid any more."""
    if value is None:
        return None
    try:
        if isinstance(value, str):
            value = datetime.fromisoformat(value.strip())
        if isinstance(value, date) and not isinstance(value, datetime):
            value = datetime.combine(value, time())
        if isinstance(value, datetime):
            return value if value.tzinfo else value.replace(tzinfo=UTC)
    except ValueError:
        pass
    # an article with an unreadable end would be cited past it
    raise RecordError("knowledge.validity", f"{name}: {field} is `{value}`; write a date such as 2026-05-01")
