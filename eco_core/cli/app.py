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
from eco_core.cli import benchmark, compose, data, evaluate, listing, plugins, schema, show
from eco_core.engine.world import World, launched_world
from eco_core.errors import EcoError, EcoWarning, LostProcessError
from eco_core.registry.records import BLOCK_VARIABLE

_INTERRUPTED = 130

_PATIENCE = 5.0
"""Seconds that a process which cannot say best what is wrong gives to another that can, and to the launcher."""

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
app.command("benchmark")(benchmark.benchmark)
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
        arguments: Default those of the process.

    Returns:
        The exit code: 0; 1 the run failed; 2 the user's mistake; 130 interrupted.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in given
    words = [word for word in given if word != "--debug"]
    world = launched_world()
    # The threads of torch's OpenMP spin for milliseconds at every barrier. Where another process wants the same cores
    # that makes small operations ten times slower and more; a short spin costs nothing on an idle machine.
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    try:
        with _restored(BLOCK_VARIABLE), warnings.catch_warnings(), _quiet_unless_first(world):
            warnings.showwarning = _show_warning
            code = app(words, prog_name="eco", standalone_mode=False, obj=given)
        sys.stdout.flush()
    except EcoError as error:
        _report_in_turn(str(error), debug, world, isinstance(error, LostProcessError))
        return error.exit_code
    except (KeyboardInterrupt, typer.Abort):
        return _interrupted(debug, world)
    except (BrokenPipeError, SystemExit) as error:
        if isinstance(error, SystemExit) and not isinstance(error.__context__, BrokenPipeError):
            raise
        # The reader of our output went away (eco list | head): nothing is wrong, though Typer exits with 1 for it.
        # Python must not flush into it again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if hasattr(error, "exit_code") and hasattr(error, "show"):
            error.show()
            return int(error.exit_code)
        message = f"ECO406  The run failed: {type(error).__name__}: {error}"
        message = message if debug else f"{message}\n        Add --debug for the traceback."
        _report_in_turn(message, debug, world)
        return 1
    if code == _INTERRUPTED:  # Typer turns the interrupt into this code.
        return _interrupted(False, world)
    return code if isinstance(code, int) else 0


@contextlib.contextmanager
def _quiet_unless_first(world: World | None) -> Iterator[None]:
    """Of processes that were launched together, only rank 0 prints."""
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


def _report_in_turn(message: str, debug: bool, world: World | None, is_lost: bool = False) -> None:
    """Reports an error; of several processes, once where all have the same.

    Args:
        message: What is wrong.
        debug: Whether the traceback is wanted.
        world: The processes that were launched together.
        is_lost: Whether all that is wrong is that another process ended.
    """
    if world is not None and (world.rank > 0 or (is_lost and world.launcher == "eco")):
        # Rank 0 has found the same mistake, or the launcher knows who ended first; it ends this process meanwhile.
        time.sleep(_PATIENCE)
        message = f"rank {world.rank}: {message}"
    _report(message, debug)
    if world is not None and world.rank == 0 and is_lost:
        time.sleep(_PATIENCE)  # Else the launcher might take this process for the one that ended first.


@contextlib.contextmanager
def _restored(variable: str) -> Iterator[None]:
    """Takes back what the options of one call did to the environment."""
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
    """Shows ECO's own warnings as one line; those of libraries tell a user of the command line nothing."""
    if issubclass(category, EcoWarning):
        print(f"warning: {message}", file=sys.stderr)
