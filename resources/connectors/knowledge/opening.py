"""From a declared knowledge source to an open one; `${VAR}` is expanded here, at the last moment.

What belongs here: the choice. What does not: anything of one source.
"""

from collections.abc import Callable
from pathlib import Path

import httpx

from aios_core.automation import ArticleFolder, HelpCenterSource, KnowledgeSource
from resources.connectors.http import HttpClient
from resources.connectors.knowledge.base import ArticleSource
from resources.connectors.knowledge.folder import FolderArticles
from resources.connectors.knowledge.help_center import HelpCenterArticles


def open_articles(
    name: str,
    declared: KnowledgeSource,
    *,
    folder: Path,
    expand: Callable[[str], str],
    transport: httpx.BaseTransport | None = None,
) -> ArticleSource:
    """The source called `name`; close it after use. Raises ConfigurationError for a variable that is not set."""
    match declared:
        case ArticleFolder():
            return FolderArticles(
                source=name, folder=(folder / expand(declared.path)).resolve(), language=declared.language
            )
        case HelpCenterSource():
            email, token = expand(declared.email), expand(declared.token)
            http = HttpClient(
                name="zendesk help center",
                base_url=expand(declared.url),
                auth=(f"{email}/token", token),
                transport=transport,
            )
            return HelpCenterArticles(source=name, http=http)
