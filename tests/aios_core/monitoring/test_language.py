"""A cheap guess at a language, and `unknown` where there is too little to go by."""

import pytest

from aios_core.monitoring.language import UNKNOWN, guess_language


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("the bill is wrong and I have not received my refund", "en"),
        ("Meine Rechnung ist falsch und ich habe keine Antwort", "de"),
        ("je ne reçois pas de SMS sur ma ligne, merci", "fr"),
        ("no tengo cobertura en mi casa, gracias por la ayuda", "es"),
        ("la bolletta non è corretta, grazie per il rimborso", "it"),
        ("a fatura não está certa, obrigado", "pt"),
        ("ik heb geen bereik en de factuur is niet goed", "nl"),
        ("nie mam zasięgu, proszę o pomoc", "pl"),
        ("Мой счёт неверный", "cyrillic"),
        ("ο λογαριασμός μου", "greek"),
        ("请问我的账单", "chinese"),
        ("فاتورتي خاطئة", "arabic"),
        ("eSIM", UNKNOWN),
        ("", UNKNOWN),
        (None, UNKNOWN),
        ("12345 !!! 😀", UNKNOWN),
    ],
)
def test_the_language_of_a_sentence_is_guessed(text, language):
    assert guess_language(text) == language


def test_a_foreign_name_in_an_english_sentence_does_not_make_it_foreign():
    assert guess_language("I am Иван and my line is dead, what can you do for me") == "en"
