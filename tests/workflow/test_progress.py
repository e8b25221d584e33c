"""Progress is a bar at a terminal and lines in a log file."""

from __future__ import annotations

import io
import logging
import re
import sys

import pytest

from curbd.progress import progress, tracked


class Terminal(io.StringIO):
    """A stream that claims to be a terminal."""

    def isatty(self) -> bool:
        return True


def work(**options: float) -> None:
    with progress(20, "experiments", **options) as advance:
        for _ in range(20):
            advance(1)


def test_a_bar_at_a_terminal(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with caplog.at_level(logging.INFO):
        work(quiet_s=0)
    assert "experiments: 100%" in terminal.getvalue()
    assert "20/20" in terminal.getvalue()
    assert not caplog.messages


def test_ten_lines_in_a_log(caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]) -> None:
    with caplog.at_level(logging.INFO):
        work(quiet_s=0)
    shares = [re.sub(", about [0-9]+ s left", ", left", line) for line in caplog.messages]
    assert shares == [f"experiments: {done} of 20{', left' * (done < 20)}" for done in range(2, 21, 2)]
    assert "%|" not in capsys.readouterr().err


def test_items_come_in_their_order() -> None:
    assert list(tracked(range(5), "items")) == [0, 1, 2, 3, 4]


def test_a_short_computation_writes_nothing_to_a_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        work()
    assert not caplog.messages
