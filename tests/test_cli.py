"""The command line, run as a user runs it."""

import subprocess
import sys

import pytest

import tahr
from tahr import backends, cli, config


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tahr", *arguments], capture_output=True, text=True, timeout=120, check=False
    )


def test_info_as_a_command() -> None:
    done = run("info")
    assert done.returncode == 0 and done.stderr == ""
    assert done.stdout.startswith(f"tahr {tahr.__version__}, Python 3.")
    assert f"chosen     {config.backend()}, devices: {', '.join(backends.current().devices())}" in done.stdout


def test_info_names_every_backend(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["info"]) == 0
    printed = capsys.readouterr().out
    for name in config.BACKENDS:
        assert f"backend    {name:11}{cli.state_of(name)}" in printed
    assert cli.state_of("numpy")[0].isdigit()


def test_explain(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["explain", "sinc"]) == 0
    printed = capsys.readouterr().out
    assert "tahr/ops/elementwise.py:" in printed and "types: floating; a composition of other operations" in printed
    assert f"    {'numpy':11}numpy.sinc\n" in printed


def test_explain_says_who_runs_it(capsys: pytest.CaptureFixture[str]) -> None:
    backend, op = backends.current(), tahr.ops.exp
    cli.main(["explain", "exp"])
    assert f"    {backend.name:11}{backend.explain(op)[0]}\n" in capsys.readouterr().out


@pytest.mark.parametrize(("name", "hint"), [("simc", "Did you mean sinc"), ("zzzz", "`tahr.ops.__all__` lists them")])
def test_explain_of_nothing(capsys: pytest.CaptureFixture[str], name: str, hint: str) -> None:
    assert cli.main(["explain", name]) == 2
    printed = capsys.readouterr()
    assert printed.out == "" and f"There is no operation {name!r}." in printed.err and hint in printed.err


def test_no_command_is_an_error() -> None:
    done = run()
    assert done.returncode == 2 and "usage: tahr" in done.stderr
