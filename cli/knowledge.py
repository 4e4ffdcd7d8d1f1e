"""`aios knowledge …`: articles that answer tickets, their index, and the questions that none of them answers.

What belongs here: the commands. What does not: reading, searching and grouping (`resources/knowledge*.py`).
"""

from dataclasses import asdict
from enum import StrEnum
from typing import Annotated, Any

import typer

from aios_core.errors import DeclarationError
from cli import context, output

app = typer.Typer(no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="The automation.")]
COUNTS = ("new", "changed", "withdrawn", "unchanged", "rejected")


class Method(StrEnum):
    """What a search goes by."""

    fusion = "fusion"
    bm25 = "bm25"
    embeddings = "embeddings"


@app.command()
def read(name: Name, json: output.AsJson = False) -> None:
    """Read every source of articles now, and make the index again where something changed. Twice changes nothing.

    aios knowledge read customer_escalations
    """
    from resources.deployments import deployment
    from resources.knowledge import KnowledgeStore
    from resources.knowledge_index import IndexBuilder
    from resources.knowledge_reading import read_sources
    from resources.lake import Lake

    declared, now = context.automation(name), context.now()
    knowledge = declared.automation.knowledge
    if knowledge is None:
        raise DeclarationError(f"{declared.file}:1: {name} declares no `knowledge:`; add it with at least one source")
    with context.database() as database:
        store = KnowledgeStore(database)
        stored = {source: asdict(found) for source, found in read_sources(declared, knowledge, store, now=now)}
        builder = IndexBuilder(database, Lake(deployment().lake_url), progress=output.note)
        built = builder.build(name, knowledge, folder=declared.folder, now=now)
        rejected = store.rejected(name)
    if json:
        output.as_json({"sources": stored, "index": asdict(built), "rejected": rejected})
        return
    output.table([{"source": s, **counts} for s, counts in stored.items()], columns=("source", *COUNTS), empty="none")
    output.say(f"{built.articles} articles in {built.passages} passages can be searched")
    if built.without:
        output.note(f"search goes by words alone: {built.without}")
    for reject in rejected:
        output.note(f"{reject['source']}/{reject['article_id']}: {reject['message']}")


@app.command()
def search(
    name: Name,
    query: Annotated[str, typer.Argument(help="A question, or a ticket's text.")],
    product: Annotated[str | None, typer.Option(help="Only articles about this product, or about all.")] = None,
    language: Annotated[str | None, typer.Option(help="Only articles in this language, such as `en`.")] = None,
    method: Annotated[Method, typer.Option(help="What the search goes by.")] = Method.fusion,
    limit: Annotated[int, typer.Option(min=1, max=50, help="At most so many articles.")] = 5,
    json: output.AsJson = False,
) -> None:
    """The articles that answer a question best, with the passage that fits. Only what may be cited now is found.

    aios knowledge search customer_escalations "no network since I landed" --language en
    """
    from aios_core.retrieval.filters import Filter
    from resources.deployments import deployment
    from resources.knowledge_index import KnowledgeSearch
    from resources.lake import Lake

    context.automation(name)
    asked = Filter(product=product, language=language)
    with context.database() as database:
        searcher = KnowledgeSearch(database, Lake(deployment().lake_url))
        hits = searcher.search(name, query, now=context.now(), filter=asked, method=method.value, limit=limit)
    rows = [_hit(hit) for hit in hits]
    if json:
        output.as_json({"query": query, "method": method.value, "articles": rows})
        return
    shown = [r | {"passage": r["passage"][:200]} for r in rows]
    output.table(shown, columns=("score", "article", "title", "passage", "url"), empty="no article answers this")


@app.command("list")
def show_list(
    name: Annotated[str | None, typer.Argument(help="The automation; default: the only one there is.")] = None,
    every: Annotated[
        bool, typer.Option("--all", help="Also those withdrawn, not valid yet, or valid no more.")
    ] = False,
    json: output.AsJson = False,
) -> None:
    """List the articles that may be cited now."""
    from resources.knowledge import KnowledgeStore

    declared, now = context.automation(name), context.now()
    with context.database() as database:
        found = KnowledgeStore(database).listed(declared.automation.name, everything=every, now=now)
    rows = [
        {
            "article": str(one.article.key),
            "title": one.article.title,
            "language": one.article.language,
            "products": list(one.article.products),
            "published": one.article.published,
            "valid_from": one.article.valid_from,
            "valid_until": one.article.valid_until,
            "version": one.article.version,
            "versions": one.versions,
            "known_at": one.known_at,
            "url": one.article.url,
        }
        for one in found
    ]
    if json:
        output.as_json(rows)
    else:
        output.table(rows, columns=("article", "title", "language", "published", "known_at"), empty="none may be cited")


@app.command()
def gaps(name: Name, json: output.AsJson = False) -> None:
    """Questions that no article answers, dearest first, as the `knowledge_gaps` asset found them last."""
    from resources.knowledge_gaps import GapStore

    context.automation(name)
    with context.database() as database:
        found = GapStore(database).list(name)
    if json:
        output.as_json(found)
    else:
        output.table(
            found, columns=("label", "queue", "tickets", "cost", "currency", "nearest"), empty="no gap was found"
        )


def _hit(hit: Any) -> dict[str, Any]:
    return {
        "article": str(hit.article.key),
        "version": hit.article.version,
        "title": hit.article.title,
        "headings": list(hit.passage.headings),
        "passage": hit.passage.text,
        "language": hit.article.language,
        "url": hit.article.url,
        "score": hit.score,
        "keywords": hit.keywords,
        "meaning": hit.meaning,
    }
