"""HTML and Markdown to plain text under headings. Nothing that a browser would run survives: markup is read, never kept.

What belongs here: reading markup. What does not: showing it; pages show the plain text, escaped like any other.

Markdown becomes HTML first (by markdown-it, CommonMark with tables), so that raw HTML inside Markdown passes the same door.
"""

import re
from html.parser import HTMLParser
from typing import Final

from aios_core.retrieval.articles import Section

# what holds code, styling or foreign documents instead of text; everything between begin and end is left out
UNREAD: Final = frozenset(
    [
        "script",
        "style",
        "template",
        "noscript",
        "iframe",
        "object",
        "embed",
        "applet",
        "svg",
        "math",
        "canvas",
        "audio",
        "video",
        "title",
        "select",
    ]
)
_BLOCKS: Final = frozenset(
    [
        "p",
        "div",
        "section",
        "article",
        "header",
        "footer",
        "main",
        "aside",
        "nav",
        "ul",
        "ol",
        "li",
        "dl",
        "dt",
        "dd",
        "table",
        "tr",
        "blockquote",
        "pre",
        "br",
        "hr",
        "figure",
        "form",
        "details",
        "summary",
    ]
)
_LINE: Final = frozenset(("li", "br", "tr", "dt", "dd"))
_HEADING: Final = re.compile(r"h[1-6]")
_SPACES: Final = re.compile(r"[^\S\n]+")
_ANY_SPACE: Final = re.compile(r"\s+")
_LINES: Final = re.compile(r"\n\s*\n\s*")
# Jekyll and kramdown write attributes of a block on a line of their own
_ATTRIBUTES: Final = re.compile(r"^\s*\{:.*\}\s*$", re.MULTILINE)
_INVISIBLE: Final = re.compile(r"[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f\u200b\ufeff\ud800-\udfff]")


def html_sections(markup: str) -> tuple[Section, ...]:
    """The text of an HTML document or fragment, however broken; none where it has no text."""
    reader = _Reader()
    reader.feed(markup)
    reader.close()
    return reader.sections()


def html_text(markup: str) -> str:
    """All of its words, paragraphs apart."""
    return "\n\n".join("\n".join((*section.headings[-1:], section.text)).strip() for section in html_sections(markup))


def markdown_sections(text: str) -> tuple[Section, ...]:
    """The text of a Markdown document, front matter left out by the caller."""
    from markdown_it import MarkdownIt

    return html_sections(MarkdownIt("commonmark", {"html": True}).enable("table").render(_ATTRIBUTES.sub("", text)))


def plain(text: str) -> str:
    """One line without markup, as a title is: entities read, tags and control characters gone."""
    joined = " ".join(part for section in html_sections(text) for part in (*section.headings, section.text) if part)
    return " ".join(joined.split())


class _Reader(HTMLParser):
    """Collects text under headings. Links keep their words, images their alternative text, tables a line a row."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._found: list[Section] = []
        self._headings: list[tuple[int, str]] = []
        self._text: list[str] = []
        self._heading: int | None = None
        self._unread: list[str] = []
        self._as_written = 0

    def sections(self) -> tuple[Section, ...]:
        self._end_section()
        return tuple(self._found)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if self._unread:
            if tag == self._unread[-1]:
                self._unread.append(tag)
        elif tag in UNREAD:
            if tag != "embed":  # the one of them without an end
                self._unread.append(tag)
        elif _HEADING.fullmatch(tag):
            self._end_section()
            self._heading = int(tag[1])
        elif tag == "img":
            self._text.append(dict(attrs).get("alt") or "")
        elif tag in ("td", "th"):
            self._text.append(" ")
        elif tag in _BLOCKS:
            self._as_written += tag == "pre"
            self._text.append(_break(tag))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in UNREAD:  # `<script/>` holds nothing, so that nothing must wait for its end
            self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        if self._unread:
            if tag == self._unread[-1]:
                self._unread.pop()
        elif _HEADING.fullmatch(tag):
            self._end_heading()
        elif tag in _BLOCKS:
            self._as_written = max(0, self._as_written - (tag == "pre"))
            self._text.append("" if tag in _LINE else _break(tag))  # the next one begins with its own

    def handle_data(self, data: str) -> None:
        if not self._unread:
            self._text.append(data if self._as_written else _ANY_SPACE.sub(" ", data))

    def _end_heading(self) -> None:
        if self._heading is None:
            return
        level, title = self._heading, " ".join(_clean("".join(self._text)).split())
        self._heading, self._text = None, []
        if title:
            self._headings = [(above, name) for above, name in self._headings if above < level] + [(level, title)]

    def _end_section(self) -> None:
        self._end_heading()
        text = _clean("".join(self._text))
        self._text = []
        if text:
            self._found.append(Section(headings=tuple(name for _, name in self._headings), text=text))


def _break(tag: str) -> str:
    """Paragraphs are apart, lines of one list or table are together."""
    return "\n" if tag in _LINE else "\n\n"


def _clean(text: str) -> str:
    """Runs of spaces as one, at most one empty line, no characters that can't be seen."""
    return _LINES.sub(
        "\n\n", _SPACES.sub(" ", _INVISIBLE.sub("", text)).replace(" \n", "\n").replace("\n ", "\n")
    ).strip()
