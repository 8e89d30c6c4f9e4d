"""A whole fit of a composition: load, build, train, cluster, evaluate."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch

from eco_core.engine.callbacks import Callback, FitInfo, Log, Notified, check_callbacks, fit_events, notify
from eco_core.engine.checkpoint import checkpoint_file, load_checkpoint
from eco_core.engine.collectives import local_rank_0_first, take_from_rank_0, tensors_of
from eco_core.engine.devices import make_fabric
from eco_core.engine.progress import current_stderr, progress_for
from eco_core.engine.seeding import seeded
from eco_core.engine.trainer import train
from eco_core.metrics.evaluate import evaluate_clustering, registered_metrics
from eco_core.model.batching import check_shared, check_trained_on_batches
from eco_core.model.build import build_parts
from eco_core.model.composed_parts import ComposedParts
from eco_core.model.fingerprint import graph_fingerprint
from eco_core.model.preparation import check_given, on_device
from eco_core.model.session import FitSession
from eco_core.ops.compile_notice import compile_notices
from eco_core.plan.plan import Plan
from eco_core.results.clustering import Clustering


def fit_composition(
    model: Any,
    data: Any,
    *,
    device: str,
    callbacks: Sequence[Notified],
    checkpoint: str | Path | None,
    resume: str | Path | None,
    verbose: bool | None,
) -> Clustering:
    """Trains and clusters a graph. The arguments are the same as for `Composition.fit`.

    Args:
        model: The composition; it has the trained parts afterwards.
        data: A name, a path, a PyG ``Data`` or ``(x, edge_index)``.
        device: ``auto``, ``cpu`` or ``cuda``.
        callbacks: Objects that listen to the fit, on rank 0.
        checkpoint: The file that the engine writes its state to.
        resume: A checkpoint from which training continues.
        verbose: Whether progress is shown.

    Returns:
        The clusters, embeddings, metrics and history.
    """
    check_given(data)
    check_callbacks(callbacks)
    checkpoint = checkpoint_file(checkpoint)
    if resume is not None:
        load_checkpoint(Path(resume))  # A file that cannot be read is found before anything is built.
    train_spec = model.plan_for(None).spec.train
    fabric = make_fabric(device, train_spec.precision)
    check_shared(train_spec, fabric.world_size)
    with local_rank_0_first(fabric.local_rank):
        graph = model.load_graph(data, anew=True)
    model.take_encoding(getattr(graph, "encoding", None))
    plan = model.plan_for(graph)
    listening = (*callbacks, *_progress(verbose)) if fabric.is_global_zero else ()
    # The callbacks are closed at the very end, after the metrics, which are computed outside the seeded context.
    with ExitStack() as events:
        if len(listening) > len(callbacks):  # Progress is shown; eco compose and users who want none say it themselves.
            events.enter_context(compile_notices(lambda text: print(text, file=current_stderr())))
        with seeded(plan.spec.seed):
            start = time.perf_counter()
            session = _begin(model, plan, on_device(graph, fabric.device))
            stages = model.stages()
            if stages:
                check_trained_on_batches(fabric.world_size, session.batches is not None, plan.part("encoder"))
            session.keep_probe(not stages)
            notes = model.notes_before_a_fit()
            model.data_fingerprint = graph_fingerprint(graph, with_ids=True)
            info = fit_info(model, fabric.device, fabric.world_size, (*notes, *graph.notes))
            events.enter_context(fit_events(listening, info))
            history = model.start_history()
            train(
                session,
                stages,
                seed=plan.spec.seed,
                fabric=fabric,
                callbacks=listening,
                checkpoint=checkpoint,
                resume=None if resume is None else Path(resume),
                history=history,
            )
            notes = (*notes, history.stopped) if history.stopped else notes
            trained = time.perf_counter()
            found = session.finish()
            if fabric.world_size > 1:
                results = (found.labels, found.confidence, found.embedding)
                take_from_rank_0([*tensors_of(model), *results], fabric.device)
            seconds = {"train": trained - start, "cluster": time.perf_counter() - trained}
        ids = getattr(graph, "node_ids", None)
        metrics = evaluate_clustering(registered_metrics(plan.registry), graph, found.labels, found.embedding)
        clustering = Clustering(found.labels, found.confidence, found.embedding, ids, metrics, history, seconds, notes)
        model.clustering_ = clustering  # Before callbacks hear of it: an exception in one of them loses nothing.
        notify(listening, "on_fit_end", clustering)
    return clustering


def _begin(model: Any, plan: Plan, graph: Any) -> FitSession:
    """Makes the parts for a graph, and the session that trains them; results of earlier parts do not remain."""
    built = build_parts(plan, graph)
    session = FitSession(model, built)
    model.forget_results()
    model.install(built)
    model.take_as_prepared(session.graph, plan)
    return session


def _progress(verbose: bool | None) -> list[Callback]:
    """Returns the callback that shows progress: a bar if one can be drawn, else, if ``verbose``, a log of stages."""
    if verbose is False:
        return []
    bar = progress_for()
    if bar is not None:
        return [bar]
    return [Log(current_stderr())] if verbose else []


def fit_info(model: ComposedParts, device: torch.device, world_size: int = 1, notes: tuple[str, ...] = ()) -> FitInfo:
    """Returns the facts of a built composition for callbacks and run folders.

    Args:
        model: The composition.
        device: The device that it is trained on.
        world_size: The number of processes.
        notes: Sentences that a user should read.
    """
    plan = model.plan
    parts = {kind: part for kind, part in plan.parts.items() if part is not None}
    return FitInfo(
        module=model,
        device=device,
        world_size=world_size,
        seed=plan.spec.seed,
        notes=notes,
        spec=model.spec,
        rerunnable=plan.rerunnable,
        facts=model.graph_facts,
        part_names=tuple(part.label for part in parts.values()),
        parts={kind: part.origin for kind, part in parts.items()},
        preparation=model.table_encoding,
        data_fingerprint=model.data_fingerprint,
        plugins={p.distribution: {"version": p.version, "status": p.status} for p in plan.registry.plugins},
    )


__all__ = ["fit_composition", "fit_info"]
