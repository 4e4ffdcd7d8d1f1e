"""The curve of a proposal: what fewer reviews a day cost, in money and in errors; as SVG, and as a page that stands alone.

What belongs here: drawing. What does not: choosing and wording. Written as text: the gateway draws it without matplotlib, and a screen
reader finds the words.
"""

from collections.abc import Callable, Iterable, Sequence
from html import escape

from aios_core.thresholds import page
from aios_core.thresholds.choose import Load
from aios_core.thresholds.proposal import Proposal

BLUE, ORANGE, GREY = "#0072b2", "#d55e00", "#808080"  # Okabe and Ito's palette, told apart by colour-blind eyes too
WIDTH, HEIGHT, GAP = 760, 300, 60
PANEL = (WIDTH - 2 * GAP - 40) / 2
TICKS = 4


def curve_svg(found: Proposal) -> str:
    """Two panels over reviews a day: cost a day, and wrongly automated tickets a day. Now, proposed and capacity are marked."""
    panels = (
        _panel(found, 0, f"Cost a day ({found.basis.currency})", lambda load: load.cost),
        _panel(found, 1, "Errors a day (wrongly automated)", lambda load: load.wrong),
    )
    legend = _legend(found)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT + 40}" role="img" aria-labelledby="curve-told" '
        f'font-family="sans-serif" font-size="12" fill="currentColor"><title id="curve-told">{escape(page.summary(found))}</title>'
        f"{''.join(panels)}{legend}</svg>"
    )


def curve_html(found: Proposal) -> str:
    """One file with everything in it: summary, curve, table, guarantee and notes."""
    rows = "".join(
        "<tr>" + "".join(f"<td>{escape(str(row.get(column, '')))}</td>" for column in page.COLUMNS) + "</tr>"
        for row in page.plan_rows(found)
    )
    head = "".join(f"<th>{escape(column)}</th>" for column in page.COLUMNS)
    notes = "".join(f"<li>{escape(note)}</li>" for note in found.notes)
    title = escape(f"Cut-offs for {found.basis.automation}, proposal {found.proposal_id}")
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>'
        "body{font:16px/1.5 sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem;color:#222;background:#fff}"
        "table{border-collapse:collapse;font-size:14px}td,th{padding:.3rem .6rem;border-bottom:1px solid #ccc;text-align:left}"
        f"</style></head><body><h1>{title}</h1><p>{escape(page.summary(found))}</p>{curve_svg(found)}"
        f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
        f"<h2>What is guaranteed</h2><p>{escape(page.guarantee(found))}</p>"
        f"{f'<h2>Notes</h2><ul>{notes}</ul>' if notes else ''}</body></html>\n"
    )


def _panel(found: Proposal, number: int, title: str, of: Callable[[Load], float]) -> str:
    drawn = _drawn(found)
    shown = [*drawn, found.now, found.proposed]
    across = _Scale([load.reviews for load in shown], GAP + number * (PANEL + GAP + 10), PANEL)
    up = _Scale([of(load) for load in shown], HEIGHT - 40, -(HEIGHT - 90))
    points = [(across(load.reviews), up(of(load))) for load in drawn]
    now, proposed = (found.now.reviews, of(found.now)), (found.proposed.reviews, of(found.proposed))
    return "".join(
        (
            f'<text x="{across.start:.1f}" y="24" font-weight="bold">{escape(title)}</text>',
            _axes(across, up),
            _capacity(found, across),
            f'<polyline points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in points)}" fill="none" stroke="{BLUE}" stroke-width="2"/>',
            f'<circle cx="{across(now[0]):.1f}" cy="{up(now[1]):.1f}" r="5" fill="{ORANGE}"/>',
            f'<rect x="{across(proposed[0]) - 5:.1f}" y="{up(proposed[1]) - 5:.1f}" width="10" height="10" fill="{BLUE}"/>',
            f'<text x="{across.start + PANEL / 2:.1f}" y="{HEIGHT - 4}" text-anchor="middle">reviews a day</text>',
        )
    )


def _drawn(found: Proposal) -> list[Load]:
    """The curve as far as anybody would go: where all is reviewed it would squeeze the rest into a corner."""
    most = 2 * max(found.now.reviews, found.proposed.reviews, found.curve[found.cheapest].reviews)
    near = [load for load in found.curve if load.reviews <= most]
    return near if len(near) > 1 else list(found.curve)


def _tick(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


class _Scale:
    """Values to places: `start` for the least, `start + length` for the most."""

    def __init__(self, values: Sequence[float], start: float, length: float) -> None:
        low, high = min(values), max(values)
        self.low, self.high = low, high if high - low > 1e-9 else low + 1
        self.start, self.length = start, length

    def __call__(self, value: float) -> float:
        return self.start + self.length * (value - self.low) / (self.high - self.low)

    def ticks(self) -> Iterable[float]:
        return (self.low + (self.high - self.low) * n / TICKS for n in range(TICKS + 1))


def _axes(across: _Scale, up: _Scale) -> str:
    line = f'stroke="{GREY}" stroke-opacity="0.35"'
    rows = (
        f'<line x1="{across.start:.1f}" x2="{across.start + across.length:.1f}" y1="{up(v):.1f}" y2="{up(v):.1f}" {line}/>'
        f'<text x="{across.start - 6:.1f}" y="{up(v) + 4:.1f}" text-anchor="end">{_tick(v)}</text>'
        for v in up.ticks()
    )
    columns = (
        f'<text x="{across(v):.1f}" y="{HEIGHT - 22}" text-anchor="middle">{_tick(v)}</text>' for v in across.ticks()
    )
    return "".join((*rows, *columns))


def _capacity(found: Proposal, across: _Scale) -> str:
    capacity = found.settings.capacity
    if capacity is None or not across.low <= capacity <= across.high:
        return ""
    x = across(capacity)
    return f'<line x1="{x:.1f}" x2="{x:.1f}" y1="50" y2="{HEIGHT - 40}" stroke="{GREY}" stroke-dasharray="4 4"/>'


def _legend(found: Proposal) -> str:
    words = [
        (f'<circle cx="66" cy="{HEIGHT + 22}" r="5" fill="{ORANGE}"/>', 78, "now"),
        (f'<rect x="135" y="{HEIGHT + 17}" width="10" height="10" fill="{BLUE}"/>', 152, "proposed"),
        (f'<line x1="236" x2="260" y1="{HEIGHT + 22}" y2="{HEIGHT + 22}" stroke="{BLUE}" stroke-width="2"/>', 266, "cheapest cut-offs for so many reviews"),
    ]  # fmt: skip
    if found.settings.capacity is not None:
        dashes = (
            f'<line x1="516" x2="540" y1="{HEIGHT + 22}" y2="{HEIGHT + 22}" stroke="{GREY}" stroke-dasharray="4 4"/>'
        )
        words.append((dashes, 546, f"people can do {found.settings.capacity:g}"))
    return "".join(f'{mark}<text x="{x}" y="{HEIGHT + 26}">{escape(text)}</text>' for mark, x, text in words)
