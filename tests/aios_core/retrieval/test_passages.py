from hypothesis import given
from hypothesis import strategies as st

from aios_core.retrieval.articles import Article, ArticleKey, Section
from aios_core.retrieval.passages import passages


def article(*sections: Section, title: str = "Title") -> Article:
    return Article(key=ArticleKey("kb", "1"), title=title, sections=sections, language="en")


def section(text: str, *headings: str) -> Section:
    return Section(headings=headings, text=text)


def test_a_passage_has_the_headings_that_it_stands_under() -> None:
    (one, two) = passages(article(section("alpha"), section("beta", "A", "B")))
    assert (one.headings, one.text) == (("Title",), "alpha")
    assert two.searched == "Title\nA\nB\nbeta"
    assert [one.number, two.number] == [0, 1]


def test_an_article_of_ten_thousand_words_is_cut_and_nothing_is_lost() -> None:
    words = [f"w{n}" for n in range(10_000)]
    for text in (" ".join(words), "\n\n".join(" ".join(words[n : n + 37]) for n in range(0, 10_000, 37))):
        found = passages(article(section(text)))
        assert max(len(p.text.split()) for p in found) <= 160
        assert [w for p in found for w in p.text.split()] == words


def test_an_article_with_a_title_alone_is_still_found_and_one_with_nothing_is_none() -> None:
    assert [p.searched for p in passages(article())] == ["Title\n"]
    assert passages(article(title="")) == []


def test_sentences_are_kept_whole_where_they_fit() -> None:
    text = " ".join(f"This is sentence number {n} of a long paragraph." for n in range(60))
    assert all(p.text.endswith(".") for p in passages(article(section(text)), words=40))


@given(st.lists(st.text(alphabet="ab .\n?", max_size=200), max_size=5), st.integers(1, 30))
def test_passages_one_after_the_other_are_the_text(texts: list[str], words: int) -> None:
    found = passages(article(*(section(t) for t in texts)), words=words)
    assert [w for p in found for w in p.text.split()] == [w for t in texts for w in t.split()]
    assert all(len(p.text.split()) <= words for p in found)
