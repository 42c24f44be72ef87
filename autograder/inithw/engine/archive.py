"""Evidence on disk: JSON and plain arrays in one .npz, so that a policy can change without running code again."""

from __future__ import annotations

import dataclasses
import io
import json
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from inithw.engine.files import replace_file
from inithw.engine.homework import Homework
from inithw.engine.records import CellRun, Evidence, Unavailable

_VERSION = 3


class ArchiveError(Exception):
    """A file does not hold evidence of this version."""


def save_evidence(folder: Path, stem: str, name: str, evidence: Evidence) -> Path:
    """Write the evidence of the submission `name` atomically to `folder/stem.evidence.npz`."""
    arrays: dict[str, np.ndarray] = {}
    tree = _encode(evidence, arrays)
    header = json.dumps({"version": _VERSION, "submission": name, "evidence": tree})
    packed = io.BytesIO()
    # Weights do not compress: trying to takes as long as drawing them.
    np.savez(packed, header=np.frombuffer(header.encode(), np.uint8), **arrays)  # type: ignore[arg-type]
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"{stem}.evidence.npz"
    replace_file(target, packed.getvalue(), mode=0o600)
    return target


def load_evidence(path: Path, homework: Homework) -> tuple[str, Evidence]:
    """Read what `save_evidence` wrote: the submission's name and the evidence.

    Raises:
        ArchiveError: The file is not such an archive.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {key: archive[key] for key in archive.files}
        header = json.loads(arrays["header"].tobytes())
        if header["version"] != _VERSION:
            raise ArchiveError(
                f"{path}: evidence of form {header['version']}, this program reads form {_VERSION}: grade "
                "the submission again"
            )
        records = {record.__name__: record for record in (CellRun, Unavailable, *homework.records)}
        return header["submission"], _decode(header["evidence"], arrays, records)
    except (OSError, KeyError, ValueError, TypeError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise ArchiveError(f"{path}: not an evidence file of `inithw grade --save-evidence`") from error


def file_stem(name: str) -> str:
    """A readable and safe file name for a submission, without extension."""
    safe = "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in name.strip("./"))
    return safe.encode()[-120:].decode(errors="ignore") or "submission"  # bytes count in a file's name


def _encode(value: Any, arrays: dict[str, np.ndarray]) -> Any:
    if isinstance(value, np.ndarray):
        key = f"array{len(arrays)}"
        arrays[key] = value
        return {"array": key}
    if dataclasses.is_dataclass(value):
        fields = {field.name: _encode(getattr(value, field.name), arrays) for field in dataclasses.fields(value)}
        return {"record": type(value).__name__, "fields": fields}
    if isinstance(value, dict):
        return {"table": {name: _encode(item, arrays) for name, item in value.items()}}
    if isinstance(value, tuple):
        return [_encode(item, arrays) for item in value]
    return value


def _decode(tree: Any, arrays: dict[str, np.ndarray], records: dict[str, type]) -> Any:
    if isinstance(tree, list):
        return tuple(_decode(item, arrays, records) for item in tree)
    if isinstance(tree, dict) and "array" in tree:
        return arrays[tree["array"]]
    if isinstance(tree, dict) and "table" in tree:
        return {name: _decode(value, arrays, records) for name, value in tree["table"].items()}
    if isinstance(tree, dict):
        fields = {name: _decode(value, arrays, records) for name, value in tree["fields"].items()}
        tables = {name: fields.pop(name) for name in tuple(fields) if isinstance(fields[name], dict)}
        record = records[tree["record"]](**fields)
        for name, table in tables.items():  # not given on making: a record with other parts starts with an empty one
            getattr(record, name).update(table)
        return record
    return tree
