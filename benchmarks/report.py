"""What was measured, as one JSON object and as lines for people.

What belongs here: the shape of the results; scripts read it, so its keys stay. What does not: measuring and files.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.plan import Stage

FORMAT = 1
HEADLINE = ("rows", "seconds", "rows_per_s", "cpu_seconds", "peak_rss_mb", "ceiling_rows_per_s", "share_of_ceiling")

Result = Mapping[str, Any]
Results = Mapping[str, Result]


def stage_figures(stage: Stage, results: Results) -> dict[str, Any]:
    """One stage: its step's figures, or the headline of several inputs with the inputs beneath it."""
    main = results[stage.step]
    if not stage.inputs:
        return dict(main)
    inputs = {label: dict(results[step]) for label, step in stage.inputs.items()}
    if "error" in main:
        return {"error": main["error"], "inputs": inputs}
    memory = results[stage.memory or stage.step].get("peak_rss_mb")
    figures = {name: main[name] for name in HEADLINE if name in main} | {"peak_rss_mb": memory}
    return {**figures, "inputs": inputs}


def failures(stages: Sequence[Stage], results: Results) -> dict[str, str]:
    """Step -> what went wrong, of the steps that the stages ask for."""
    wanted = [name for stage in stages for name in stage.steps]
    return {name: results[name]["error"] for name in dict.fromkeys(wanted) if "error" in results[name]}


def line(name: str, result: Result, *, preparation: bool = False) -> str:
    """`landing   100,000 rows   4.5 s   22,375 rows/s   peak 250 MB`"""
    head = f"{name:<18}"
    if "error" in result:
        return f"{head} failed: {result['error']}"
    if "skipped" in result:
        return f"{head} left out: {result['skipped']}"
    parts = [f"{result['rows']:>9,} rows", f"{result['seconds']:>7.2f} s"]
    if not preparation:
        parts.append(f"{result['rows_per_s']:>10,.0f} rows/s")
        if "share_of_ceiling" in result:
            parts.append(f"{result['share_of_ceiling']:.0%} of the ceiling")
    if "peak_rss_mb" in result:
        parts.append(f"peak {result['peak_rss_mb']:,.0f} MB")
    return "  ".join([head, *parts, *(["(preparation)"] if preparation else [])])
