"""Letters of other scripts that look like Latin ones: what a name that cannot be told apart by eye was meant to be.

A choice from the Unicode Consortium's confusables (Technical Standard 39): the lower- and upper-case Cyrillic and Greek letters
that common fonts draw like Latin ones. Full-width and other compatibility forms are brought back by NFKC.
"""

from __future__ import annotations

import unicodedata

CYRILLIC = dict(zip("асԁеһіјӏорԛѕԝхуАВСЕНІЈКМОРЅТХУ", "acdehijlopqswxyABCEHIJKMOPSTXY", strict=True))
GREEK = dict(zip("αγιικνορυχΑΒΕΖΗΙΚΜΝΟΡΤΥΧ", "ayiikvopuxABEZHIKMNOPTYX", strict=True))
LATIN = str.maketrans({**CYRILLIC, **GREEK, "ı": "i", "ɡ": "g", "‐": "-", "‑": "-", "–": "-"})


def in_latin(name: str) -> str:
    """A name with its look-alikes replaced by the Latin letters they resemble; others stay."""
    return unicodedata.normalize("NFKC", name).translate(LATIN)
