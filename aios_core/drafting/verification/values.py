"""What a sentence states that can be true or false to the letter: amounts, dates, durations, percentages, links and numbers.

What belongs here: reading values out of text, normalised. What does not: where they must stand (`backing.py`).

`1.234,56` and `1,234.56` are one number, `2 GB` and `2GB` one quantity, `4 May` and `04.05.` one day. `30 days` and `a month` are not one
duration. Where a form can be read in two ways (03/04, or 1.234), both readings are kept, and one that agrees is enough.
"""

import re
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Stated:
    """A value as it is written (`quoted`), and the ways to read it (`norms`). `unit` is empty for a bare number."""

    kind: str
    norms: frozenset[str]
    unit: str
    quoted: str
    start: int


def _many(*lines: str) -> dict[str, str]:
    return {word: line.split("=")[0] for line in lines for word in line.split("=")[1].split("|")}


_UNITS: Final = _many(
    "second=second|seconds|sekunde|sekunden|seconde|secondes|segundo|segundos",
    "minute=minute|minutes|minuten|minuto|minutos|min",
    "hour=hour|hours|stunde|stunden|heure|heures|hora|horas",
    "business day=business day|business days|working day|working days|werktag|werktage|werktagen|arbeitstag|arbeitstage|arbeitstagen"
    "|jour ouvré|jours ouvrés|jours ouvrables|día laborable|días laborables|días hábiles",
    "day=calendar days|day|days|tag|tage|tagen|jour|jours|día|días|dia|dias",
    "week=week|weeks|woche|wochen|semaine|semaines|semana|semanas",
    "month=month|months|monat|monate|monaten|monats|mois|mes|meses",
    "year=year|years|jahr|jahre|jahren|an|ans|année|années|año|años",
)
_CURRENCIES: Final = _many(
    "EUR=€|eur|euro|euros", "USD=$|usd|dollar|dollars", "GBP=£|gbp|pound|pounds", "CHF=chf|franken|francs"
)
_MEASURES: Final = _many(
    "gb=gb", "mb=mb", "tb=tb", "kb=kb", "mbit=mbit/s|mbps|mbit", "kg=kg|kilograms|kilogramm|kilos", "km=km", "cm=cm", "g=grams|gramm",
    "m=metres|meters|mètres|metros", "ml=ml", "kwh=kwh", "kw=kw", "w=watt|watts", "c=°c",
)  # fmt: skip
_MONTHS: Final = {
    word: number
    for number, words in enumerate(
        (
            "january|jan|januar|janvier|enero", "february|feb|februar|février|febrero", "march|mar|märz|mars|marzo",
            "april|apr|avril|abril", "may|mai|mayo", "june|jun|juni|juin|junio", "july|jul|juli|juillet|julio",
            "august|aug|août|agosto", "september|sep|sept|septembre|septiembre", "october|oct|okt|oktober|octobre|octubre",
            "november|nov|novembre|noviembre", "december|dec|dez|dezember|décembre|diciembre",
        ),
        1,
    )
    for word in words.split("|")
}  # fmt: skip
_WORDS: Final = {
    word: number
    for number, words in (
        (1, "one|eins"), (2, "two|zwei|deux|dos"), (3, "three|drei|trois|tres"), (4, "four|vier|quatre|cuatro"),
        (5, "five|fünf|cinq|cinco"), (6, "six|sechs|seis"), (7, "seven|sieben|sept|siete"), (8, "eight|acht|huit|ocho"),
        (9, "nine|neun|neuf|nueve"), (10, "ten|zehn|dix|diez"), (11, "eleven|elf|onze|once"), (12, "twelve|zwölf|douze|doce"),
        (14, "fourteen|vierzehn|quatorze|catorce"), (15, "fifteen|fünfzehn|quinze|quince"), (20, "twenty|zwanzig|vingt|veinte"),
        (24, "twenty-four|vierundzwanzig|vingt-quatre|veinticuatro"), (30, "thirty|dreißig|trente|treinta"),
        (40, "forty|vierzig|quarante|cuarenta"), (48, "forty-eight|achtundvierzig|quarante-huit"), (50, "fifty|fünfzig|cinquante|cincuenta"),
        (60, "sixty|sechzig|soixante|sesenta"), (90, "ninety|neunzig"), (100, "hundred|hundert|cent|cien"),
    )
    for word in words.split("|")
}  # fmt: skip
# `neuf` is also new, `once` is also one time, `sept` September: as bare words they say nothing sure; before a unit they do
_UNSURE: Final = frozenset(("one", "eins", "neuf", "once", "sept", "cent", "elf", "six"))


