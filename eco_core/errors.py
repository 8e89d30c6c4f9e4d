"""Every error type of ECO and the codes of its problems.

A mistake of the user raises an `EcoError`, which holds one or more `Problem`s. Each problem has a stable code, a
message with the found and the expected value, and a fix. The command line prints the problems without a traceback, and
exits with `exit_code`.

Every code is explained in `CODES`: ``ECO1xx`` names, specs and values; ``ECO2xx`` parts that do not fit each other;
``ECO3xx`` data; ``ECO4xx`` runs; ``ECO5xx`` plugins.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class ErrorCode:
    """The meaning of an error code.

    Attributes:
        title: What is wrong, in a few words.
        cause: Why the error occurs; several causes are separated by semicolons.
        fix: What to do.
    """

    title: str
    cause: str
    fix: str


@dataclass(frozen=True)
class Problem:
    """One mistake, with its fix.

    Attributes:
        code: Stable code such as ``"ECO101"``.
        message: A sentence with the found and the expected value.
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
        *problems: All problems that were found, at least one.
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
    """Another process of the same run ended. That process reports the cause; this one cannot."""


class EcoWarning(UserWarning):
    """A warning to the user; the work goes on."""


def did_you_mean(name: str, candidates: Iterable[str], *, list_all: bool = True) -> str:
    """Suggests known names that are similar to an unknown name.

    Args:
        name: The unknown name.
        candidates: The known names.
        list_all: Whether to list all candidates when none is similar.

    Returns:
        ``"Did you mean 'gat'?"``, or a list of all known names, or an empty string.
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


# docs/errors.md shows the same table; a test compares them.
_CODES = {
    "ECO101": ErrorCode(
        "unknown name",
        "a slip; a part of another kind; a plugin that is not installed or not loaded; in a spec.yaml, a part "
        "in angle brackets that was given from Python",
        "take the suggestion, eco list, eco plugins; eco.load(folder, head=...)",
    ),
    "ECO102": ErrorCode(
        "ambiguous name",
        "two plugins offer the same short name",
        "write the full one, such as eco-gnn:gat, or block a plugin",
    ),
    "ECO103": ErrorCode(
        "unknown parameter",
        "a key that the part, the data set or the spec does not have; a name that the core provides, such as "
        "head.n_clusters",
        "take the suggestion; eco show NAME lists the parameters",
    ),
    "ECO104": ErrorCode(
        "invalid value",
        "a wrong type, or out of range; more processes than batches can be shared among",
        "give a value that the message describes",
    ),
    "ECO105": ErrorCode(
        "missing parameter",
        "a parameter without a default was not given",
        "--set encoder.out_channels=8, or the key in the spec",
    ),
    "ECO106": ErrorCode(
        "unreadable spec",
        "no such file, not YAML, a key twice, not a mapping",
        "correct the place that the message names; eco schema describes a spec",
    ),
    "ECO107": ErrorCode(
        "malformed override",
        "--set without KEY=VALUE",
        "--set head.alpha=2.0",
    ),
    "ECO108": ErrorCode(
        "unresolvable parameter",
        "a part's constructor has an annotation that cannot be resolved, a parameter called name, or a "
        "signature that cannot be read",
        "for its author: annotate with a type that YAML can hold; until then give the part as an instance",
    ),
    "ECO109": ErrorCode(
        "part not usable from its class",
        "the constructor raised on its parameters",
        "change the parameter that the message describes",
    ),
    "ECO110": ErrorCode(
        "component failed to load",
        "the module that a plugin names cannot be imported, or a package that the part or the data set needs is "
        "missing",
        "install what it needs, reinstall the plugin",
    ),
    "ECO201": ErrorCode(
        "discrete head trained",
        "a strategy that trains the head, and a head without a loss",
        "--strategy decoupled, or a differentiable head",
    ),
    "ECO202": ErrorCode(
        "constructor name missing",
        "an encoder asks for its own width, n_features",
        "ask for in_channels, or rename the parameter",
    ),
    "ECO203": ErrorCode(
        "call name missing",
        "a method asks for a name that nobody provides",
        "rename it, give it a default, return it from prepare(graph)",
    ),
    "ECO204": ErrorCode(
        "nothing trains the encoder",
        "an encoder that learns, without an objective, in a strategy that does not train the head",
        "--objective gae, --encoder identity or --strategy joint",
    ),
    "ECO205": ErrorCode(
        "nothing to train",
        "an objective for an encoder without parameters; a head whose clusters nothing would determine; a "
        "stage whose modules have no parameters",
        "--objective none, another encoder, or --strategy joint",
    ),
    "ECO206": ErrorCode(
        "not a valid part",
        "not a module, without the method that its kind must have, or an instance that was given parameters",
        "see Writing a part",
    ),
    "ECO207": ErrorCode(
        "number of clusters",
        "it is not known, auto, or larger than the number of nodes",
        "--clusters K",
    ),
    "ECO208": ErrorCode(
        "not built yet",
        "parameters or results were asked for before the graph is known",
        "fit(data), or compose(..., data=...)",
    ),
    "ECO209": ErrorCode(
        "bad output of a part",
        "an encoder that fails on the graph; an embedding that is not a float tensor with one row per node; "
        "an assignment that does not have one entry per node; a loss that is not a scalar; an objective whose "
        "batches(...) yields nothing; a head instance made for another width",
        "return the shape and type that the message expects; make the head with the embedding's width, or "
        "give its class",
    ),
    "ECO210": ErrorCode(
        "views not seen",
        "an objective that compares changed copies of the graph (dgi, ccassg), and an encoder that does not "
        "look at the graph (embedding)",
        "another encoder, or an objective without views",
    ),
    "ECO211": ErrorCode(
        "new nodes not predictable",
        "predict was called on a graph, but a part works only on the nodes that it was fitted on (embedding, s2cag, "
        "leiden)",
        "fit_predict the other graph, or an inductive part: eco list encoders --where inductive",
    ),
    "ECO301": ErrorCode(
        "not found",
        "no such file or folder, or a folder without the tables",
        "mend the path",
    ),
    "ECO302": ErrorCode(
        "unreadable file",
        "an unknown format, a torn file, a malformed line",
        "mend the line; the formats",
    ),
    "ECO303": ErrorCode(
        "invalid graph",
        "edges out of range, NaN, lengths that do not match, ...",
        "correct the place that the message names",
    ),
    "ECO304": ErrorCode(
        "download impossible",
        "raw files are missing, and the network or the folder cannot be used",
        "get the files, --data-root DIR",
    ),
    "ECO305": ErrorCode(
        "labels or ids do not match",
        "an id in one table that another does not have; another number of labels than clusters",
        "give tables of the same graph",
    ),
    "ECO306": ErrorCode(
        "output not written",
        "the folder of eco data convert exists, or its disk is full",
        "another --out, --force, or make room",
    ),
    "ECO307": ErrorCode(
        "other features",
        "predict, infer_full or embed got a graph whose features have another width than those of the training graph",
        "a graph with the same features in the same order, or fit the model on this graph",
    ),
    "ECO401": ErrorCode(
        "loss is not finite",
        "a learning rate that is too high, features of very different scale; the message names stage, epoch "
        "and component",
        "a lower optimizer.lr, clip_norm, data.normalize_features=row",
    ),
    "ECO402": ErrorCode(
        "run folder exists",
        "--out names a folder with files in it",
        "another --out, or --force",
    ),
    "ECO403": ErrorCode(
        "run folder unusable",
        "it cannot be written, is not finished, or does not fit its spec; an assignments file that cannot be read",
        "another folder; the versions in environment.json",
    ),
    "ECO404": ErrorCode(
        "checkpoint unusable",
        "it is missing, torn or of another format",
        "start the run anew",
    ),
    "ECO405": ErrorCode(
        "device unavailable",
        "no such device, fewer of them than --devices, or another number than the launcher started; SLURM "
        "without --ntasks-per-node",
        "--device cpu, --devices 1; under torchrun and SLURM leave --devices out",
    ),
    "ECO406": ErrorCode(
        "the run failed",
        "an unexpected exception in a part or in ECO; one of several processes was killed",
        "--debug shows where; the message names the process",
    ),
    "ECO501": ErrorCode(
        "broken plugin",
        "its module or one of its hooks raised, or returned no records",
        "upgrade or reinstall it, tell its author",
    ),
    "ECO502": ErrorCode(
        "incompatible plugin",
        "it was written for another plugin interface",
        "install a version for this one",
    ),
    "ECO503": ErrorCode(
        "blocked plugin",
        "--block or ECO_BLOCK_PLUGINS",
        "do not block it",
    ),
}

CODES: Mapping[str, ErrorCode] = MappingProxyType(_CODES)
"""Every code that a `Problem` may have, in order."""
