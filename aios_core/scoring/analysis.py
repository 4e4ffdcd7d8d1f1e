r"""How text is cut: exactly as scikit-learn's `TfidfVectorizer` cuts it with `analyzer="word"` and `analyzer="char_wb"`.

What belongs here: the rules for one text or one token, shared by training and scoring. What does not: ids and weights.

Both analyzers lower the text first. A word is `\b\w\w+\b`, and no word crosses white space; character n-grams are taken
inside each white-space token padded with one space on both sides. So whatever a text becomes is a function of its
white-space tokens alone, which is what makes remembering them worthwhile (a token's work is done once, not once a text).
"""

import re

WORD = re.compile(r"(?u)\b\w\w+\b")


def tokens_of(text: str) -> list[str]:
    """The white-space tokens of a text, lowered. Lowering comes first: it depends on neighbours (Greek final sigma)."""
    return text.lower().split()


def words_of(token: str) -> list[str]:
    """The words inside one white-space token."""
    return WORD.findall(token)


def char_ngrams_of(token: str, low: int, high: int) -> list[str]:
    """The character n-grams of one white-space token, with repetitions; a short token gives its padded self once."""
    padded = f" {token} "
    length = len(padded)
    grams = []
    for size in range(low, high + 1):
        grams.append(padded[:size])
        grams.extend(padded[start : start + size] for start in range(1, length - size + 1))
        if length <= size:  # longer sizes would give the same padded token again
            break
    return grams
