"""Words, a note, the group and the archive, kept with a run."""

from pathlib import Path

import pytest

from dae_tui.errors import RunError, UsageError
from dae_tui.runs.folder.deletion import delete_run
from dae_tui.runs.folder.layout import TAGS, State
from dae_tui.runs.folder.reader import Run
from dae_tui.runs.folder.summary import summarize
from dae_tui.runs.folder.tags import (
    LONGEST_TAG,
    Tags,
    change_tags,
    read_tags,
    set_archived,
    set_group,
)
from dae_tui.runs.folder.writer import RunWriter
from dae_tui.runs.watching.runs_watch import RunsWatch


@pytest.fixture
def run(tmp_path: Path) -> Run:
    folder = tmp_path / "20260101-000000-run-0001"
    with RunWriter(folder) as writer:
        writer.describe({"network": "dense"}, {})
        writer.status(State.FINISHED)
    return Run(folder)


def test_tags_are_added_once_and_taken_away(run: Run) -> None:
    assert read_tags(run) == Tags()
    assert change_tags(run, ["best", "paper", "best"]).words == ("best", "paper")
    assert change_tags(run, ["new"], ["best", "never"], note="a note") == Tags(
        ("paper", "new"), "a note"
    )
    assert change_tags(run, ["x"]).note == "a note"
    assert summarize(run).tags == ("paper", "new", "x")
    assert summarize(run).note == "a note"


@pytest.mark.parametrize("word", ["", "two words", "a\x1b[2J", "x" * (LONGEST_TAG + 1), "-/-"])
def test_a_tag_is_a_plain_word(run: Run, word: str) -> None:
    with pytest.raises(UsageError, match="a tag cannot be"):
        change_tags(run, [word])
    assert not (run.folder / TAGS).exists()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff",
        b"[]",
        b'{"tags": 3, "group": 4, "archived": "yes"}',
        b'{"tags": [1, "ok", "\\u001b"], "note": 4, "group": "a b", "archived": 1}',
    ],
)
def test_garbage_is_left_out(run: Run, content: bytes) -> None:
    (run.folder / TAGS).write_bytes(content)
    assert read_tags(run).words in ((), ("ok",))
    assert read_tags(run).note == ""
    assert read_tags(run).group == ""
    assert read_tags(run).archived is False


def test_group_and_archive_are_kept_beside_the_tags(run: Run) -> None:
    change_tags(run, ["best"], note="a note")
    set_group(run, "lr-3f2a")
    set_archived(run, True)
    change_tags(run, ["paper"])
    assert read_tags(run) == Tags(("best", "paper"), "a note", "lr-3f2a", True)
    assert (summarize(run).group, summarize(run).hidden) == ("lr-3f2a", True)
    set_group(run, "")
    set_archived(run, False)
    assert read_tags(run) == Tags(("best", "paper"), "a note")
    with pytest.raises(UsageError, match="a group cannot be 'a b'"):
        set_group(run, "a b")


def test_a_run_that_is_being_trained_cannot_be_archived_and_is_never_hidden(run: Run) -> None:
    set_archived(run, True)
    with RunWriter(run.folder) as writer:
        writer.status(State.RUNNING)
        assert summarize(run).archived and not summarize(run).hidden
        with pytest.raises(RunError, match="is being trained") as refused:
            set_archived(run, True)
        assert "dae runs stop" in refused.value.hint
        set_archived(run, False)
    assert not read_tags(run).archived


def test_the_list_notices_a_new_tag_and_the_file_goes_with_the_run(run: Run) -> None:
    watch = RunsWatch(run.folder.parent)
    assert watch.look()[0].summary.tags == ()
    change_tags(run, ["best"])
    assert watch.look()[0].summary.tags == ("best",)
    assert delete_run(run, run.folder.parent) == []
    assert not run.folder.exists()
