"""Writes the formulas of docstrings, which are TeX, as plain text for a terminal."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator

_GREEK = {
    "alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "epsilon": "ε", "theta": "θ", "lambda": "λ", "mu": "μ",
    "sigma": "σ", "tau": "τ", "phi": "φ", "omega": "ω", "pi": "π", "rho": "ρ", "eta": "η", "kappa": "κ", "nu": "ν",
    "xi": "ξ", "zeta": "ζ", "chi": "χ", "psi": "ψ", "Theta": "Θ", "Sigma": "Σ", "Phi": "Φ", "Omega": "Ω",
    "Delta": "Δ", "Gamma": "Γ", "Lambda": "Λ", "Pi": "Π", "Psi": "Ψ",
}  # fmt: skip
# Maps a command to its symbol, and to the text for terminals that cannot show the symbol.
_SYMBOLS = {
    "sum": ("Σ", "sum"), "prod": ("Π", "prod"), "in": ("∈", "in"), "notin": ("∉", "not in"), "ne": ("≠", "!="),
    "neq": ("≠", "!="), "le": ("≤", "<="), "leq": ("≤", "<="), "ge": ("≥", ">="), "geq": ("≥", ">="),
    "infty": ("∞", "inf"), "cup": ("∪", "or"), "cap": ("∩", "and"), "sim": ("~", "~"), "propto": ("∝", "~"),
    "odot": ("⊙", "*"), "cdot": ("·", "*"), "times": ("×", "x"), "dots": ("...", "..."), "ldots": ("...", "..."),
    "cdots": ("...", "..."), "lVert": ("‖", "||"), "rVert": ("‖", "||"), "Vert": ("‖", "||"), "|": ("‖", "||"),
    "mid": ("|", "|"), "langle": ("⟨", "<"), "rangle": ("⟩", ">"), "top": ("T", "T"), "to": ("→", "->"),
    "quad": ("  ", "  "), "qquad": ("    ", "    "), ",": (" ", " "), ";": (" ", " "), ":": (" ", " "),
    "!": ("", ""), " ": (" ", " "), "\\": (" ", " "), "partial": ("∂", "d"), "nabla": ("∇", "grad"),
    "approx": ("≈", "~"), "pm": ("±", "+-"), "forall": ("∀", "for all"),
}  # fmt: skip
_ACCENTS = {"hat": "\u0302", "tilde": "\u0303", "bar": "\u0304", "widehat": "\u0302", "widetilde": "\u0303"}
_DROPPED = ("left", "right", "big", "Big", "bigl", "bigr", "Bigl", "Bigr", "textstyle", "displaystyle", "limits")
_AS_WRITTEN = ("text", "mathrm", "mathbf", "mathcal", "operatorname", "mathit", "boldsymbol")
_TOKEN = re.compile(r"\\[a-zA-Z]+|\\.|\s+|[a-zA-Z0-9]|.", re.DOTALL)
_INLINE = re.compile(r":math:`([^`]*)`")
_BLOCK = re.compile(r"^( *)\.\. math:: ?(.*)$")


def without_tex(text: str, encoding: str = "utf-8") -> str:
    """Returns a docstring whose formulas (``:math:`` and ``.. math::``) are plain text.

    Args:
        text: The docstring.
        encoding: The encoding of the terminal. If it lacks the symbols, Greek letters become their names.
    """
    symbols = _rewritten(text, lambda formula: plain_formula(formula))
    try:
        symbols.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return _rewritten(text, lambda formula: plain_formula(formula, symbols=False))
    return symbols


def plain_formula(formula: str, symbols: bool = True) -> str:
    r"""Writes a formula of TeX as plain text, such as ``\frac{1}{N} \sum_i \alpha_i`` as ``1/N Σ_i α_i``.

    Args:
        formula: The TeX.
        symbols: Whether to use symbols outside ASCII.
    """
    tokens = iter(_TOKEN.findall(formula))
    return _Reader(tokens, symbols).read()


def _rewritten(text: str, plain: Callable[[str], str]) -> str:
    lines: list[str] = []
    indent: int | None = None  # The indentation of the block of formulas that is being read.
    for line in text.splitlines():
        start = _BLOCK.match(line)
        if start is not None:
            indent = len(start[1])
            if start[2].strip():
                lines.append(" " * (indent + 4) + plain(start[2]).strip())
        elif indent is not None and line.strip() and len(line) - len(line.lstrip()) > indent:
            lines.append(" " * (indent + 4) + plain(line).strip())
        else:
            indent = None
            lines.append(line)
    return _INLINE.sub(lambda found: plain(found[1]), "\n".join(lines))


class _Reader:
    """Reads tokens of TeX; each method returns plain text."""

    def __init__(self, tokens: Iterator[str], symbols: bool) -> None:
        self._tokens = tokens
        self._symbols = symbols

    def read(self, until: str | None = None) -> str:
        """Reads to a closing piece, or to the end."""
        parts = []
        for piece in self._tokens:
            if piece == until:
                break
            parts.append(self._text_of(piece))
        return "".join(parts)

    def _argument(self) -> str:
        piece = next((piece for piece in self._tokens if not piece.isspace()), "")
        return self._text_of(piece).strip()

    def _text_of(self, piece: str) -> str:
        if piece == "{":
            return self.read("}")
        if piece in ("_", "^"):
            return piece + _grouped(self._argument(), joined=piece == "_")
        if not piece.startswith("\\"):
            return piece
        name = piece[1:]
        if name in ("frac", "tfrac", "dfrac"):
            return f"{_grouped(self._argument())}/{_grouped(self._argument())}"
        if name == "sqrt":
            return f"sqrt({self._argument()})"
        if name in _ACCENTS:
            return self._accented(name, self._argument())
        if name in _AS_WRITTEN:
            return self._argument()
        if name in _DROPPED:
            return ""
        if name in _GREEK:
            return _GREEK[name] if self._symbols else name
        if name in _SYMBOLS:
            return _SYMBOLS[name][0 if self._symbols else 1]
        return name

    def _accented(self, name: str, argument: str) -> str:
        if self._symbols and len(argument) == 1:
            return unicodedata.normalize("NFC", argument + _ACCENTS[name])
        return f"{name.removeprefix('wide')}({argument})"


def _grouped(text: str, joined: bool = False) -> str:
    """Puts parentheses around a text of several terms; ``joined``: several letters are one index, as in ``A_ij``."""
    single = len(text) <= 1 or (text.isalnum() and (joined or text.isdecimal() or (text.isalpha() and len(text) <= 2)))
    closed = re.fullmatch(r"\([^()]*\)|\|[^|]*\||[^\s()+\-/*]+", text) is not None
    return text if single or closed else f"({text})"
