"""What is compared of runs and benchmark tables, and which figures are the best."""

import json
import math
from pathlib import Path
from typing import Any

from dae_tui.dashboard.content.comparison import (
    NEWEST,
    RUN_COLUMNS,
    TABLE_COLUMNS,
    ComparedRun,
    ComparisonRow,
    ComparisonWatch,
    benchmark_rows,
    config_differences,
    give_colours,
    run_rows,
)
from dae_tui.runs.benchmarks import BENCHMARKS, SavedTable
from dae_tui.runs.folder.layout import CONFIG, METRICS, STATUS, write_json
from dae_tui.runs.folder.reader import Run
from dae_tui.runs.folder.summary import summarize
from dae_tui.runs.folder.tags import set_archived
from dae_tui.runs.places import Places
from dae_tui.runs.watching.curves import Curves

FIGURES = {"a": 0.5, "b": 0.5, "c": 0.500001, "d": 0.4}


def make_run(runs_dir: Path, name: str, network: str = "autoencoder", **figures: Any) -> Run:
    folder = runs_dir / name
    folder.mkdir(parents=True)
    write_json(folder / CONFIG, {"network": network, "noise": "gaussian:0.5", "epochs": 3})
    write_json(folder / STATUS, {"state": "finished", **figures})
    return Run(folder)


def compared(run: Run) -> ComparedRun:
    return ComparedRun(run, True, summarize(run), Curves())


def marked(rows: list[ComparisonRow], columns: tuple[Any, ...], title: str) -> list[bool]:
    place = [column.title for column in columns].index(title)
    return [row.cells[place].best for row in rows]


def table(name: str, *rows: dict[str, Any], **protocol: Any) -> SavedTable:
    return SavedTable(Path(f"20260101-101010-{name}.json"), {"data": "mnist"} | protocol, [*rows])


def row(view: str = "denoised", noise: str = "gaussian:0.5", **figures: Any) -> dict[str, Any]:
    return {"view": view, "noise": noise, "method": "unet"} | figures


def test_the_lowest_loss_and_the_highest_of_all_else_are_best(tmp_path: Path) -> None:
    figures: dict[str, Any] = {"val_loss": 0.2, "val_accuracy": 90.0, "val_psnr": 20.0}
    figures |= {"images_per_second": 9e3, "seconds": 5}
    better: dict[str, Any] = {"val_loss": 0.1, "val_accuracy": 95.0, "val_psnr": 21.0}
    better |= {"images_per_second": 1e3, "seconds": 9}
    one = compared(make_run(tmp_path, "20260101-000000-one-0000", **figures))
    two = compared(make_run(tmp_path, "20260101-000000-two-0000", **better))

    rows = run_rows([one, two])
    assert [each.key for each in rows] == [one.run.name, two.run.name]
    for title in ("val loss", "val PSNR", "val acc %"):
        assert marked(rows, RUN_COLUMNS, title) == [False, True]
    assert marked(rows, RUN_COLUMNS, "img/s") == [True, False]
    assert marked(rows, RUN_COLUMNS, "test %") == [False, False]
    assert marked(rows, RUN_COLUMNS, "time") == [False, False]


def test_a_run_alone_and_one_that_classifies_beat_nobody(tmp_path: Path) -> None:
    one = compared(make_run(tmp_path, "20260101-000000-one-0000", test_accuracy=97.0))
    two = compared(make_run(tmp_path, "20260101-000000-two-0000", test_accuracy=96.0))
    classifier = compared(make_run(tmp_path, "j", "classifier", test_accuracy=99.0))

    assert marked(run_rows([one]), RUN_COLUMNS, "test %") == [False]
    assert marked(run_rows([classifier, one, two]), RUN_COLUMNS, "test %") == [False, True, False]