def _any(words: object) -> str:
    return "|".join(sorted((re.escape(str(w)) for w in words), key=len, reverse=True))  # type: ignore[attr-defined]


_DIGITS: Final = r"\d+(?:[.,'’\u00a0\u202f]\d{3})*(?:[.,]\d+)?"
_COUNT: Final = rf"(?P<count>{_DIGITS}|(?<!\w)(?:{_any(_WORDS)}))"
_MONTH: Final = rf"(?P<month>{_any(_MONTHS)})\.?"
_I: Final = re.IGNORECASE
_FORMS: Final = tuple(
    (kind, re.compile(pattern, _I))
    for kind, pattern in (
        ("e-mail", r"(?P<whole>[\w.+-]+@[\w-]+(?:\.[\w-]+)+)"),
        ("link", r"(?P<whole>(?:https?://|www\.)[^\s<>\"'）)\]]+)"),
        ("link", r"(?P<whole>\b(?:[a-z0-9-]+\.)+(?:com|org|net|io|de|fr|es|uk|eu|gov|example|test|info|biz|app|shop)\b(?:/[^\s<>\"')\]]*)?)"),
        ("date", r"(?<![\d.])(?P<year>\d{4})-(?P<monthnumber>\d{1,2})-(?P<day>\d{1,2})(?!\d)"),
        ("date", rf"(?<!\d)(?P<day>\d{{1,2}})(?:st|nd|rd|th|er|\.)?\s*(?:de\s+|of\s+)?\b{_MONTH}(?!\w)(?:\s*(?:de\s+)?,?\s*(?P<year>\d{{4}}))?"),
        ("date", rf"\b{_MONTH}\s+(?P<day>\d{{1,2}})(?:st|nd|rd|th)?(?!\d)(?:,?\s+(?P<year>\d{{4}}))?"),
        ("date", r"(?<![\d.])(?P<day>\d{1,2})(?P<mark>[./])(?P<monthnumber>\d{1,2})(?P=mark)(?P<year>\d{4}|\d{2})?(?![\d])"),
        ("phone", r"(?<![\w.,])(?P<whole>(?:\+|00)\d[\d ()/-]{6,}\d|0\d{2,4}[ /-]\d[\d -]{4,}\d|\b1?-?8\d\d-[\dA-Z]{3}-?[\dA-Z]{4})"),
        ("time", r"(?<!\d)(?<![€$£])(?<![€$£] )(?P<hour>\d{1,2})[:h.](?P<minutes>\d{2})\s*(?P<half>[ap]\.?m\.?)?(?:\s*(?:uhr|h))?(?![\w.,])(?!\s*(?:€|eur|%))"),
        ("time", r"(?<!\d)(?P<hour>\d{1,2})\s*(?:(?P<half>[ap]\.?m\b\.?)|uhr\b|h\b)"),
        ("percent", rf"{_COUNT}\s*(?P<unit>%|percent\b|prozent\b|pour cent\b|por ciento\b)"),
        ("amount", rf"(?P<unit>€|\$|£|\b(?:eur|usd|gbp|chf)\b)\s*{_COUNT}"),
        ("amount", rf"{_COUNT}[\s-]*(?P<unit>€|\$|£|\b(?:{_any(w for w in _CURRENCIES if w.isalpha())})\b)"),
        ("duration", rf"{_COUNT}[\s-]*(?P<unit>(?:{_any(_UNITS)}))\b"),
        ("duration", rf"(?:within|after|in|for|every|innerhalb|binnen|nach|dans|sous|en|durante)\s+(?P<single>an?|eine[rsmn]?|une?|una?)\s+(?P<unit>(?:{_any(_UNITS)}))\b"),
        ("quantity", rf"{_COUNT}\s*(?P<unit>(?:{_any(_MEASURES)}))(?!\w)"),
        ("number", rf"(?<![\w])(?P<count>{_DIGITS})(?!\w)"),
        ("number", rf"(?<![\w-])(?P<count>{_any(w for w in _WORDS if w not in _UNSURE)})(?![\w-])"),
        ("code", r"(?<!\w)(?P<whole>(?=[\w-]*\d)(?=[\w-]*[a-z])[a-z0-9]+(?:-[a-z0-9]+)*)(?!\w)"),
    )
)  # fmt: skip


