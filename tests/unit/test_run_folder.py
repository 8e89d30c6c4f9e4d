"""The run folder's own functions: nothing is overwritten, and what is written is read back."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import eco_core as eco
from eco_core.errors import RunFolderError
from eco_core.results.assignments import assignment_rows, read_assignments, write_assignments
from eco_core.results.folder import CHECKPOINT, RUN_FILES, check_free, claim_folder, files_of, fresh_folder

# CSV readers fold line ends within quotes, and a lone surrogate is not text.
IDS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12)


def code_of(error: pytest.ExceptionInfo[RunFolderError]) -> str:
    return error.value.problems[0].code


@given(rows=st.dictionaries(IDS, st.tuples(st.integers(0, 9), st.floats(0, 1, width=32)), min_size=1, max_size=20))
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_assignments_are_read_as_they_were_written(tmp_path: Path, rows: dict[str, tuple[int, float]]) -> None:
    path = tmp_path / "assignments.csv"
    labels = torch.tensor([cluster for cluster, _ in rows.values()])
    confidence = torch.tensor([sure for _, sure in rows.values()])
    write_assignments(path, assignment_rows(labels, confidence, list(rows)))
    read = read_assignments(path)
    assert list(read) == list(rows)
    assert [cluster for cluster, _ in read.values()] == labels.tolist()
    assert [sure for _, sure in read.values()] == pytest.approx(confidence.tolist(), abs=1e-6)


def test_nodes_without_ids_are_numbered(tmp_path: Path) -> None:
    path = tmp_path / "assignments.csv"
    write_assignments(path, assignment_rows(torch.tensor([1, 0]), torch.tensor([0.5, 1.0]), None))
    assert path.read_text() == "node,cluster,confidence\n0,1,0.500000\n1,0,1.000000\n"


def test_assignments_need_no_confidence_and_may_start_with_a_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("node,cluster\na,3\n", encoding="utf-8-sig")
    assert read_assignments(path) == {"a": (3, 1.0)}


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", "none"),
        ("id,label\na,1\n", "id, label"),
        ("node,cluster\na,1\nb,x\n", "line 3: cluster 'x'"),
        ("node,cluster\na\n", "line 2: cluster None"),
        ("node,cluster\na,1.5\n", "line 2: cluster '1.5'"),
        ("node,cluster\na,1000000000000000000000\n", "line 2"),
        ("node,cluster,confidence\na,1,high\n", "line 2"),
        ("node,cluster\na,1\na,1\n", "line 3: node 'a' is listed twice"),
    ],
)
def test_a_malformed_assignments_file_is_one_problem_with_its_line(tmp_path: Path, text: str, named: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(text)
    with pytest.raises(RunFolderError) as error:
        read_assignments(path)
    assert code_of(error) == "ECO403"
    assert str(path) in str(error.value)
    assert named in str(error.value)


def test_what_is_no_text_or_no_file_is_no_assignments_file(tmp_path: Path) -> None:
    binary = tmp_path / "binary.csv"
    binary.write_bytes(b"\xff\xfe\x00\x01")
    for path in (binary, tmp_path, tmp_path / "missing.csv"):
        with pytest.raises(RunFolderError, match="ECO403") as error:
            read_assignments(path)
        assert str(path) in str(error.value)


def test_a_folder_with_files_is_free_only_by_force(tmp_path: Path) -> None:
    check_free(tmp_path / "new", force=False)
    check_free(tmp_path, force=False)
    (tmp_path / "notes.md").write_text("mine")
    with pytest.raises(RunFolderError) as error:
        check_free(tmp_path, force=False)
    assert code_of(error) == "ECO402"
    assert "--force" in str(error.value)
    check_free(tmp_path, force=True)


def test_a_file_is_never_taken_for_a_run_folder(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("mine")
    for folder in (file, file / "below"):
        with pytest.raises(RunFolderError) as error:
            claim_folder(folder, force=True)
        assert code_of(error) == "ECO403"
    assert file.read_text() == "mine"


def test_claiming_by_force_removes_the_files_of_the_old_run_and_no_others(tmp_path: Path) -> None:
    for name in (*RUN_FILES, CHECKPOINT, "notes.md"):
        (tmp_path / name).write_text("old")
    claim_folder(tmp_path, force=True)
    assert (tmp_path / "notes.md").read_text() == "old"
    assert all((tmp_path / name).read_text() == "" for name in files_of(tmp_path))


def test_runs_that_start_in_the_same_second_get_folders_of_their_own(tmp_path: Path) -> None:
    folders: list[Path] = []
    threads = [threading.Thread(target=lambda: folders.append(fresh_folder("run", tmp_path))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(folders)) == 8
    assert all(folder.is_dir() and "run" in folder.name for folder in folders)


def test_a_model_of_another_format_is_refused(tmp_path: Path) -> None:
    eco.compose(clusters=2).fit("karate").save(tmp_path / "run")
    saved = torch.load(tmp_path / "run" / "model.pt", weights_only=True)
    torch.save({**saved, "format": 99}, tmp_path / "run" / "model.pt")
    with pytest.raises(RunFolderError, match="has format 99") as error:
        eco.load(tmp_path / "run")
    assert code_of(error) == "ECO403"
