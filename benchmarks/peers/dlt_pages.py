"""dlt's REST source into Postgres, as it comes or with the settings that help it; run by the peers' own Python.

    python dlt_pages.py SETTINGS.json

It prints `ready`, waits for a line on stdin, and says at its end, as a line of JSON, how many seconds it took. What it imports is not measured.
"""

import json
import os
import sys
import time
from pathlib import Path


def main(settings: dict) -> dict:
    """Rows and seconds of one load."""
    os.environ.update(settings["environment"])
    import dlt
    from dlt.destinations import postgres
    from dlt.sources.rest_api import rest_api_source

    pages = rest_api_source(
        {
            "client": {
                "base_url": settings["url"],
                "paginator": {
                    "type": "cursor",
                    "cursor_path": "after_cursor",
                    "cursor_param": "cursor",
                },
            },
            "resources": [{"name": "tickets", "endpoint": {"path": settings["path"], "data_selector": "tickets"}}],
        },
        parallelized=settings["parallel"],
    )
    if settings["nesting"] is not None:
        pages.max_table_nesting = settings["nesting"]
    pipeline = dlt.pipeline(
        pipeline_name=settings["name"],
        pipelines_dir=settings["folder"],
        destination=postgres(credentials=settings["database"]),
        dataset_name=settings["name"],
    )
    print("ready", flush=True)
    sys.stdin.readline()
    began = time.perf_counter()
    pipeline.run(pages, loader_file_format=settings["format"])
    seconds = time.perf_counter() - began
    with pipeline.sql_client() as client, client.execute_query("select count(*) from tickets") as found:
        rows = found.fetchone()[0]
    return {"rows": rows, "seconds": seconds, "version": dlt.__version__}


if __name__ == "__main__":  # dlt's parallel workers import this file again
    print(json.dumps(main(json.loads(Path(sys.argv[1]).read_text()))), flush=True)