def values_of(text: str) -> list[Stated]:
    """The values in their order. Nothing is read twice: what a date takes is no number any more."""
    left = text
    found: list[Stated] = []
    for kind, form in _FORMS:
        for match in form.finditer(left):
            stated = _stated(kind, match)
            if stated is not None:
                found.append(stated)
                left = left[: match.start()] + "\x00" * (match.end() - match.start()) + left[match.end() :]
    return sorted(found, key=lambda stated: stated.start)


def agrees(stated: Stated, other: Stated) -> bool:
    """Whether the other one says the same; a bare number agrees with the same number of any unit, both ways."""
    if not stated.norms & other.norms:
        return False
    return stated.unit == other.unit or not stated.unit or not other.unit


def _stated(kind: str, match: re.Match[str]) -> Stated | None:
    parts = match.groupdict()
    norms, unit = frozenset[str](), ""
    if kind == "date":
        norms, unit = _dates(parts, match[0]), "date"
    elif kind == "time":
        norms, unit = _times(parts), "time"
    elif "whole" in parts:
        norms, unit = _whole(kind, parts["whole"]), kind
    else:
        norms = frozenset(("1",)) if parts.get("single") else _counts(parts["count"])
        unit = _unit(kind, (parts.get("unit") or "").casefold())
    return Stated(kind=kind, norms=norms, unit=unit, quoted=match[0].strip(), start=match.start()) if norms else None


def _unit(kind: str, word: str) -> str:
    if kind == "percent":
        return "%"
    return {"amount": _CURRENCIES, "duration": _UNITS, "quantity": _MEASURES}.get(kind, {}).get(word, "")


def _whole(kind: str, text: str) -> frozenset[str]:
    if kind == "phone":
        digits = re.sub(r"[^\dA-Z]", "", text.upper())
        return frozenset((digits, digits.removeprefix("00")))
    plain = text.casefold().rstrip(".,;:!?…")
    return frozenset((re.sub(r"^(?:https?://)?(?:www\.)?", "", plain).rstrip("/"),))


def _counts(text: str) -> frozenset[str]:
    """The readings of a number: `1.234` is a thousand or one and a bit, `1.234,56` can only be one."""
    word = _WORDS.get(text.casefold())
    if word is not None:
        return frozenset((str(word),))
    bare = re.sub(r"['’\u00a0\u202f]", "", text)
    last = max(bare.rfind("."), bare.rfind(","))
    marks = {c for c in bare if c in ".,"}
    readings = set()
    if not marks:
        readings.add(bare)
    elif len(marks) == 2:
        readings.add(re.sub(r"[.,]", "", bare[:last]) + "." + bare[last + 1 :])
    else:
        if len(bare) - last - 1 == 3:
            readings.add(re.sub(r"[.,]", "", bare))
        if bare.count(bare[last]) == 1:
            readings.add(bare.replace(",", "."))
    return frozenset(norm for reading in readings if (norm := _decimal(reading)))


def _decimal(text: str) -> str:
    try:
        value = Decimal(text)
    except InvalidOperation:
        return ""
    return format(value.normalize(), "f") if value.is_finite() else ""


def _dates(parts: dict[str, str | None], text: str) -> frozenset[str]:
    day = int(parts["day"] or 0)
    month = int(parts.get("monthnumber") or 0) or _MONTHS.get((parts.get("month") or "").casefold(), 0)
    year = parts.get("year") or ""
    year = f"20{year}" if len(year) == 2 else year
    readings = [(month, day)] + ([(day, month)] if "/" in text else [])
    return frozenset(f"{year or '*'}-{m}-{d}" for m, d in readings if 1 <= m <= 12 and 1 <= d <= 31)


def _times(parts: dict[str, str | None]) -> frozenset[str]:
    hour, minutes = int(parts["hour"] or 0), int(parts.get("minutes") or 0)
    half = (parts.get("half") or "").casefold()
    if half.startswith("p") and hour < 12:
        hour += 12
    if half.startswith("a") and hour == 12:
        hour = 0
    return frozenset((f"{hour}:{minutes:02d}",)) if hour <= 24 and minutes < 60 else frozenset()