def test_runs_on_other_data_or_against_noisy_images_do_not_compete(tmp_path: Path) -> None:
    runs = [make_run(tmp_path, name, val_loss=4 - n) for n, name in enumerate("abcd")]
    for run, config in zip(
        runs,
        ({"data": "x"}, {"data": "x"}, {"data": "y"}, {"data": "x", "supervision": "noise2self"}),
        strict=True,
    ):
        write_json(run.folder / CONFIG, {"network": "unet", "noise": "none", **config})

    rows = run_rows(ComparisonWatch(Places([tmp_path])).look(list("abcd")).runs)

    assert marked(rows, RUN_COLUMNS, "val loss") == [False, True, False, False]
    assert [each.cells[2].text for each in rows[2:]] == ["2.00000", "noisy 1.00000"]
    assert [each.cells[10].text for each in rows[2:]] == ["as given", "noise2self"]


def test_of_equal_figures_none_is_the_best(tmp_path: Path) -> None:
    runs = [compared(make_run(tmp_path, name, val_loss=loss)) for name, loss in FIGURES.items()]

    assert marked(run_rows(runs[:2]), RUN_COLUMNS, "val loss") == [False, False]
    # Equal as far as they are shown.
    assert marked(run_rows(runs[:3]), RUN_COLUMNS, "val loss") == [False] * 3
    assert marked(run_rows(runs), RUN_COLUMNS, "val loss") == [False, False, False, True]


def test_runs_with_other_noise_or_another_loss_do_not_compete(tmp_path: Path) -> None:
    configs: list[dict[str, Any]] = [
        {"noise": "gaussian:0.5", "loss": "mse"},
        {"noise": "gaussian:0.1", "loss": "mse"},
        {"noise": "gaussian:0.5", "loss": "l1"},
        {"noise": "gaussian:0.5", "loss": "mse"},
    ]
    for n, config in enumerate(configs):
        run = make_run(tmp_path, "abcd"[n], val_loss=0.1 / (n + 1), val_psnr=20.0 + n)
        write_json(run.folder / CONFIG, {"network": "unet", "data": "mnist", **config})

    rows = run_rows(ComparisonWatch(Places([tmp_path])).look(list("abcd")).runs)

    assert marked(rows, RUN_COLUMNS, "val loss") == [False, False, False, True]
    assert marked(rows, RUN_COLUMNS, "val PSNR") == [False, False, False, True]


def test_figures_of_the_validation_images_are_named_so() -> None:
    titles = [column.title for column in RUN_COLUMNS]
    assert titles[2:7] == ["val loss", "epoch", "val PSNR", "val acc %", "test %"]


def test_speeds_are_written_as_in_the_list(tmp_path: Path) -> None:
    (row,) = run_rows([compared(make_run(tmp_path, "a", images_per_second=9212.4))])
    assert row.cells[7].text == "9.21k"


def test_only_denoised_rows_of_the_same_data_images_and_noise_compete() -> None:
    rows = benchmark_rows(
        [
            table(
                "mnist-0001",
                row("original", accuracy=99.3),
                row("noisy", accuracy=99.0),
                row(accuracy=96.0, ssim=0.9),
                row(accuracy=95.0, ssim=0.8),
                row(noise="gaussian:0.1", accuracy=98.0),
                images=100,
            ),
            table("mnist-0002", row(accuracy=97.0), images=100),
            table("mnist-0003", row(accuracy=98.0), images=50),
            table("kmnist-0004", row(accuracy=98.0), images=100, data="kmnist"),
        ]
    )

    best = [False, False, False, False, False, True, False, False]
    assert marked(rows, TABLE_COLUMNS, "acc %") == best
    assert marked(rows, TABLE_COLUMNS, "SSIM")[2:4] == [True, False]
    assert rows[0].cells[0].text == "mnist 0001"
    assert rows[0].cells[3].text == "–"


def test_garbage_makes_rows_without_figures(tmp_path: Path) -> None:
    garbage = {"view": ["x"], "method": 3, "noise": {}, "accuracy": "99", "psnr": math.nan}
    huge = row(accuracy=10**400, psnr=1e300, images_per_second=-1e30)
    rows = benchmark_rows([table("x", garbage, huge, {}, images="many", data=[1], noise=[1, "n"])])
    assert [cell.text for cell in rows[0].cells[1:]] == ["–", "–", "n", *["–"] * 5]
    assert [cell.text for cell in rows[1].cells[4:8]] == ["–", "1.0e+300", "–", "-1.0e+30"]

    run = make_run(tmp_path, "r", epoch=1e300, val_loss="0.1", seconds=[], network_=1)
    write_json(run.folder / CONFIG, {"network": 5, "noise": [], "epochs": "x"})
    texts = [cell.text for cell in run_rows([compared(run)])[0].cells]
    assert texts == ["r", "finished", "–", "1.0e+300/–", *["–"] * 7]


