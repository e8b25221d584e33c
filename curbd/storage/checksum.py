"""Checksums of recordings."""

from __future__ import annotations

import hashlib
from pathlib import Path

from curbd.storage.zarr_folders import files_of


def sha256(path: Path | str) -> str:
    """Return the SHA-256 checksum of a file in hexadecimal digits, reading the file in pieces of 1 MiB.

    The checksum of a Zarr folder is that of the names and contents of its files.
    """
    path = Path(path)
    digest = hashlib.sha256()
    for name in files_of(path):
        if name != path:
            digest.update(str(name.relative_to(path)).encode())
        with open(name, "rb") as file:
            while piece := file.read(1 << 20):
                digest.update(piece)
    return digest.hexdigest()
