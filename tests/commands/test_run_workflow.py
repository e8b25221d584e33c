"""`curbd run`: where Snakemake works, with which files and options."""

from __future__ import annotations

import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from curbd import cli
from curbd.commands import workflow as run_workflow
from curbd.errors import UserError

ROOT = Path(__file__).parents[2]


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A config beside its table of recordings, seen from another folder."""
    (tmp_path / "home").mkdir()
    monkeypatch.chdir(tmp_path / "home")
    study = tmp_path / "my study"
    study.mkdir()
    (study / "my.tsv").touch()
    (study / "my.yaml").write_text("recordings: my.tsv\n", encoding="utf-8")
    return study


def option(command: list[str], name: str) -> str:
    return command[command.index(name) + 1]


def test_snakemake_works_beside_the_config(study: Path) -> None:
    command = run_workflow.snakemake_command(Path("../my study/my.yaml"), "all", ["--until", "ingest"])
    assert Path(option(command, "--directory")).samefile(study)
    assert Path(option(command, "--configfile")).samefile(study / "my.yaml")
    assert option(command, "--snakefile") == str(ROOT / "Snakefile")
    assert option(command, "--workflow-profile") == str(ROOT / "profiles" / "default")
    assert command[-2:] == ["--until", "ingest"]


def test_a_config_whose_table_is_elsewhere_runs_in_the_working_directory(study: Path) -> None:
    (study / "my.tsv").rename("my.tsv")
    command = run_workflow.snakemake_command(study / "my.yaml", "2", ["--workflow-profile", "profiles/slurm"])
    assert option(command, "--directory") == str(Path.cwd())
    assert command.count("--workflow-profile") == 1


def test_a_config_that_is_not_there(study: Path) -> None:
    with pytest.raises(UserError, match=r"gone\.yaml: found no such file"):
        run_workflow.snakemake_command(study / "gone.yaml", "2", [])


def test_a_folder_without_room_is_told_in_one_line_before_snakemake_starts(study: Path) -> None:
    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

    program = "import sys; from curbd.cli import main; sys.exit(main(sys.argv[1:]))"
    words = [sys.executable, "-c", program, "run", str(study / "my.yaml")]
    run = subprocess.run(words, preexec_fn=limited, capture_output=True, text=True)
    assert run.returncode == 2
    assert run.stderr.splitlines() == [
        f"{study}: found a file that is larger than the file system or the limit of the process allows, expected room "
        "for the files of Snakemake; raise the limit, then run again"
    ]
    assert sorted(path.name for path in study.iterdir()) == ["my.tsv", "my.yaml"]


def test_options_behind_two_hyphens_are_for_snakemake(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    called = {}

    def noted(config: Path, cores: str, options: list[str]) -> int:
        called.update(config=config, cores=cores, options=options)
        return 3

    monkeypatch.setattr(run_workflow, "run_workflow", noted)
    with pytest.raises(SystemExit) as ended:
        cli.main(["run", "my.yaml", "--cores", "4", "-n", "--", "--until", "ingest"])
    assert ended.value.code == 3
    assert called == {"config": Path("my.yaml"), "cores": "4", "options": ["--dry-run", "--until", "ingest"]}


def test_a_locked_folder_is_told_with_the_command_that_unlocks_it(
    study: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    failing = [sys.executable, "-c", "import sys; sys.exit(1)", "--directory", str(study)]
    monkeypatch.setattr(run_workflow, "snakemake_command", lambda *_: failing)
    assert run_workflow.run_workflow(study / "my.yaml", "1", []) == 1
    assert capsys.readouterr().err == ""
    (study / ".snakemake" / "locks").mkdir(parents=True)
    (study / ".snakemake" / "locks" / "0.output.lock").touch()
    assert run_workflow.run_workflow(study / "my.yaml", "1", []) == 1
    assert f"curbd run '{study / 'my.yaml'}' -- --unlock" in capsys.readouterr().err


def test_ctrl_c_ends_with_one_line(
    study: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    request: pytest.FixtureRequest,
) -> None:
    # A shell that starts the tests in the background lets them ignore Ctrl-C.
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, handler))
    code = "import os, signal; os.kill(os.getppid(), signal.SIGINT)"
    monkeypatch.setattr(run_workflow, "snakemake_command", lambda *_: [sys.executable, "-c", code, "--directory", "."])
    with pytest.raises(SystemExit) as ended:
        cli.main(["run", str(study / "my.yaml")])
    assert ended.value.code == 130
    assert capsys.readouterr().err == ("curbd run: interrupted; run the same command again to continue\n")


def test_ctrl_c_while_snakemake_is_imported_shows_no_traceback(study: Path) -> None:
    # A package that is interrupted by the first line that is imported, found before the real one.
    (study / "snakemake").mkdir()
    restored = "signal.signal(signal.SIGINT, signal.default_int_handler)"
    code = f"import os, signal\n{restored}\nos.kill(os.getpid(), signal.SIGINT)"
    (study / "snakemake" / "__init__.py").write_text(code + "\n")
    command = run_workflow.snakemake_command(study / "my.yaml", "1", [])
    ended = subprocess.run(command, cwd=study, capture_output=True, text=True)
    assert ended.returncode == -signal.SIGINT
    assert ended.stderr == ""
