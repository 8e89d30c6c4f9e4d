"""Every error type of ECO and the codes of its problems.

A mistake of the user is an `EcoError`: a list of `Problem`s, each with a stable code, what was found and expected, and
what to do about it. The command line prints the problems and exits with `exit_code`; it shows no traceback.

Codes:
    ECO1xx  names, specs and values: what was written down
        ECO101 unknown name            ECO102 ambiguous name          ECO103 unknown parameter
        ECO104 invalid value           ECO105 missing parameter       ECO106 unreadable spec
        ECO107 malformed override      ECO108 unresolvable parameter  ECO109 part not usable from its class
        ECO110 component failed to load
    ECO2xx  composition: parts that do not fit each other
        ECO201 discrete head trained   ECO202 constructor name missing  ECO203 call name missing
        ECO204 nothing trains the encoder  ECO205 nothing to train      ECO206 not a valid part
        ECO207 number of clusters      ECO208 not built yet             ECO209 bad output of a part
        ECO210 views not seen
    ECO3xx  data
        ECO301 not found               ECO302 unreadable file           ECO303 invalid graph
        ECO304 download impossible     ECO305 labels or ids do not match
        ECO306 output not written
    ECO4xx  runs
        ECO401 loss is not finite      ECO402 run folder exists         ECO403 run folder unusable
        ECO404 checkpoint unusable     ECO405 device unavailable        ECO406 the run failed
    ECO5xx  plugins
        ECO501 broken plugin           ECO502 incompatible plugin       ECO503 blocked plugin
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong.

    Attributes:
        code: Stable code such as ``"ECO101"``.
        message: A sentence: what was found, what was expected.
        fix: What to do: the command or the value that would work. May be empty.
    """

    code: str
    message: str
    fix: str = ""

    def __str__(self) -> str:
        indent = " " * (len(self.code) + 2)
        lines = [*self.message.splitlines(), *self.fix.splitlines()]
        return f"{self.code}  " + f"\n{indent}".join(lines)


class EcoError(Exception):
    """Base of all errors that a user can mend.

    Args:
        *problems: One or more problems; all of those found, not only the first.
    """

    exit_code = 2

    def __init__(self, *problems: Problem) -> None:
        super().__init__(*problems)
        self.problems = problems

    def __str__(self) -> str:
        return "\n".join(str(problem) for problem in self.problems)


class SpecError(EcoError):
    """A spec, a parameter or a name in it is wrong."""


class CompositionError(EcoError):
    """The parts of a composition do not fit each other."""


class DataError(EcoError):
    """A graph is missing, unreadable or invalid."""


class RunFolderError(EcoError):
    """A run folder cannot be written or read."""


class TrainingError(EcoError):
    """Training failed although the composition was valid, for example with a loss that is not finite."""

    exit_code = 1


class LostProcessError(TrainingError):
    """Another process of the same run ended; it knows why, this one does not."""


class EcoWarning(UserWarning):
    """Something a user should know about that does not stop the work."""


def did_you_mean(name: str, candidates: Iterable[str], *, list_all: bool = True) -> str:
    """Suggests what an unknown name may have meant.

    Args:
        name: The name that is not known.
        candidates: The names that are.
        list_all: Whether to list all candidates when none is close.

    Returns:
        ``"Did you mean 'gat'?"``, or the list of what there is, or an empty string.
    """
    known = sorted(set(candidates))
    lowered = {candidate.lower(): candidate for candidate in known}
    close = [lowered[match] for match in difflib.get_close_matches(name.lower(), lowered, n=3, cutoff=0.6)]
    # Difflib misses an abbreviation ("hidden" for "hidden_channels").
    close += [candidate for candidate in known if name and name.lower() in candidate.lower() and candidate not in close]
    if close:
        return "Did you mean " + " or ".join(repr(candidate) for candidate in close[:3]) + "?"
    if list_all and known:
        return "Known here: " + ", ".join(known) + "."
    return ""
