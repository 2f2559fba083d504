"""Classifiers as files of others, for tests: honest ones, and some that do harm when opened."""

import io
import pickle
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn


def export(network: nn.Module, path: Path, images: torch.Tensor, dynamic: bool = True) -> Path:
    """A classifier as a file, as people make them."""
    shapes = ({0: torch.export.Dim("batch", min=1, max=4096)},) if dynamic else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Of the exporters.
        match path.suffix:
            case ".onnx":
                program = torch.export.export(network, (images,), dynamic_shapes=shapes)
                torch.onnx.export(program, (), path, verbose=False, dynamo=True)
            case ".pt2":
                torch.export.save(
                    torch.export.export(network, (images,), dynamic_shapes=shapes), path
                )
            case _:
                # Torch gives `trace` no types.
                traced = torch.jit.trace(network, images)  # type: ignore[no-untyped-call]
                torch.jit.save(traced, path)
    return path


class Touch:
    """Unpickled, it makes a file, and is an empty dictionary."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return eval, (f"__import__('pathlib').Path({str(self.path)!r}).touch() or {{}}",)


class Writer(nn.Module):
    """Called, it writes into a file."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self.path = path

    def forward(self, images: Tensor) -> Tensor:
        written = torch.from_file(self.path, True, 4, dtype=torch.uint8).fill_(65)
        # In the result, or TorchScript would leave it out as of no use.
        return images.flatten(1)[:, :10] + written.sum()


def evil_pickle(path: Path, mark: Path) -> None:
    path.write_bytes(pickle.dumps(Touch(mark)))


def evil_exported(path: Path, mark: Path) -> None:
    """A torch.export archive whose sample inputs are a pickle that makes a file."""
    linear = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
    images = torch.zeros(4, 1, 28, 28)
    whole = export(linear, path.with_name("whole.pt2"), images)
    pickled = io.BytesIO()
    torch.save(((images,), Touch(mark)), pickled)
    with zipfile.ZipFile(whole) as source, zipfile.ZipFile(path, "w") as target:
        names = source.namelist()
        assert any(name.endswith("data/sample_inputs/model.pt") for name in names)
        for name in names:
            inputs = name.endswith("data/sample_inputs/model.pt")
            target.writestr(name, pickled.getvalue() if inputs else source.read(name))


def evil_scripted(path: Path, mark: Path) -> None:
    """A TorchScript module that writes into a file."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # It is deprecated.
        torch.jit.save(torch.jit.script(Writer(str(mark))), path)


EVIL = {"pickle": evil_pickle, "exported": evil_exported, "scripted": evil_scripted}
Evil = Callable[[Path, Path], None]
