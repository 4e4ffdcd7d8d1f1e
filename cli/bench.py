"""`aios bench …`: measurements that anyone can repeat, one a command.

What belongs here: the commands. What does not: measuring (`benchmarks/`).
"""

from pathlib import Path
from typing import Annotated, Any

import typer

from cli import output

app = typer.Typer(no_args_is_help=True)


def show(found: dict[str, Any], *, json: bool, title: str) -> None:
    """One measurement, for people or for programs."""
    if json:
        output.as_json(found)
    else:
        output.pairs(found, title=title)


@app.command()
def drift(
    rows: Annotated[int, typer.Option(min=1_000, help="Rows of the window.")] = 1_000_000,
    columns: Annotated[int, typer.Option(min=1, help="Columns; two thirds are numbers.")] = 15,
    evidently: Annotated[
        bool, typer.Option("--evidently/--no-evidently", help="Also Evidently's own preset on all rows (slow).")
    ] = True,
    detection: Annotated[
        bool, typer.Option("--detection", help="Also 200 drift-free days and 20 worlds of each drift, some minutes.")
    ] = False,
    json: output.AsJson = False,
) -> None:
    """Drift of a large window by sketches, against Evidently's own DataDriftPreset on the same rows."""
    from benchmarks.drift import measure

    found = measure(rows=rows, columns=columns, evidently=evidently, detection=detection, progress=output.note)
    show(found, json=json, title="drift")


@app.command()
def verify(json: output.AsJson = False) -> None:
    """Replies with a fault planted that the verification catches, and true ones that it refuses: the project's own 650, in three languages."""
    from benchmarks.verify import measure

    show(measure(), json=json, title="verify")


@app.command()
def estimate(
    data: Annotated[
        Path | None,
        typer.Option(help="Folder of the real data; default: AIOS_DATA, else `shared/data` beside the project."),
    ] = None,
    windows: Annotated[int, typer.Option(min=1, help="Windows of 2,000 tickets in each set.")] = 100,
    seeds: Annotated[int, typer.Option(min=1, help="Worlds of the sandbox.")] = 3,
    banking: Annotated[bool, typer.Option("--banking/--no-banking", help="Also banking77, where it is there.")] = True,
    json: output.AsJson = False,
) -> None:
    """Accuracy estimated without labels beside the truth: other class shares, the sandbox's drifts, and what the audit slice catches."""
    from benchmarks.estimate import measure

    show(measure(data=data, windows=windows, seeds=seeds, banking=banking), json=json, title="estimate")


@app.command()
def score(
    rows: Annotated[int, typer.Option(min=1_000, help="Rows of a turn.")] = 100_000,
    long_rows: Annotated[int, typer.Option(min=0, help="Rows of the long run; 0: none.")] = 10_000_000,
    text: Annotated[
        str,
        typer.Option(
            help="`sandbox`, `banking77`, or `auto`: the sandbox's tickets, banking77 beside them where it is there."
        ),
    ] = "auto",
    workers: Annotated[int | None, typer.Option(min=1, help="Default: one a usable core.")] = None,
    processes: Annotated[bool, typer.Option("--processes/--threads", help="What the workers are.")] = False,
    json: output.AsJson = False,
) -> None:
    """Batch scoring from Parquet to Parquet: beside its ceiling, beside scikit-learn, and from 100 thousand to 10 million rows."""
    from benchmarks.score import measure

    found = measure(rows=rows, long_rows=long_rows, text=text, workers=workers, processes=processes)
    show(found, json=json, title="score")


@app.command()
def gpu(
    accelerator: Annotated[str, typer.Option(help="`cuda`, or `cpu` to run the same code without a GPU.")] = "cuda",
    model: Annotated[str, typer.Option(help="Kind of model: `linear_text` or `encoder`.")] = "linear_text",
    rows: Annotated[int, typer.Option(min=100, help="Rows of a turn.")] = 100_000,
    batch_size: Annotated[int, typer.Option(min=1, help="Rows a batch of the whole way.")] = 2_048,
    json: output.AsJson = False,
) -> None:
    """Scoring on an accelerator: from Parquet to Parquet, beside the session alone, and over batches and lengths."""
    from benchmarks.gpu import measure

    found = measure(accelerator=accelerator, model=model, rows=rows, batch_size=batch_size)
    show(found, json=json, title="gpu")


