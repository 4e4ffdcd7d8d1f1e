"""What users see in the Dagster UI beside an asset: masked sample rows, small tables and plots.

What belongs here: turning results into `dg.MetadataValue`s. What does not: computing the results.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import dagster as dg
import pyarrow as pa

from aios_core.monitoring.plots import plot_markdown
from aios_core.privacy.masking import mask

SAMPLE_ROWS = 5


def sample(table: pa.Table | None, columns: Sequence[str], *, rows: int = SAMPLE_ROWS) -> dg.MetadataValue:
    """The first rows as a Markdown table, texts masked and cut."""
    if table is None:
        return markdown_table([])
    head = table.slice(0, rows).select([c for c in columns if c in table.column_names]).to_pylist()
    return markdown_table([{k: _shown(v) for k, v in row.items()} for row in head])


def markdown_table(rows: Sequence[Mapping[str, Any]]) -> dg.MetadataValue:
    """Rows of equal keys as a Markdown table; an empty list says so."""
    if not rows:
        return dg.MetadataValue.md("_no rows_")
    names = list(rows[0])
    lines = [_line(names), _line(["---"] * len(names)), *(_line([r[n] for n in names]) for r in rows)]
    return dg.MetadataValue.md("\n".join(lines))


def _line(cells: Iterable[Any]) -> str:
    return "| " + " | ".join(str(c).replace("|", "\\|").replace("\n", " ") for c in cells) + " |"


def _shown(value: Any) -> Any:
    if isinstance(value, str):
        return mask(value)
    if isinstance(value, float):
        return f"{value:.4g}"
    return "" if value is None else value


def plot(png: bytes, alt: str) -> dg.MetadataValue:
    """A small picture inline: it stays in the event log, so keep it under 40 kB."""
    return dg.MetadataValue.md(plot_markdown(png, alt))


def latest_metadata(context: dg.AssetExecutionContext, key: dg.AssetKey) -> dict[str, Any]:
    """Metadata values of the newest materialization of `key`: how one asset tells the next where its result lies."""
    event = context.instance.get_latest_materialization_event(key)
    if event is None or event.asset_materialization is None:
        raise dg.Failure(f"{key.to_user_string()} was never materialized; materialize it first", allow_retries=False)
    return {name: value.value for name, value in event.asset_materialization.metadata.items()}
