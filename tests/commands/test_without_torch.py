"""What needs no torch does not wait for it: help, lists, saved tables, and every mistake typed."""

import json
import subprocess
import sys
from pathlib import Path

# Runs each command line of standard input; prints its exit code, and whether torch was imported.
RUNS_COMMANDS = """
import json, sys
from dae_tui.commands.app import run

for words in json.load(sys.stdin):
    code = run(words)
    print("answer", code, "torch" in sys.modules, *words, flush=True)
"""

IMAGE = ["denoise", "image.png", "-o", "out.png"]
QUALITY = ["benchmark", "quality", "--data", "digits"]
TRAIN = ["train", "--data", "digits"]
ANSWERS = {
    0: [
        ["--help"],
        ["--version"],
        *([command, "--help"] for command in ("train", "denoise", "benchmark", "runs", "weights")),
        ["runs", "list"],
        ["runs", "list", "--json"],
        ["weights", "list"],
        ["weights", "show", "mnist-unet"],
        ["benchmark", "show", "table.json"],
        ["benchmark", "show", "table.json", "--markdown"],
        ["benchmark", "compare", "table.json", "table.json"],
        ["devices", "--json"],
        ["sweep", "--help"],
        ["sweep", "--set", "lr=1,2", "--dry-run", "--", *TRAIN],
    ],
    2: [
        ["nothing"],
        ["denoise", "missing.png", "-o", "out.png"],
        ["denoise", "image.png"],
        [*IMAGE, "--sigma", "-1"],
        [*IMAGE, "--invert", "maybe"],
        [*IMAGE, "--white", "-3"],
        [*IMAGE, "--format", "tga"],
        [*IMAGE, "--device", "gpu"],
        [*IMAGE, "--precision", "fp8"],
        [*IMAGE, "--reference", "missing.png"],
        [*IMAGE, "--compare", "compared.jpg"],
        ["train", "nothing"],
        ["train", "--data", "missing"],
        [*TRAIN, "--noise", "fog:1"],
        [*TRAIN, "--device", "tpu"],
        [*TRAIN, "--preset", "nothing"],
        [*TRAIN, "--epochs", "0"],
        [*QUALITY, "--noise", "fog:1"],
        [*QUALITY, "--methods", "nothing"],
        [*QUALITY, "--device", "tpu"],
        ["benchmark", "speed", "--parts", "nothing"],
        ["sweep", "--set", "lr=1,30", "--", *TRAIN],
        ["sweep", "--set", "nothing=1", "--", *TRAIN],
    ],
    3: [
        [*IMAGE, "--weights", "nothing"],
        [*QUALITY, "--weights", "nothing"],
        [*QUALITY, "--classifier", "nothing"],
        [*TRAIN, "--classifier", "nothing"],
        ["train", "--resume", "nothing"],
        ["runs", "show", "nothing"],
        ["benchmark", "show", "nothing"],
        ["dashboard", "nothing"],
    ],
}


def test_help_lists_tables_and_mistakes_answer_without_torch(tmp_path: Path) -> None:
    (tmp_path / "image.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    row = {"view": "denoised", "method": "mnist-unet", "noise": "gaussian:0.5", "psnr": 21.0}
    protocol = {"data": "mnist", "images": 10, "noise": "gaussian:0.5", "clip": True, "seed": 0}
    (tmp_path / "table.json").write_text(json.dumps({"protocol": protocol, "rows": [row]}))
    lines = [words for every in ANSWERS.values() for words in every]

    done = subprocess.run(
        [sys.executable, "-c", RUNS_COMMANDS],
        input=json.dumps(lines),
        cwd=tmp_path,
        check=False,
        capture_output=True,
        text=True,
    )

    answers = [line for line in done.stdout.splitlines() if line.startswith("answer ")]
    expected = [
        " ".join(["answer", str(code), "False", *words])
        for code, every in ANSWERS.items()
        for words in every
    ]
    assert answers == expected, done.stderr
