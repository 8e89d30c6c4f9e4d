"""``eco compose``: compose a method, run it, and leave a run folder."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from eco_core.cli.output import discover, print_json, print_metrics, print_sizes
from eco_core.cli.table_flags import with_table_flags
from eco_core.engine.launch import launch
from eco_core.engine.world import World, launched_world
from eco_core.errors import EcoError, Problem

if TYPE_CHECKING:
    from eco_core.runs.run import Run


@with_table_flags
def compose(
    context: typer.Context,
    spec: Annotated[Path | None, typer.Argument(metavar="[SPEC.yaml]", help="A spec; flags change it.")] = None,
    recipe: Annotated[
        str | None, typer.Option(help="A published method to start from; without any part, ssgc.")
    ] = None,
    encoder: Annotated[str | None, typer.Option(help="Graph to embeddings.")] = None,
    head: Annotated[str | None, typer.Option(help="Embeddings to clusters.")] = None,
    strategy: Annotated[str | None, typer.Option(help="Which parts are trained, and when.")] = None,
    objective: Annotated[str | None, typer.Option(help="What trains the encoder, or 'none'.")] = None,
    data: Annotated[str | None, typer.Option(metavar="NAME|PATH", help="The graph; default 'digits'.")] = None,
    *,
    tables: dict[str, Any],
    data_root: Annotated[
        Path | None, typer.Option(help="Folder of downloaded data sets; default $ECO_DATA_ROOT, then a user cache.")
    ] = None,
    clusters: Annotated[
        str | None, typer.Option(metavar="K", help="How many clusters; default: the declared classes.")
    ] = None,
    overrides: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Any key of the spec. May be repeated.")
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="Epochs of every stage.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of everything random in training.")] = None,
    device: Annotated[str, typer.Option(metavar="auto|cpu|cuda", help="Where to train.")] = "auto",
    devices: Annotated[int, typer.Option(metavar="N", help="Processes, each on a device of its own.")] = 1,
    threads: Annotated[int | None, typer.Option(min=1, help="Threads; default cores / devices.")] = None,
    out: Annotated[Path | None, typer.Option(help="The run folder; default runs/<time>-<name>.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the run in --out.")] = False,
    no_report: Annotated[
        bool, typer.Option("--no-report", help="Write no report.html, clusters.csv and explanation.json.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress and messages.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check, and print the resolved spec.")] = False,
) -> None:
    """Compose a clustering method from parts, run it on a graph, and write a run folder.

    Example: eco compose --encoder gat --head dec --strategy joint
    """
    world = launched_world()
    _check_devices(devices, world)
    if epochs is not None and epochs < 0:
        raise EcoError(Problem("ECO104", f"--epochs is {epochs}; it must be 0 or more.", "Use --epochs 200."))
    _check_data_named(tables, data, spec, overrides or ())
    flags = _given(
        encoder=encoder,
        head=head,
        strategy=strategy,
        objective=objective,
        clusters=_number_or_text(clusters),
        seed=seed,
        data=_given(name=data, root=None if data_root is None else str(data_root), **tables) or None,
        report=False if no_report else None,
    )
    choices: dict[str, Any] = {
        "recipe": recipe,
        "flags": flags,
        "epochs": epochs,
        "overrides": overrides or (),
        "registry": discover(),
    }
    if dry_run:
        _print_spec(spec, choices, json)
        return
    if devices > 1 and world is None:
        _check_before_launch(spec, choices, device, devices)
        _launch(context.obj, devices)
        return

    from eco_core.engine.progress import current_stderr, progress_for
    from eco_core.runs.run import run

    bar = None if quiet or json else progress_for()
    result = run(
        spec,
        out=out,
        force=force,
        device=device,
        threads=threads,
        callbacks=[] if bar is None else [bar],
        stream=None if quiet else current_stderr(),
        **choices,
    )
    _print_result(result, json)


def _check_data_named(tables: Mapping[str, Any], data: str | None, spec: Path | None, overrides: Iterable[str]) -> None:
    """Refuses flags of tables where nothing names the table: the default data set has no such parameters."""
    from eco_core.spec.files import read_spec

    if not tables or data is not None or any(text.strip().startswith("data.name") for text in overrides):
        return
    section = read_spec(spec).get("data")
    if isinstance(section, str) or (isinstance(section, Mapping) and "name" in section):
        return
    flag = "--" + next(iter(tables)).replace("_", "-")
    raise EcoError(
        Problem(
            "ECO105",
            f"{flag} was given, but --data is missing.",
            "Name the nodes table with --data FILE. If there are only edges, give them as --data, without --edges.",
        )
    )


def _check_devices(devices: int, world: World | None) -> None:
    if devices < 1:
        raise EcoError(
            Problem("ECO405", f"{devices} devices were asked for; a run has 1 or more.", "Use for example --devices 2.")
        )
    if world is not None and devices not in (1, world.size):
        raise EcoError(
            Problem(
                "ECO405",
                f"{devices} devices were asked for, but this is one of {world.size} processes that {world.launcher} "
                "started.",
                "Leave --devices out: the launcher sets the number of processes.",
            )
        )


def _check_before_launch(spec: Path | None, choices: Mapping[str, Any], device: str, devices: int) -> None:
    """Finds mistakes in the spec before processes are started."""
    from eco_core.engine.devices import accelerator_of, check_count
    from eco_core.model.batching import check_shared
    from eco_core.plan.plan import plan_run
    from eco_core.spec.files import read_spec

    check_shared(plan_run(**{**choices, "spec": read_spec(spec)}).spec.train, devices)
    if accelerator_of(device) == "cuda":
        check_count(devices)


def _launch(arguments: list[str], devices: int) -> None:
    """Runs the same command in several processes, and prints the failure of one."""
    failure = launch(arguments, devices)
    if failure is not None:
        # A mistake of the user is the same in every process. If training failed, the rank matters.
        rank = f"rank {failure.rank}: " if failure.rank and failure.exit_code == 1 else ""
        print(f"{rank}{failure.message}", file=sys.stderr)
        raise typer.Exit(failure.exit_code)


def _print_result(result: Run, json: bool) -> None:
    if json:
        print_json(result.document())
        return
    print_metrics(result.metrics)
    print_sizes(_sizes(result))
    seconds = ", ".join(f"{name} {value:.1f}" for name, value in result.seconds.items())
    print(f"seconds: {seconds}; peak memory {result.peak_memory_mb:.0f} MB")
    print(f"run folder: {result.folder}")
    if result.report is not None:
        print(f"report: {result.report}")


def _sizes(result: Run) -> list[tuple[str, int]]:
    """The clusters, the largest first, with the names that were proposed for them."""
    if result.explanation is not None:
        clusters = result.explanation.clusters
        numbered = {each.cluster: f"cluster {each.cluster}" for each in clusters}
        return [
            (each.name if each.name == numbered[each.cluster] else f"{each.cluster}: {each.name}", each.size)
            for each in clusters
        ]
    counts = Counter(result.model.labels_.tolist())
    return [
        (f"cluster {cluster}", size) for cluster, size in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    ]


def _given(**values: Any) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None}


def _number_or_text(value: str | None) -> int | str | None:
    try:
        return None if value is None else int(value)
    except ValueError:
        return value


def _print_spec(spec: Path | None, choices: dict[str, Any], json: bool) -> None:
    from eco_core.data.source import is_path
    from eco_core.plan.plan import plan_run
    from eco_core.spec.files import read_spec
    from eco_core.spec.yaml_io import dump_yaml

    registry = choices.pop("registry")
    plan = plan_run(registry, spec=read_spec(spec), **choices)
    if is_path(plan.spec.data.name):
        from eco_core.data.readers.formats import reader_for

        reader_for(Path(plan.spec.data.name).expanduser())  # Raises if the path is missing or no reader fits it.
    for note in plan.notes:
        print(note, file=sys.stderr)
    if json:
        print_json(plan.resolved())
    else:
        print(dump_yaml(plan.resolved()), end="")
