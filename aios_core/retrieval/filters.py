"""Which articles may answer: by product, language, and whether they may be cited at a moment.

What belongs here: the rules. What does not: where the facts come from (`resources/knowledge.py`).
"""

from dataclasses import dataclass

from aios_core.retrieval.articles import Article

UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """What a question asks for. None: whatever there is."""

    product: str | None = None
    language: str | None = None

    def allows(self, article: Article) -> bool:
        """An article without products holds for all of them; one whose language could not be told is let through."""
        return (not self.product or not article.products or self.product in article.products) and (
            not self.language
            or article.language == UNKNOWN
            or main_language(article.language) == main_language(self.language)
        )


def main_language(code: str) -> str:
    """`en` of `en-US` and `en_us`."""
    return code.strip().lower().replace("_", "-").split("-", 1)[0]
