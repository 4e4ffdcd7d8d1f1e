"""SOQL, as much of it as an export needs: parsed once, then asked of rows.

What belongs here: SELECT … FROM … WHERE … ORDER BY … LIMIT … OFFSET, with AND, OR, NOT and parentheses. What does not: relationship and
aggregate queries (but COUNT()), and pages (`routes.py`).

Words and limits follow Salesforce's "SOQL and SOSL Reference"; errors carry its error codes.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cmp_to_key
from typing import Any, Final

from sandbox.salesforce.records import FIELDS, FieldType, Row

Test = Callable[[Row], bool]

TOKEN: Final = re.compile(
    r"""\s*(?:
    (?P<datetime>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d))
  | (?P<date>\d{4}-\d\d-\d\d)
  | (?P<number>[+-]?\d+(?:\.\d+)?)
  | '(?P<string>(?:[^'\\]|\\.)*)'
  | (?P<operator><=|>=|!=|<>|=|<|>|\(|\)|,)
  | (?P<word>[A-Za-z_][\w.]*)
    )""",
    re.VERBOSE,
)
ESCAPES: Final = {"n": "\n", "r": "\r", "t": "\t"}


class SoqlError(Exception):
    """The query can't be run; `code` is the vendor's error code."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class Order:
    """One key of ORDER BY."""

    field: str
    descending: bool
    nulls_last: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A parsed query; `fields` is empty for COUNT()."""

    kind: str
    fields: tuple[str, ...]
    where: Test
    order: tuple[Order, ...]
    limit: int | None
    offset: int

    def run(self, rows: Iterable[Row]) -> list[Row]:
        """The rows that the query asks for, whole, in its order."""
        found = [row for row in rows if self.where(row)]
        for order in reversed(self.order):
            found.sort(key=_sort_key(order))
        end = None if self.limit is None else self.offset + self.limit
        return found[self.offset : end]


def parse(text: str) -> Query:
    """Read a query or raise `SoqlError`."""
    return _Parser(text).query()


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    at: int


def _tokens(text: str) -> list[_Token]:
    tokens, at = [], 0
    text = text.rstrip()
    while at < len(text):
        match = TOKEN.match(text, at)
        if match is None:
            raise SoqlError("MALFORMED_QUERY", f"unexpected token: '{text[at : at + 20].strip()}' at position {at}")
        kind = match.lastgroup or ""
        tokens.append(_Token(kind, match.group(kind), match.start(kind)))
        at = match.end()
    return tokens


class _Parser:
    """Recursive descent over the tokens of one query."""

    def __init__(self, text: str) -> None:
        self._tokens = _tokens(text)
        self._at = 0
        self._kind = ""

    def query(self) -> Query:
        self._expect("SELECT")
        names = self._names()
        self._expect("FROM")
        self._kind = self._object()
        fields = (
            ()
            if [name.lower() for name in names] == ["count()"]
            else tuple(dict.fromkeys(self._field(n) for n in names))
        )
        where: Test = self._disjunction() if self._accept("WHERE") else _always
        order = self._order() if self._accept("ORDER") else ()
        limit = self._count("LIMIT") if self._accept("LIMIT") else None
        offset = self._count("OFFSET") if self._accept("OFFSET") else 0
        if self._at < len(self._tokens):
            raise self._unexpected()
        return Query(kind=self._kind, fields=fields, where=where, order=order, limit=limit, offset=offset)

    # -- tokens -------------------------------------------------------------------------------------------------------

    def _peek(self) -> _Token | None:
        return self._tokens[self._at] if self._at < len(self._tokens) else None

    def _unexpected(self) -> SoqlError:
        token = self._peek()
        found = f"unexpected token: '{token.text}' at position {token.at}" if token else "unexpected end of query"
        return SoqlError("MALFORMED_QUERY", found)

    def _accept(self, *words: str) -> str | None:
        token = self._peek()
        if token is not None and token.kind in ("word", "operator") and token.text.upper() in words:
            self._at += 1
            return token.text.upper()
        return None

    def _expect(self, *words: str) -> str:
        found = self._accept(*words)
        if found is None:
            raise self._unexpected()
        return found

    def _word(self) -> str:
        token = self._peek()
        if token is None or token.kind != "word":
            raise self._unexpected()
        self._at += 1
        return token.text

    # -- clauses ------------------------------------------------------------------------------------------------------

    def _names(self) -> list[str]:
        names = [self._word()]
        if names[0].upper() == "COUNT" and self._accept("("):
            self._expect(")")
            return ["count()"]
        while self._accept(","):
            names.append(self._word())
        return names

    def _object(self) -> str:
        name = self._word()
        for kind in FIELDS:
            if kind.lower() == name.lower():
                return kind
        raise SoqlError("INVALID_TYPE", f"sObject type '{name}' is not supported.")

    def _field(self, name: str) -> str:
        for field in FIELDS[self._kind]:
            if field.lower() == name.lower():
                return field
        raise SoqlError("INVALID_FIELD", f"No such column '{name}' on entity '{self._kind}'.")

    def _order(self) -> tuple[Order, ...]:
        self._expect("BY")
        orders = []
        while True:
            field = self._field(self._word())
            descending = self._accept("ASC", "DESC") == "DESC"
            nulls_last = bool(self._accept("NULLS")) and self._expect("FIRST", "LAST") == "LAST"
            orders.append(Order(field, descending, nulls_last))
            if not self._accept(","):
                return tuple(orders)

    def _count(self, clause: str) -> int:
        token = self._peek()
        if token is None or token.kind != "number" or not token.text.isdigit():
            raise SoqlError("MALFORMED_QUERY", f"{clause} needs a whole number")
        self._at += 1
        return int(token.text)

    # -- conditions ---------------------------------------------------------------------------------------------------

    def _disjunction(self) -> Test:
        tests = [self._conjunction()]
        while self._accept("OR"):
            tests.append(self._conjunction())
        return tests[0] if len(tests) == 1 else lambda row: any(test(row) for test in tests)

    def _conjunction(self) -> Test:
        tests = [self._condition()]
        while self._accept("AND"):
            tests.append(self._condition())
        return tests[0] if len(tests) == 1 else lambda row: all(test(row) for test in tests)

    def _condition(self) -> Test:
        if self._accept("NOT"):
            test = self._condition()
            return lambda row: not test(row)
        if self._accept("("):
            test = self._disjunction()
            self._expect(")")
            return test
        return self._comparison()

    def _comparison(self) -> Test:
        field = self._field(self._word())
        kind = FIELDS[self._kind][field]
        operator = self._expect("=", "!=", "<>", "<", "<=", ">", ">=", "LIKE", "IN", "NOT")
        if operator == "NOT":
            self._expect("IN")
        if operator in ("IN", "NOT"):
            accepted = self._values(field, kind)
            wanted = operator == "IN"
            return lambda row: (_comparable(row[field], kind) in accepted) is wanted
        value = self._value(field, kind)
        if operator == "LIKE":
            return _like(field, str(value))
        return _compare(field, kind, operator, value)

    def _values(self, field: str, kind: FieldType) -> set[Any]:
        self._expect("(")
        values = {self._value(field, kind)}
        while self._accept(","):
            values.add(self._value(field, kind))
        self._expect(")")
        return values

    def _value(self, field: str, kind: FieldType) -> Any:
        token = self._peek()
        if token is None:
            raise self._unexpected()
        self._at += 1
        word = token.text.lower()
        if token.kind == "word" and word == "null":
            return None
        if kind == "boolean" and token.kind == "word" and word in ("true", "false"):
            return word == "true"
        if kind == "number" and token.kind == "number":
            return float(token.text)
        if kind == "datetime" and token.kind in ("datetime", "date"):
            return _moment(token)
        if kind in ("string", "id") and token.kind == "string":
            text = re.sub(r"\\(.)", lambda match: ESCAPES.get(match.group(1), match.group(1)), token.text)
            return _comparable(text, kind)
        message = f"value of filter criterion for field '{field}' must be of type {kind} and not '{token.text}'"
        raise SoqlError("INVALID_FIELD", message)


def _always(_: Row) -> bool:
    return True


def _never(_: Row) -> bool:
    return False


def _moment(token: _Token) -> float:
    if token.kind == "date":
        return datetime.combine(date.fromisoformat(token.text), datetime.min.time(), UTC).timestamp()
    try:
        return datetime.fromisoformat(token.text).timestamp()
    except ValueError:
        raise SoqlError("MALFORMED_QUERY", f"'{token.text}' at position {token.at} is not a date and time") from None


def _comparable(value: Any, kind: FieldType) -> Any:
    """Text compares without regard to case, ids by the 15 characters that name the record."""
    if value is None:
        return None
    return value.lower() if kind == "string" else value[:15] if kind == "id" else value


def _compare(field: str, kind: FieldType, operator: str, value: Any) -> Test:
    if operator == "=":
        return lambda row: bool(_comparable(row[field], kind) == value)
    if operator in ("!=", "<>"):
        return lambda row: bool(_comparable(row[field], kind) != value)
    if value is None:
        return _never
    ask: dict[str, Callable[[Any], bool]] = {
        "<": lambda found: bool(found < value),
        "<=": lambda found: bool(found <= value),
        ">": lambda found: bool(found > value),
        ">=": lambda found: bool(found >= value),
    }
    test = ask[operator]
    return lambda row: row[field] is not None and test(_comparable(row[field], kind))


def _like(field: str, pattern: str) -> Test:
    expression = "".join({"%": ".*", "_": "."}.get(letter, re.escape(letter)) for letter in pattern)
    compiled = re.compile(expression, re.IGNORECASE | re.DOTALL)
    return lambda row: isinstance(row[field], str) and compiled.fullmatch(row[field]) is not None


def _sort_key(order: Order) -> Callable[[Row], Any]:
    def compare(first: Row, second: Row) -> int:
        one, other = first[order.field], second[order.field]
        if one is None or other is None:
            nulls = (one is None) - (other is None)
            return nulls if order.nulls_last else -nulls
        sign = int(one > other) - int(one < other)
        return -sign if order.descending else sign

    return cmp_to_key(compare)


def select(rows: Sequence[Row], fields: Sequence[str]) -> list[Row]:
    """The asked-for fields of these rows."""
    return [{field: row[field] for field in fields} for row in rows]
