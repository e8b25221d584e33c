"""Recordings on a server: read in place by their address, as from a file of this machine."""

from __future__ import annotations

import io
import re
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import pytest
import xarray as xr

from curbd import cli
from curbd.errors import UserError
from curbd.recording import open_recording
from curbd.recording.inspection import inspect
from curbd.settings.plan import load_plan
from curbd.settings.plan_reading import read_plan
from curbd.storage.netcdf import read_netcdf
from tests.support.workspace import make_workspace, planned, snakemake


class Server(NamedTuple):
    """A server of files.

    Attributes
    ----------
    folder : folder of the files.
    address : address of that folder.
    sent : number of bytes of every answer so far.
    """

    folder: Path
    address: str
    sent: list[int]


class RangeHandler(SimpleHTTPRequestHandler):
    """Send the parts of a file that are asked for, as stores of data do and the class of the standard library does
    not."""

    def __init__(self, *arguments: Any, sent: list[int], **options: Any) -> None:
        self.sent = sent
        super().__init__(*arguments, **options)

    def log_message(self, *_: object) -> None:
        """Print nothing."""

    def send_head(self) -> io.BytesIO | BinaryIO | None:
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        path = Path(self.translate_path(self.path))
        if asked is None or not path.is_file():
            return super().send_head()
        size = path.stat().st_size
        first, last = int(asked[1]), min(int(asked[2] or size - 1), size - 1)
        with path.open("rb") as file:
            file.seek(first)
            part = file.read(last - first + 1)
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {first}-{last}/{size}")
        self.send_header("Content-Length", str(len(part)))
        self.end_headers()
        self.sent.append(len(part))
        return io.BytesIO(part)


class QuietServer(ThreadingHTTPServer):
    """A server that does not mind readers who close a connection before all of a file is sent."""

    def handle_error(self, *_: object) -> None:
        """Print nothing."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with two recordings of a teacher."""
    folder, sent = tmp_path_factory.mktemp("server"), list[int]()
    for name in ("teacher.nwb", "teacher.h5"):
        assert cli.main(["teacher", "three_region", "--out", str(folder / name)]) == 0
    with QuietServer(("127.0.0.1", 0), partial(RangeHandler, directory=str(folder), sent=sent)) as http:
        threading.Thread(target=http.serve_forever, daemon=True).start()
        yield Server(folder, f"http://127.0.0.1:{http.server_port}", sent)
        http.shutdown()


def ingested(path: str, format: str, out: Path) -> xr.Dataset:
    words = ["ingest", "--name", "rec", "--path", path, "--format", format, "--out", str(out)]
    assert cli.main(words) == 0
    return read_netcdf(out)


@pytest.mark.parametrize(("name", "format"), [("teacher.nwb", "nwb"), ("teacher.h5", "hdf5")])
def test_a_recording_is_the_same_from_a_server(server: Server, tmp_path: Path, name: str, format: str) -> None:
    near = ingested(str(server.folder / name), format, tmp_path / "near.nc")
    far = ingested(f"{server.address}/{name}", format, tmp_path / "far.nc")
    np.testing.assert_array_equal(far["rates"], near["rates"])
    assert far["region"].to_numpy().tolist() == near["region"].to_numpy().tolist()
    assert far.attrs["path"] == f"{server.address}/{name}"
    assert far.attrs["sha256"] == "", "the checksum of a file on a server would need all of the file"


def test_a_page_about_a_file_names_its_address(server: Server) -> None:
    page = inspect(f"{server.address}/teacher.nwb")
    assert f"teacher\t{server.address}/teacher.nwb\tnwb" in page


def test_a_description_fetches_a_part_of_a_file(server: Server, tmp_path: Path) -> None:
    large = server.folder / "large.h5"
    large.write_bytes((server.folder / "teacher.h5").read_bytes() + bytes(1 << 25))
    server.sent.clear()
    with open_recording(f"{server.address}/large.h5", "hdf5") as file:
        assert len(file.units) > 0
    assert 0 < sum(server.sent) < large.stat().st_size / 2


def test_the_workflow_takes_an_address(server: Server, tmp_path: Path) -> None:
    study = make_workspace(tmp_path / "study")
    (study / "recordings.tsv").write_text(f"recording\tpath\tformat\nfar\t{server.address}/teacher.nwb\tnwb\n")
    (study / "my.yaml").write_text("recordings: recordings.tsv\nmodels: {one_step: {family: full_rank}}\n")
    assert planned(snakemake(study, "--configfile", "my.yaml", "--dry-run"))["ingest"] == 1
    snakemake(study, "--configfile", "my.yaml", "--until", "ingest")
    assert read_netcdf(study / "results" / "far" / "recording.nc").attrs["path"] == f"{server.address}/teacher.nwb"
    again = snakemake(study, "--configfile", "my.yaml", "--until", "ingest", "--dry-run")
    assert not planned(again), "a file on a server is not read again"


def test_a_plan_keeps_an_address(server: Server, tmp_path: Path) -> None:
    address = f"{server.address}/teacher.nwb"
    plan = tmp_path / "plan.json"
    (tmp_path / "recordings.tsv").write_text(f"recording\tpath\tformat\nfar\t{address}\tnwb\n")
    plan.write_text(read_plan({"recordings": str(tmp_path / "recordings.tsv")}).to_json(), encoding="utf-8")
    assert str(load_plan(plan).recordings["far"].path) == address


def test_a_server_that_sends_files_only_as_a_whole_is_told(server: Server) -> None:
    plain = partial(SimpleHTTPRequestHandler, directory=str(server.folder))
    with QuietServer(("127.0.0.1", 0), plain) as http:
        threading.Thread(target=http.serve_forever, daemon=True).start()
        with pytest.raises(UserError, match=r"a server that sends a file only as a whole, .* download the file"):
            inspect(f"http://127.0.0.1:{http.server_port}/teacher.nwb")
        http.shutdown()


def test_what_is_not_on_the_server_is_told(server: Server) -> None:
    with pytest.raises(UserError, match="found no such file on a server that answers"):
        open_recording(f"{server.address}/absent.nwb", "nwb")
    with pytest.raises(UserError, match="expected a path, or an address that begins with https:// or s3://"):
        open_recording("htp://example.org/teacher.nwb", "nwb")
    (server.folder / "page.nwb").write_text("<html>Not found</html>")
    with pytest.raises(UserError, match="a web page"):
        open_recording(f"{server.address}/page.nwb", "nwb")