def test_the_newest_runs_and_tables_are_looked_at(tmp_path: Path) -> None:
    for number in range(NEWEST + 2):
        make_run(tmp_path, f"20260101-00000{number}-r-000{number}")
    (tmp_path / BENCHMARKS).mkdir()
    for number in range(12):
        saved = {"protocol": {}, "rows": [row()]}
        (tmp_path / BENCHMARKS / f"{number:02}.json").write_text(json.dumps(saved))
    watch = ComparisonWatch(Places([tmp_path]))

    seen = watch.look([])
    assert [each.run.name[-1] for each in seen.runs] == ["7", "6", "5", "4", "3", "2"]
    assert [each.name for each in seen.tables] == [f"{number:02}" for number in range(11, 1, -1)]
    names = ["20260101-000001-r-0001", "gone"]
    assert [each.exists for each in watch.look(names).runs] == [True, False]


def test_curves_are_read_again_only_when_they_have_grown(tmp_path: Path) -> None:
    run = make_run(tmp_path, "r", val_psnr=20.5)
    metrics = run.folder / METRICS
    metrics.write_text('{"event": "step", "step": 1, "loss": 0.5}\n')
    watch = ComparisonWatch(Places([tmp_path]))

    (first,) = watch.look(["r"]).runs
    assert first.summary.val_psnr == 20.5
    assert len(first.curves.train) == 1
    assert watch.look(["r"]).runs[0].curves is first.curves
    with metrics.open("a") as file:
        file.write('{"event": "step", "step": 2, "loss": 0.4}\n')
    assert len(watch.look(["r"]).runs[0].curves.train) == 2


def test_a_folder_that_is_missing_or_holds_garbage_is_looked_at(tmp_path: Path) -> None:
    assert ComparisonWatch(Places([tmp_path / "none"])).look([]).runs == []
    folder = tmp_path / "bad"
    folder.mkdir()
    for name in (CONFIG, STATUS, METRICS):
        (folder / name).write_bytes(b"\xff[1")
    (tmp_path / BENCHMARKS).mkdir()
    (tmp_path / BENCHMARKS / "x.json").write_bytes(b"\x00{")
    (tmp_path / BENCHMARKS / "y.json").mkdir()

    seen = ComparisonWatch(Places([tmp_path])).look([])
    assert [each.run.name for each in seen.runs] == ["bad"]
    assert seen.tables == []


def test_a_run_keeps_its_colour_and_a_new_one_takes_a_free_one() -> None:
    colours: dict[str, int] = {}
    give_colours(colours, ["a", "b", "c"], 4)
    assert colours == {"a": 0, "b": 1, "c": 2}

    give_colours(colours, ["c", "d", "a"], 4)
    assert colours == {"a": 0, "b": 1, "c": 2, "d": 3}
    give_colours(colours, ["a", "c", "d", "e"], 4)
    assert colours["e"] == 1
    give_colours(colours, ["a", "c", "d", "e", "f"], 4)
    assert colours["f"] == 0


def test_differences_of_configs_that_may_hold_anything() -> None:
    one, other = {"a": 1, "b": {"c": [1]}}, {"a": 1, "b": {"c": [2]}, "d": None}
    assert config_differences([one, other]) == [("b.c", ["[1]", "[2]"])]
    assert config_differences([{"a": 1}, {}]) == [("a", ["1", "–"])]
    assert config_differences([]) == []


def test_archived_runs_are_not_among_the_newest(tmp_path: Path) -> None:
    runs = [make_run(tmp_path, f"run-{n}") for n in range(3)]
    set_archived(runs[2], True)
    watch = ComparisonWatch(Places([tmp_path]))
    assert [each.run.name for each in watch.look([]).runs] == ["run-1", "run-0"]
    assert [each.run.name for each in watch.look(["run-2"]).runs] == ["run-2"]
