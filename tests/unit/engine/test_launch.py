"""Whether a process was launched with others, by its environment; and which of launched processes failed first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from lightning_fabric.plugins.environments import SLURMEnvironment, TorchElasticEnvironment

from eco_core.engine import devices
from eco_core.engine.collectives import joining
from eco_core.engine.launch import launch
from eco_core.engine.rank_failure import RankFailure, leave_for_launcher
from eco_core.engine.world import World, launched_world, without_launch
from eco_core.errors import EcoError, TrainingError

TORCHRUN = {
    "RANK": "5",
    "WORLD_SIZE": "8",
    "LOCAL_RANK": "1",
    "LOCAL_WORLD_SIZE": "4",
    "MASTER_ADDR": "node1",
    "MASTER_PORT": "29500",
    "TORCHELASTIC_RUN_ID": "none",
}
SLURM = {
    "SLURM_JOB_ID": "1234",
    "SLURM_STEP_ID": "0",
    "SLURM_NTASKS": "8",
    "SLURM_NTASKS_PER_NODE": "4",
    "SLURM_NNODES": "2",
    "SLURM_PROCID": "5",
    "SLURM_LOCALID": "1",
    "SLURM_NODEID": "1",
    "SLURM_NODELIST": "node[1-2]",
}


def without(environment: dict[str, str], name: str) -> dict[str, str]:
    return {key: value for key, value in environment.items() if key != name}


@pytest.mark.parametrize(
    ("environment", "world"),
    [
        ({}, None),
        (TORCHRUN, World(5, 8, 1, 4, "torchrun")),
        ({**TORCHRUN, "TORCHELASTIC_RUN_ID": "eco-1"}, World(5, 8, 1, 4, "eco")),
        ({**SLURM, **TORCHRUN}, World(5, 8, 1, 4, "torchrun")),
        (without(TORCHRUN, "MASTER_PORT"), None),
        ({**TORCHRUN, "RANK": "0", "WORLD_SIZE": "1"}, None),
        (SLURM, World(5, 8, 1, 4, "slurm")),
        # The script of a job, which asked for eight tasks and has started none of them.
        (without(SLURM, "SLURM_STEP_ID"), None),
        ({**SLURM, "SLURM_NTASKS": "1", "SLURM_NTASKS_PER_NODE": "1"}, None),
    ],
)
def test_the_environment_tells_who_was_launched_together(environment: dict[str, str], world: World | None) -> None:
    assert launched_world(environment) == world


def test_a_process_of_a_launched_one_works_by_itself() -> None:
    assert launched_world(without_launch({**SLURM, **TORCHRUN})) is None
    assert without_launch({"PATH": "/bin", **TORCHRUN}) == {"PATH": "/bin"}


def test_processes_join_by_what_their_launcher_says(monkeypatch: pytest.MonkeyPatch) -> None:
    for environment, launcher, kind in (
        (SLURM, "slurm", SLURMEnvironment),
        (TORCHRUN, "torchrun", TorchElasticEnvironment),
    ):
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        options = joining(World(5, 8, 1, 4, launcher))
        assert (options["devices"], options["num_nodes"]) == (4, 2)
        found = options["strategy"].cluster_environment
        assert type(found) is kind
        assert (found.global_rank(), found.local_rank(), found.world_size()) == (5, 1, 8)
        assert found.main_address == "node1"
        monkeypatch.undo()


def test_slurm_has_to_know_how_many_tasks_a_machine_has() -> None:
    world = launched_world(without(SLURM, "SLURM_NTASKS_PER_NODE"))
    assert world is not None
    with pytest.raises(EcoError, match=r"ECO405  SLURM started 8 tasks(.|\n)*--ntasks-per-node"):
        joining(world)


def test_more_processes_than_devices_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    devices.check_count(2)
    with pytest.raises(EcoError, match="ECO405  4 processes of this machine want a CUDA device each, but torch sees 2"):
        devices.check_count(4)


# ------------------------------------------------------------------------------------- which process failed first

SPEC = RankFailure(0, "ECO101  There is no head 'kmens'.", 2, False, 10.0)
LOST = RankFailure(0, "ECO406  Another process of this run ended.", 1, True, 10.0)
NAN = RankFailure(1, "ECO401  Stage 'train', epoch 3: loss is nan.", 1, False, 9.0)

Launch = Callable[..., "RankFailure | None"]


@pytest.fixture
def launch_of(monkeypatch: pytest.MonkeyPatch) -> Launch:
    """Launches two made-up processes: the failures they leave, and the exit codes that the launcher sees."""
    api = pytest.importorskip("torch.distributed.launcher.api")
    errors = pytest.importorskip("torch.distributed.elastic.multiprocessing.errors")

    def run(*left: RankFailure, **codes: int) -> RankFailure | None:
        def elastic_launch(config: Any, executable: str) -> Callable[..., None]:
            folder = Path(config.logs_specs.root_log_dir)

            def processes(*words: str) -> None:
                assert words == ("-m", "eco_core.cli", "compose", "--devices", "2")
                for failure in left:
                    place = folder / "attempt_0" / str(failure.rank) / "error.json"
                    place.parent.mkdir(parents=True)
                    with monkeypatch.context() as patch:
                        patch.setenv("TORCHELASTIC_ERROR_FILE", str(place))
                        leave_for_launcher(failure)
                ended = {
                    (rank := int(name[1:])): errors.ProcessFailure(
                        rank, 100, code, str(folder / "attempt_0" / str(rank) / "error.json")
                    )
                    for name, code in codes.items()
                }
                if ended:
                    raise errors.ChildFailedError("eco", ended)

            return processes

        monkeypatch.setattr(api, "elastic_launch", elastic_launch)
        return launch(("compose", "--devices", "2"), 2)

    return run


def test_processes_that_succeed_leave_no_failure(launch_of: Launch) -> None:
    assert launch_of() is None


@pytest.mark.parametrize(
    ("left", "codes", "first"),
    [
        ((SPEC,), {"r0": 2, "r1": -15}, SPEC),
        ((NAN,), {"r0": -15, "r1": 1}, NAN),
        # All found the same: the lowest rank stands for them, whoever was faster.
        ((SPEC, replace(SPEC, rank=1, timestamp=9.0)), {"r0": 2, "r1": 2}, SPEC),
        # Rank 0 lost rank 1, whose process takes longer to end: the launcher has seen rank 0 alone.
        ((LOST, NAN), {"r0": 1}, NAN),
        ((replace(SPEC, message="another"), NAN), {"r0": 2, "r1": 1}, NAN),
        ((LOST,), {"r0": 1, "r1": -15}, LOST),
    ],
)
def test_the_failure_that_came_first_is_reported(
    launch_of: Launch, left: tuple[RankFailure, ...], codes: dict[str, int], first: RankFailure
) -> None:
    assert launch_of(*left, **codes) == first


@pytest.mark.parametrize(
    ("left", "codes", "said"),
    [
        ((), {"r0": -15, "r1": -9}, r"Rank 1 of 2 \(process 100\) was ended by SIGKILL \(as by the system"),
        ((LOST,), {"r0": 1, "r1": -11}, r"Rank 1 of 2 \(process 100\) was ended by SIGSEGV; the others"),
        ((), {"r1": -15}, "Rank 1 of 2 .* was ended by SIGTERM"),
        ((), {"r0": 77, "r1": -15}, "Rank 0 of 2 .* ended with exit code 77"),
        ((), {"r0": 1, "r1": -15}, "Rank 0 of 2 .* ended with exit code 1"),
        ((), {"r0": -99}, "was ended by signal 99"),
    ],
)
def test_a_process_that_left_no_reason_is_named(
    launch_of: Launch, left: tuple[RankFailure, ...], codes: dict[str, int], said: str
) -> None:
    with pytest.raises(TrainingError, match=f"ECO406  .*{said}"):
        launch_of(*left, **codes)


def test_a_failure_is_left_only_where_the_launcher_reads_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TORCHELASTIC_ERROR_FILE", "")  # As torchrun sets it.
    leave_for_launcher(SPEC)
    monkeypatch.setenv("TORCHELASTIC_ERROR_FILE", str(tmp_path / "gone" / "error.json"))
    leave_for_launcher(SPEC)
    assert list(tmp_path.rglob("*")) == []
