"""The Python in the documents runs, each document in a process and a folder of its own."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = [
    path for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")) if "```python" in path.read_text("utf-8")
]


@pytest.mark.trains
@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_blocks_run(document: Path, tmp_path: Path) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```", document.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    script = tmp_path / "blocks.py"
    script.write_text("\n\n".join(blocks), encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, script.name],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "\r" not in done.stdout and "\x1b" not in done.stdout


@pytest.mark.once
def test_documents_name_files_that_exist() -> None:
    links = [
        (document, target)
        for document in ROOT.glob("*.md")
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", document.read_text("utf-8"))
    ]
    missing = [f"{document.name}: {target}" for document, target in links if not (document.parent / target).exists()]
    assert links and not missing
