"""Kept tables of compressions: their curves over units and their rows."""

import math
from pathlib import Path
from typing import Any

import pytest
from dashboard_example import compression, compressions

from dae_tui.dashboard.content.compression_curves import (
    COLUMNS,
    Compression,
    CompressionsWatch,
    Figure,
    compression_rows,
    figures_in,
)
from dae_tui.runs.compressions import COMPRESSIONS
from dae_tui.runs.folder.layout import write_json


def kept(runs_dir: Path, name: str, table: dict[str, Any]) -> None:
    (runs_dir / COMPRESSIONS).mkdir(parents=True, exist_ok=True)
    write_json(runs_dir / COMPRESSIONS / f"20260101-000000-{name}.json", table)


def look(runs_dir: Path) -> list[Compression]:
    return CompressionsWatch(runs_dir).look(None)


def texts(runs_dir: Path) -> list[dict[str, str]]:
    """The rows by the titles of their columns; the best with a mark."""
    return [
        {
            column.title: cell.text + "*" * cell.best
            for column, cell in zip(COLUMNS, row.cells, strict=True)
        }
        for row in compression_rows(look(runs_dir))
    ]


def test_a_curve_goes_from_many_units_to_few(tmp_path: Path) -> None:
    kept(tmp_path, "a-0001", compression(4, 2, 1000))
    (each,) = look(tmp_path)
    assert each.label == "a-0001"
    error, total = each.curve(Figure.ERROR), each.curve(Figure.TOTAL)
    assert error.x.tolist() == [-4, -3, -2]
    assert error.y.tolist() == pytest.approx([0.005, 0.02 / 3, 0.01])
    assert total.y.tolist() == pytest.approx([5, 20 / 3, 10])
    assert each.curve(Figure.PSNR).y.tolist()[2] == pytest.approx(20)
    assert each.curve(Figure.SSIM).y.tolist()[2] == pytest.approx(0.8)
    assert each.curve(Figure.ANGLE).y.tolist() == [24, 23, 22]
    assert not error.smooth


def test_what_comes_back_exactly_has_no_error(tmp_path: Path) -> None:
    table = compression(3, 2, 1000)
    table["steps"][0] |= {"psnr": None, "squared_error": 1e-8}
    kept(tmp_path, "a-0001", table)
    (each,) = look(tmp_path)
    assert each.curve(Figure.ERROR).y.tolist() == pytest.approx([0, 0.01])
    assert each.curve(Figure.TOTAL).y.tolist() == pytest.approx([0, 10])
    assert each.curve(Figure.PSNR).x.tolist() == [-2]


def test_only_figures_that_were_measured_are_offered(tmp_path: Path) -> None:
    table = compression(3, 2)
    for step in table["steps"]:
        step["ssim"] = None
    kept(tmp_path, "a-0001", table)
    assert figures_in(look(tmp_path)) == [
        Figure.ERROR, Figure.TOTAL, Figure.PSNR, Figure.ANGLE,
    ]  # fmt: skip
    assert figures_in([]) == [Figure.ERROR]


def test_a_row_has_the_figures_of_the_fewest_units_and_of_the_file(tmp_path: Path) -> None:
    compressions(tmp_path)
    peppers, published, plain = texts(tmp_path)
    assert plain == {
        "compression": "camera-00c0",
        "units": "16-6",
        "ratio": "42.7",
        "squares": "13.653*",
        "PSNR": f"{-10 * math.log10(0.02 / 6):.2f}*",
        "SSIM": "0.933*",
        "file PSNR": "21.50",
        "true ratio": "166.7",
        "bytes": "240",
        "training": "least squares",
        "images": "camera.png",
    }
    assert published["training"] == "published"
    assert published["PSNR"] == f"{-10 * math.log10(0.005):.2f}"
    # Alone with its image: it does not compete.
    assert peppers["squares"] == "131.072"


def test_the_newest_are_shown_and_others_by_name(tmp_path: Path) -> None:
    for number in range(8):
        kept(tmp_path, f"a-000{number}", compression(3, 2))
    watch = CompressionsWatch(tmp_path)
    here = [each.label for each in watch.look(None)]
    assert here == [f"a-000{number}" for number in (7, 6, 5, 4, 3, 2)]
    names = [f"20260101-000000-{label}" for label in here]
    assert watch.another(names) == "20260101-000000-a-0001"
    chosen = watch.look(["20260101-000000-a-0003", "20260101-000000-a-0000"])
    assert [each.label for each in chosen] == ["a-0003", "a-0000"]


def test_new_and_deleted_tables_are_noticed(tmp_path: Path) -> None:
    watch = CompressionsWatch(tmp_path)
    assert watch.look(None) == []
    assert watch.another([]) is None
    kept(tmp_path, "a-0001", compression(3, 2))
    (each,) = watch.look(None)
    each.path.unlink()
    assert watch.look(None) == []
    (gone,) = watch.look([each.name])
    assert gone.table is None
    assert len(gone.curve(Figure.PSNR).x) == 0
    assert [cell.text for cell in compression_rows([gone])[0].cells[:3]] == [
        "a-0001", "deleted", "–",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "content",
    [
        {"protocol": {}, "steps": []},
        {"protocol": {"inputs": 3, "values": 0}, "steps": [{"units": "x"}, {}], "rows": [3, {}]},
        {
            "protocol": {"inputs": ["a", None], "values": 1e-300},
            "steps": [{"units": -3, "psnr": 1}, {"units": 10**400, "psnr": []}],
        },
    ],
)
def test_a_table_that_holds_anything_stops_nothing(tmp_path: Path, content: dict[str, Any]) -> None:
    kept(tmp_path, "a-0001", content)
    kept(tmp_path, "b-0001", compression(3, 2))
    (tmp_path / COMPRESSIONS / "c.json").write_text("[")
    found = look(tmp_path)
    assert [each.label for each in found] == ["b-0001", "a-0001"]
    assert len(compression_rows(found)) == 2
    for figure in Figure:
        assert len(found[1].curve(figure).x) == 0
