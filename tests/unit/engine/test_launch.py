"""Whether a process was launched with others, by its environment."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from lightning_fabric.plugins.environments import SLURMEnvironment, TorchElasticEnvironment

from eco_core.engine import devices
from eco_core.engine.collectives import joining
from eco_core.engine.launch import _exit_code
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


def failures(**codes: int) -> dict[int, SimpleNamespace]:
    return {int(rank[1:]): SimpleNamespace(exitcode=code, pid=100) for rank, code in codes.items()}


def test_the_exit_code_is_that_of_the_process_that_failed_first() -> None:
    assert _exit_code(failures(r0=2, r1=-15), 2) == 2
    assert _exit_code(failures(r0=-15, r1=1), 2) == 1
    assert _exit_code(failures(r0=2, r1=1), 2) == 2


@pytest.mark.parametrize(
    ("codes", "said"),
    [
        ({"r0": -15, "r1": -9}, r"Rank 1 of 2 \(process 100\) was ended by SIGKILL \(as by the system"),
        ({"r0": 1, "r1": -11}, r"Rank 1 of 2 \(process 100\) was ended by SIGSEGV; the others"),
        ({"r1": -15}, "Rank 1 of 2 .* was ended by SIGTERM"),
        ({"r0": 77, "r1": -15}, "Rank 0 of 2 .* ended with exit code 77"),
        ({"r0": -99}, "was ended by signal 99"),
    ],
)
def test_a_process_that_cannot_say_why_it_ended_is_named(codes: dict[str, int], said: str) -> None:
    with pytest.raises(TrainingError, match=f"ECO406  .*{said}"):
        _exit_code(failures(**codes), 2)
