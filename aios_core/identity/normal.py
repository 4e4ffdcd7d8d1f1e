"""E-mail addresses and phone numbers in one spelling each, so that equal ones are equal.

What belongs here: spelling. What does not: where a record has its addresses (`addresses.py`), and who is joined (`resolve.py`).

Nothing is guessed. `ann+shop@example.com` is not `ann@example.com`, and a dot counts: what these mean is for each provider to say,
and two people made one is worse than one left apart. A number that could be read in two ways is no number.
"""

import hashlib
import re
import unicodedata

from aios_core.declaration.identity import Address, Identity

MAX_EMAIL = 254  # RFC 5321, section 4.5.3.1.3, without the brackets
SHORTEST, LONGEST = 8, 15  # digits with the calling code: E.164 sets the upper end; below the lower one are short codes
_ANGLED = re.compile(r"[^<>]*<([^<>]+)>")
_LOCAL = re.compile(r"[^\s@<>()\[\],;:\\\"]+")
_HOST = re.compile(r"(?=.{1,253}$)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)+")
_TRUNK_IN_BRACKETS = re.compile(r"\(\s*0\s*\)")  # +49 (0) 30 ...: the zero is for callers within the country
_PUNCTUATION = re.compile(r"[\s().\-/\u2010-\u2015\u2212]+")


def email_of(text: str) -> str | None:
    """In lower case and its host in ASCII (IDNA); None where it is no single address. `Ann <ann@example.com>` is one."""
    plain = unicodedata.normalize("NFKC", text).strip()
    angled = _ANGLED.fullmatch(plain)
    plain = (angled[1] if angled else plain).strip().removeprefix("mailto:")
    local, at, host = plain.rpartition("@")
    if not at or not _LOCAL.fullmatch(local):
        return None
    try:
        ascii_host = host.rstrip(".").encode("idna").decode("ascii").lower()
    except UnicodeError:
        return None
    # the local part is case-sensitive by the letter of RFC 5321, and nowhere in the world
    found = f"{local.lower()}@{ascii_host}"
    return found if _HOST.fullmatch(ascii_host) and len(found) <= MAX_EMAIL else None


def phone_of(text: str, rules: Identity) -> str | None:
    """`+` and the digits of E.164; None for what is no number, has an extension, or lacks a country where none is declared.

    A number with an extension is a company's: everybody behind the switchboard shares what comes before it.
    """
    plain = unicodedata.normalize("NFKC", text).strip().removeprefix("tel:")
    international = plain.startswith("+")
    if international:
        plain = _TRUNK_IN_BRACKETS.sub("", plain[1:])
    digits = _PUNCTUATION.sub("", plain)
    if not digits.isascii() or not digits.isdigit():
        return None
    whole = digits if international else _dialled(digits, rules)
    if whole is None or whole.startswith("0") or not SHORTEST <= len(whole) <= LONGEST:
        return None
    return f"+{whole}"


def digest(kind: Address, address: str) -> str:
    """What is kept and compared instead of an address: 32 hex characters.

    It is there so that no second copy of people's addresses lies about, not as a secret: numbers can be tried one by one.
    """
    return hashlib.blake2b(f"{kind}:{address}".encode(), digest_size=16).hexdigest()


def _dialled(digits: str, rules: Identity) -> str | None:
    """A number as somebody in the declared country dials it, with its calling code; None where no country is declared."""
    if rules.calling_code is None:
        return None
    if digits.startswith(rules.international_prefix):
        return digits.removeprefix(rules.international_prefix)
    if rules.trunk_prefix and digits.startswith(rules.trunk_prefix):
        return rules.calling_code + digits.removeprefix(rules.trunk_prefix)
    # in most countries a number without the prefix may begin with a calling code as well as with an area's
    needed = rules.trunk_prefix not in ("", rules.calling_code)
    return None if needed else rules.calling_code + digits
