"""Reads numbers as people write them: with thousands separators, decimal commas, signs of money, per cent."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_MONEY = r"[$€£¥₹₽₩₺₪]|[A-Z]{2}\$|EUR|USD|GBP|CHF|JPY|CNY|CAD|AUD|NZD|SEK|NOK|DKK|ISK|PLN|CZK|HUF|INR|BRL|MXN|ZAR|TRY"
_TEXT = re.compile(
    rf"(?P<minus>[-+\u2212]?)\s*(?P<before>{_MONEY})?\s*(?P<minus2>[-+\u2212]?)\s*"
    rf"(?P<body>\d[\d.,'\u2019\s]*?|[.,]\d+)\s*(?P<after>{_MONEY}|%)?"
)
_FIRST = r"(?:0|[1-9]\d{0,2})"
_SPACE = "[ \u00a0\u202f\u2009]"
_FORMS = {
    "1,234.5": (re.compile(rf"(?:{_FIRST}(?:,\d{{3}})+|\d+)(?:\.\d*)?|\.\d+"), ","),
    "1.234,5": (re.compile(rf"(?:{_FIRST}(?:\.\d{{3}})+|\d+)(?:,\d*)?|,\d+"), "."),
    "1'234.5": (re.compile(rf"(?:{_FIRST}(?:['\u2019]\d{{3}})+|\d+)(?:\.\d*)?"), "'\u2019"),
    "1 234,5": (re.compile(rf"(?:{_FIRST}(?:{_SPACE}\d{{3}})+|\d+)(?:,\d*)?"), " \u00a0\u202f\u2009"),
    "1 234.5": (re.compile(rf"(?:{_FIRST}(?:{_SPACE}\d{{3}})+|\d+)(?:\.\d*)?"), " \u00a0\u202f\u2009"),
}


def form_of(texts: Sequence[str], some: bool = False) -> str:
    """Finds how all texts of a column are written as numbers.

    Args:
        texts: The different texts, without spaces around them.
        some: Whether it is enough that some of them are numbers.

    Returns:
        An example, such as ``"€ 1.234,5"``; empty if the texts are no numbers, or do not agree. The example ends with
        ``"(a guess)"`` if the texts allow both a comma and a point as the thousands separator.
    """
    bodies, marks = [], set()
    for text in texts:
        match = _TEXT.fullmatch(text)
        if match is None or (match["before"] and match["after"]) or (match["minus"] and match["minus2"]):
            if not some:
                return ""
            continue
        marks.add((match["before"] or "", match["after"] or ""))
        bodies.append(match["body"])
    # Two currencies are not one scale, and neither are per cent and numbers.
    signs = {before or after for before, after in marks} - {""}
    if len(signs) > 1 or ("%" in signs and ("", "") in marks and not some):
        return ""
    counts = {
        form: sum(pattern.fullmatch(body) is not None for body in bodies) for form, (pattern, _) in _FORMS.items()
    }
    most = max(counts.values(), default=0)
    if most == 0 or (not some and most < len(bodies)):
        return ""
    found = next(form for form, count in counts.items() if count == most)
    both = counts["1,234.5"] == counts["1.234,5"] == most
    if both and signs and signs != {"%"} and any("." in body for body in bodies):
        found = "1.234,5"  # Prices have two decimals or none: three digits after every point are thousands.
    if found.startswith("1 ") and not signs and len({len(body) for body in bodies}) == 1:
        return ""  # Groups of digits of one length are numbers of telephones and the like.
    before, after = max(marks)
    guess = " (a guess)" if both and any(sign in body for body in bodies for sign in ".,") else ""
    return f"{before} {found}{'' if after == '%' else ' '}{after}".strip() + guess


def read_numbers(texts: Sequence[str], form: str) -> NDArray[np.float64]:
    """Reads texts as numbers.

    Args:
        texts: The texts.
        form: How they are written, from `form_of`.

    Returns:
        float64; NaN where a text is not written so.
    """
    form = form.removesuffix(" (a guess)")
    name, (pattern, separators) = next((name, known) for name, known in _FORMS.items() if name in form)
    return np.array([_number(text, pattern, separators, "," if name.endswith(",5") else ".") for text in texts])


def _number(text: str, pattern: re.Pattern[str], separators: str, decimal: str) -> float:
    match = _TEXT.fullmatch(text)
    if match is None or pattern.fullmatch(match["body"]) is None:
        return float("nan")
    digits = "".join(sign for sign in match["body"] if sign not in separators).replace(decimal, ".")
    negative = {match["minus"], match["minus2"]} & {"-", "\u2212"}
    return -float(digits) if negative else float(digits)


__all__ = ["form_of", "read_numbers"]
