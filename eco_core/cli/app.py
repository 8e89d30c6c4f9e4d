"""The Typer app, and the one place where errors become exit codes."""

from __future__ import annotations

import contextlib
import io
import os
import sys
import time
import traceback
import warnings
from collections.abc import Iterator, Sequence
from typing import Annotated, Any

import typer

import eco_core
from eco_core.cli import benchmark, compose, data, evaluate, explain, export, listing, plugins, report, schema, show
from eco_core.engine.rank_failure import RankFailure, leave_for_launcher
from eco_core.engine.world import World, launched_world
from eco_core.errors import EcoError, EcoWarning, LostProcessError
from eco_core.registry.records import BLOCK_VARIABLE

_MISTAKE, _INTERRUPTED = 2, 130

app = typer.Typer(
    name="eco",
    help="Compose, run and compare attributed graph clustering methods.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("compose")(compose.compose)
app.command("list")(listing.list_names)
app.command("show")(show.show)
app.command("plugins")(plugins.plugins)
app.command("schema")(schema.schema)
app.command("evaluate")(evaluate.evaluate)
app.command("report")(report.report)
app.command("export")(export.export)
app.command("benchmark")(benchmark.benchmark)
app.command("explain")(explain.explain)
app.add_typer(data.app, name="data")


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"eco {eco_core.__version__}")
        raise typer.Exit


@app.callback()
def options(
    block: Annotated[
        list[str] | None, typer.Option("--block", metavar="PLUGIN", help="Do not load this plugin. May be repeated.")
    ] = None,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and exit.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error; also after a verb.")] = False,
) -> None:
    """Compose, run and compare attributed graph clustering methods."""
    if block:
        known = os.environ.get(BLOCK_VARIABLE, "")
        os.environ[BLOCK_VARIABLE] = ",".join([*filter(None, [known]), *block])


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line.

    Args:
        arguments: The words after ``eco``; default the arguments of the process.

    Returns:
        The exit code: 0; 1 the run failed; 2 the user's mistake; 130 interrupted.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in given
    words = [word for word in given if word != "--debug"]
    world = launched_world()
    # Torch's OpenMP threads spin for milliseconds at every barrier. If another process uses the same cores, spinning
    # makes small operations more than ten times slower. A short spin costs nothing on an idle machine.
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    try:
        with _restored(BLOCK_VARIABLE), warnings.catch_warnings(), _quiet_unless_first(world):
            warnings.showwarning = _show_warning
            code = app(words, prog_name="eco", standalone_mode=False, obj=given)
        sys.stdout.flush()
    except EcoError as error:
        return _failed(str(error), error.exit_code, debug, world, is_lost=isinstance(error, LostProcessError))
    except (KeyboardInterrupt, typer.Abort):
        return _interrupted(debug, world)
    except (BrokenPipeError, SystemExit) as error:
        if isinstance(error, SystemExit) and not isinstance(error.__context__, BrokenPipeError):
            raise
        # The reader of our output has closed the pipe (eco list | head). That is no error, although Typer exits with 1.
        # At exit Python flushes stdout again; redirect it, so that the flush does not fail.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if hasattr(error, "exit_code") and hasattr(error, "show"):
            if world is None or world.local_rank == 0:  # All processes have the same arguments, hence the same error.
                error.show()
            return int(error.exit_code)
        message = f"ECO406  The run failed: {type(error).__name__}: {error}"
        message = message if debug else f"{message}\n        Add --debug for the traceback."
        return _failed(message, 1, debug, world)
    if code == _INTERRUPTED:  # Typer turns the interrupt into this code.
        return _interrupted(False, world)
    return code if isinstance(code, int) else 0


@contextlib.contextmanager
def _quiet_unless_first(world: World | None) -> Iterator[None]:
    """Discards the output of all ranks but 0."""
    if world is None or world.rank == 0:
        yield
        return
    nowhere = io.StringIO()
    with contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere):
        yield


def _interrupted(debug: bool, world: World | None) -> int:
    if world is None or (world.rank == 0 and world.launcher != "eco"):
        _report("Interrupted.", debug)
    return _INTERRUPTED


def _failed(message: str, exit_code: int, debug: bool, world: World | None, *, is_lost: bool = False) -> int:
    """Reports the error that ended this process.

    Of processes that ``--devices`` started, the launcher reports the error, once for all of them.

    Args:
        message: The error message.
        exit_code: The exit code of this process.
        debug: Whether to print the traceback; every process prints its own.
        world: The place of this process among the processes that were launched together; None if it is alone.
        is_lost: Whether this process failed only because another one ended.

    Returns:
        The exit code.
    """
    if world is None:
        _report(message, debug)
        return exit_code
    leave_for_launcher(RankFailure(world.rank, message, exit_code, is_lost, time.time()))
    if debug:
        traceback.print_exc()
    if _prints_itself(world, exit_code, is_lost):
        _report(message if world.rank == 0 else f"rank {world.rank}: {message}", debug=False)
    return exit_code


def _prints_itself(world: World, exit_code: int, is_lost: bool) -> bool:
    """Whether this process prints its own failure. It never waits for another process to print first."""
    if world.launcher == "eco":  # The launcher itself prints the failure that came first.
        return False
    if world.rank == 0 or is_lost:
        return world.rank == 0
    # Before the process group exists, all processes of a machine find the same mistakes: one of them prints.
    return world.local_rank == 0 or exit_code != _MISTAKE or _has_met_others()


def _has_met_others() -> bool:
    distributed = sys.modules.get("torch.distributed")  # Without this module there is no process group.
    return distributed is not None and distributed.is_available() and distributed.is_initialized()


@contextlib.contextmanager
def _restored(variable: str) -> Iterator[None]:
    """Restores an environment variable on exit: the options of one call may change it."""
    before = os.environ.get(variable)
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(variable, None)
        else:
            os.environ[variable] = before


def _report(message: str, debug: bool) -> None:
    if debug:
        traceback.print_exc()
    print(message, file=sys.stderr)


def _show_warning(message: Any, category: type[Warning], *place: Any, **options: Any) -> None:
    """Prints ECO's own warnings as one line, and drops warnings of libraries: they do not help at the command line."""
    if issubclass(category, EcoWarning):
        print(f"warning: {message}", file=sys.stderr)
