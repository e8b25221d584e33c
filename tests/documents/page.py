"""Blocks of code of the documents, run in the order of the page as a reader would run them."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import NamedTuple

from tests.support.workspace import ENVIRONMENT, ROOT

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE_NAME = re.compile(r"# ([\w./-]+\.(?:tsv|yaml))\b")
NEEDS = "# needs "


class Block(NamedTuple):
    """A block of code of a page.

    Attributes
    ----------
    language : word behind the fence: `bash`, `python`, `r`, `yaml`, or empty.
    text : the code.
    """

    language: str
    text: str

    @property
    def file(self) -> str | None:
        """Name of the file that the block is, as its first line says; None for code."""
        named = FILE_NAME.match(self.text)
        return named[1] if named else None

    @property
    def needs(self) -> str | None:
        """What the block needs that is not on every machine, as its first line says."""
        line = self.text.partition("\n")[0]
        return line.removeprefix(NEEDS) if line.startswith(NEEDS) else None


def blocks(page: str) -> list[Block]:
    """All blocks of code of a page, by its path in the repository."""
    return [Block(*match) for match in FENCE.findall((ROOT / page).read_text(encoding="utf-8"))]


class Reader:
    """Somebody who follows a page in a folder: writes its files, types its commands, and keeps one Python open.

    Parameters
    ----------
    folder : working directory of everything that is run.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.printed = ""
        self.names: dict[str, object] = {}

    def follow(self, page: list[Block]) -> None:
        """Do what every block says. A command that fails, and an exception in Python, fail the test."""
        for block in page:
            if block.file is not None:
                (self.folder / block.file).write_text(block.text, encoding="utf-8")
            elif block.language == "bash":
                self.run(block.text)
            elif block.language == "python":
                exec(block.text, self.names)

    def run(self, commands: str) -> None:
        """Run commands of the shell, each of which must succeed."""
        run = subprocess.run(
            ["bash", "-e", "-c", commands],
            cwd=self.folder,
            env=ENVIRONMENT | {"PYTHONPATH": str(ROOT)},
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        assert run.returncode == 0, run.stdout
        self.printed += run.stdout
