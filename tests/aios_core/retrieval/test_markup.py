from hypothesis import given
from hypothesis import strategies as st

from aios_core.retrieval.articles import Section
from aios_core.retrieval.markup import html_sections, markdown_sections, plain

HOSTILE = (
    "<script>steal()</script>",
    "<SCRIPT src=//evil.example/x.js></SCRIPT>",
    "<img src=x onerror=steal()>",
    "<svg><script>steal()</script></svg>",
    "<iframe srcdoc='<p>steal()</p>'></iframe>",
    "<style>p{background:url(steal())}</style>",
    "<a href='javascript:steal()'>press</a>",
    "<template><p>steal()</p></template>",
    "<p onclick='steal()'>text</p>",
    "<!-- steal() -->",
    "<script/>after",
    "<scr<script>ipt>steal()</script>",
)


def text_of(sections: tuple[Section, ...]) -> str:
    return "\n".join(part for s in sections for part in (*s.headings, s.text))


def test_headings_stand_over_what_follows_them() -> None:
    page = "<p>first</p><h1>A</h1><p>one</p><h2>B</h2>\n<ol>\n <li>two</li>\n <li>three</li></ol><h1>C</h1><p>four</p>"
    assert [(s.headings, s.text) for s in html_sections(page)] == [
        ((), "first"),
        (("A",), "one"),
        (("A", "B"), "two\nthree"),
        (("C",), "four"),
    ]


def test_nothing_that_a_browser_would_run_survives() -> None:
    for markup in HOSTILE:
        for read in (html_sections, markdown_sections):
            said = text_of(read(f"before {markup} and later\n\n<p>the end</p>"))
            assert "<script" not in said.lower(), markup
            assert "<" not in said or markup.startswith("<scr<"), markup
            assert "onerror" not in said, markup
            assert "onclick" not in said, markup
            assert "javascript:" not in said, markup
            assert "steal()" not in said or markup.startswith("<scr<"), markup  # that one is text to a browser, too
            assert "before" in said, markup


def test_what_is_escaped_in_the_source_stays_text() -> None:
    assert text_of(html_sections("<p>press &lt;b&gt; &amp; wait</p>")) == "press <b> & wait"


def test_markdown_is_read_with_its_tables_links_and_raw_html() -> None:
    text = "Intro with [a link](https://x.example).\n{: .lead}\n\n## Prices\n\n| zone | price |\n|---|---|\n| 1 | 5 |\n\n<b>bold</b>"
    found = markdown_sections(text)
    assert found[0].text == "Intro with a link."
    assert found[1].headings == ("Prices",)
    assert "zone price" in found[1].text
    assert "1 5" in found[1].text
    assert "bold" in found[1].text


def test_a_page_without_text_has_no_sections() -> None:
    for markup in ("", "   ", "<p></p>", "<script>x</script>", "<!-- nothing -->", "\u200b"):
        assert html_sections(markup) == ()


def test_a_title_is_one_plain_line() -> None:
    assert plain("Bills &amp;\n <b>charges</b><script>x</script>") == "Bills & charges"


def test_right_to_left_and_mixed_texts_keep_every_letter() -> None:
    text = "إعادة ضبط الراوتر then press שחזור, 初期化"
    assert text_of(html_sections(f"<p dir=rtl>{text}</p>")) == text


@given(st.text(max_size=400))
def test_any_text_can_be_read_and_reading_never_makes_tags(markup: str) -> None:
    for read in (html_sections, markdown_sections):
        for section in read(markup):
            assert section.text == section.text.strip() != ""
            section.text.encode()
