import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aios_core.retrieval.articles import Article, ArticleKey, Section
from aios_core.retrieval.filters import Filter
from aios_core.retrieval.index import KnowledgeIndex
from aios_core.retrieval.keyword import KeywordIndex
from aios_core.retrieval.words import words_of

# what stands in for meaning: a direction a topic, so that words need not agree
TOPICS = (("bill", "invoice", "charge", "money"), ("network", "signal", "coverage"), ("abroad", "travel", "holiday"))


def embed(texts):
    rows = np.array([[sum(t.lower().count(w) for w in topic) + 0.01 for topic in TOPICS] for t in texts], np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def article(number: int, title: str, text: str, **more) -> Article:
    own = {"language": "en"} | more
    return Article(key=ArticleKey("kb", str(number)), title=title, sections=(Section(headings=(), text=text),), **own)


SHELF = (
    article(1, "Why is my bill so high", "Compare the invoice with the month before.", products=("mobile",)),
    article(2, "No network", "Switch flight mode on and off. Error E-4711 needs a new card."),
    article(3, "Prices abroad", "A travel pass costs five euros a day.", products=("roaming_pack",)),
    article(4, "Rechnung verstehen", "Vergleichen Sie die Rechnung mit der vom Monat davor.", language="de"),
)


def index(*, vectors: bool = True) -> KnowledgeIndex:
    plain = KnowledgeIndex(SHELF)
    return KnowledgeIndex(SHELF, vectors=embed([p.searched for p in plain.passages])) if vectors else plain


def ids(hits) -> list[str]:
    return [hit.article.key.article_id for hit in hits]


def test_words_find_what_shares_them_and_nothing_else() -> None:
    assert ids(index(vectors=False).search("bills compared by months")) == ["1"]
    assert ids(index(vectors=False).search("error e-4711")) == ["2"]
    assert index(vectors=False).search("zebra") == []


def test_meaning_finds_what_shares_no_word() -> None:
    best = index().search("holiday", embed=embed, limit=1)
    assert ids(best) == ["3"]
    assert best[0].keywords == 0
    assert best[0].meaning == pytest.approx(1, abs=0.05)


def test_of_two_articles_of_one_meaning_the_one_with_the_words_comes_first() -> None:
    twins = [article(1, "Signal", "code red"), article(2, "Signal", "code E-4711"), article(3, "Signal", "code blue")]
    shelf = KnowledgeIndex(twins, vectors=np.ones((3, 1), np.float32))
    assert ids(shelf.search("signal E-4711", embed=lambda t: np.ones((len(t), 1), np.float32)))[0] == "2"


def test_filters_are_by_product_and_language_and_what_is_for_all_products_stays() -> None:
    assert set(ids(index().search("network", embed=embed, filter=Filter(product="mobile")))) == {"1", "2", "4"}
    assert ids(index().search("bill", embed=embed, filter=Filter(language="de-AT"))) == ["4"]
    assert set(ids(index().search("bill", embed=embed, filter=Filter(language="en", product="nova")))) == {"2"}
    assert index().search("bill", embed=embed, filter=Filter(language="fr")) == []


def test_what_is_not_allowed_is_never_found() -> None:
    hits = index().search("bill", embed=embed, allowed=lambda a: a.key.article_id != "1", limit=10)
    assert "1" not in ids(hits)
    assert len(hits) == 3


def test_an_empty_question_and_an_empty_shelf_find_nothing() -> None:
    for question in ("", "   ", "\n\t"):
        assert index().search(question, embed=embed) == []
    assert KnowledgeIndex([]).search("bill") == []
    assert index(vectors=False).search("the of and") == []


def test_a_question_in_another_script_is_answered_by_the_article_in_it() -> None:
    shelf = KnowledgeIndex(
        [
            *SHELF,
            article(5, "إعادة ضبط الراوتر", "اضغط على الزر لمدة عشر ثوان", language="arabic"),
            article(6, "ルーターの初期化", "ボタンを十秒間押します", language="japanese"),
        ]
    )
    assert ids(shelf.search("كيف أضبط الراوتر"))[0] == "5"
    assert ids(shelf.search("ルーター 初期化"))[0] == "6"
    assert ids(shelf.search("please ルーター bill"))[0] in ("6", "1")


def test_the_passage_shown_is_the_one_that_fits() -> None:
    long = Article(
        key=ArticleKey("kb", "9"),
        title="Router",
        sections=(
            Section(headings=("Lights",), text="A red light means that there is no line."),
            Section(headings=("Reset",), text="Hold the small button for twelve seconds."),
        ),
        language="en",
    )
    (hit,) = KnowledgeIndex([long]).search("which button resets it")
    assert hit.passage.headings == ("Router", "Reset")


def test_words_are_folded_and_stemmed_by_their_language() -> None:
    assert words_of("Über die RECHNUNGEN", language="de") == words_of("uber Rechnung", language="de")
    assert words_of("charged twice's", language="en") == ["charg", "twice"]
    assert words_of("我的账单", language="chinese") == ["我的", "的账", "账单"]


@given(
    st.lists(st.sampled_from("abcdef"), max_size=8), st.lists(st.lists(st.sampled_from("abcd"), max_size=6), max_size=5)
)
def test_a_share_lies_between_nothing_and_all(question: list[str], texts: list[list[str]]) -> None:
    shares = KeywordIndex(texts).shares(question)
    assert len(shares) == len(texts)
    assert ((shares >= 0) & (shares <= 1.0001)).all()
    for share, text in zip(shares, texts, strict=True):
        assert (share > 0) == bool(set(question) & set(text))
