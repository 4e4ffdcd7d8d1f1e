"""The console's colours against WCAG 2.2 AA: text 4.5 to 1, edges of controls 3 to 1."""

import re

import pytest

from gateway.rendering import STATIC

CSS = (STATIC / "console.css").read_text()
LIGHT = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", CSS.split("@media (prefers-color-scheme: dark)")[0]))
DARK = dict(
    re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", CSS.split("@media (prefers-color-scheme: dark)")[1].split("* {")[0])
)

TEXT = [
    ("text", "ground"), ("text", "surface"), ("text", "raised"), ("text", "accent-soft"), ("quiet", "ground"),
    ("quiet", "surface"), ("quiet", "raised"), ("link", "ground"), ("link", "surface"), ("link", "accent-soft"),
    ("accent-text", "accent"), ("good", "good-soft"), ("good", "surface"), ("warn", "warn-soft"), ("warn", "surface"),
    ("bad", "bad-soft"), ("bad", "surface"), ("good", "ground"), ("bad", "ground"), ("warn", "ground"),
]  # fmt: skip
EDGES = [("edge", "surface"), ("edge", "ground"), ("accent", "surface"), ("accent", "line"), ("accent", "ground")]


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    r, g, b = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


def contrast(first: str, second: str) -> float:
    light, dark = sorted((luminance(first), luminance(second)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_black_on_white_is_21_to_1():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)


@pytest.mark.parametrize("scheme", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize(("front", "back", "least"), [(*p, 4.5) for p in TEXT] + [(*p, 3.0) for p in EDGES])
def test_colours_that_meet_can_be_told_apart(scheme, front, back, least):
    assert contrast(scheme[front], scheme[back]) >= least