@app.command()
def serve(
    seconds: Annotated[float, typer.Option(min=0.5, help="Of load, each turn.")] = 8.0,
    clients: Annotated[int, typer.Option(min=1, help="Each with one request under way.")] = 64,
    workers: Annotated[int | None, typer.Option(min=1, help="Of the gateway; default: one a usable core.")] = None,
    peers: Annotated[
        bool, typer.Option("--peers/--no-peers", help="Also MLServer and BentoML (`make bench-peers` installs them).")
    ] = True,
    json: output.AsJson = False,
) -> None:
    """Online inference under load: ours beside MLServer and BentoML, moves of the champion under load, and overload."""
    from benchmarks.serve.measure import measure

    show(measure(seconds=seconds, clients=clients, workers=workers, with_peers=peers), json=json, title="serve")


@app.command()
def review(
    cases: Annotated[int, typer.Option(min=400, help="Waiting cases.")] = 1_000_000,
    clients: Annotated[int, typer.Option(min=1, help="People who take the next case.")] = 50,
    every: Annotated[float, typer.Option(min=0.05, help="So many seconds between one's cases, on average.")] = 4.0,
    seconds: Annotated[float, typer.Option(min=1, help="Of that.")] = 60.0,
    reviewers: Annotated[int, typer.Option(min=1, help="People who decide as fast as they are answered.")] = 500,
    decide: Annotated[int, typer.Option(min=1, help="Verdicts, with the console killed in the middle.")] = 20_000,
    json: output.AsJson = False,
) -> None:
    """The review console: the next case among a million, and verdicts of many people while it is killed and started again."""
    from benchmarks.review.measure import measure

    found = measure(
        cases=cases,
        clients=clients,
        seconds=seconds,
        every_seconds=every,
        reviewers=reviewers,
        decide=decide,
        report=output.note,
    )
    show(found, json=json, title="review")


@app.command()
def quality(
    data: Annotated[
        Path | None,
        typer.Option(help="Folder of the real data; default: AIOS_DATA, else `shared/data` beside the project."),
    ] = None,
    draws: Annotated[int, typer.Option(min=1, help="How often ten intents are left out of training.")] = 5,
    cascade: Annotated[
        bool, typer.Option("--cascade/--no-cascade", help="Also train the cascade; it needs the extra `encoder`.")
    ] = True,
    plot: Annotated[Path | None, typer.Option(help="Also write a picture (PNG) here.")] = None,
    json: output.AsJson = False,
) -> None:
    """Accuracy, calibration and coverage on banking77, and whether texts from elsewhere reach a person."""
    from benchmarks.quality import measure

    show(measure(data=data, draws=draws, cascade=cascade, plot=plot), json=json, title="quality")


@app.command()
def encoder(
    rows: Annotated[int, typer.Option(min=100, help="Texts of a turn.")] = 1_500,
    text: Annotated[str, typer.Option(help="`banking77`, `sandbox`, or `auto`: banking77 where it is there.")] = "auto",
    folder: Annotated[
        str | None,
        typer.Option(help="A sentence-transformers folder, or `package:NAME`; default: the extra's weights."),
    ] = None,
    json: output.AsJson = False,
) -> None:
    """A sentence encoder in int8 beside the same one in float32: rows a second, equal labels, padding."""
    from benchmarks.encoder import measure

    show(measure(rows=rows, text=text, folder=folder), json=json, title="encoder")


@app.command()
def retrieval(
    data: Annotated[
        Path | None,
        typer.Option(help="Folder of the real data; default: AIOS_DATA, else `shared/data` beside the project."),
    ] = None,
    json: output.AsJson = False,
) -> None:
    """Knowledge search on real articles: recall, rank and time by words, by meaning and by both, and gaps found."""
    from benchmarks.retrieval import measure

    show(measure(data=data), json=json, title="retrieval")


@app.command()
def ingest(
    rows: Annotated[int, typer.Option(min=1_000, help="Tickets of the file.")] = 1_000_000,
    http_rows: Annotated[int, typer.Option(min=1_000, help="Tickets over HTTP, a turn.")] = 200_000,
    turns: Annotated[int, typer.Option(min=1, help="Of each over HTTP; the best one counts.")] = 3,
    peers: Annotated[
        bool, typer.Option("--peers/--no-peers", help="Also dlt (`make bench-peers BENCH=ingest` installs it).")
    ] = True,
    quota_seconds: Annotated[float, typer.Option(min=5, help="Of reading at the quota.")] = 60.0,
    json: output.AsJson = False,
) -> None:
    """Landing plus canonical from files and over HTTP, beside dlt's REST source, and the share of a vendor's quota that is used."""
    from benchmarks.ingest.measure import measure

    found = measure(
        rows=rows, http_rows=http_rows, turns=turns, peers=peers, quota_seconds=quota_seconds, say=output.note
    )
    show(found, json=json, title="ingest")
