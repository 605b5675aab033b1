"""start.py takes the wheels of a bundle that fits this Python, and says what is wrong with one that does not."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest

from servicelab_start import environment, offline
from servicelab_start.steps import Trouble


def bundle(file: Path, python: str) -> Path:
    with zipfile.ZipFile(file, "w") as made:
        made.writestr("manifest.json", json.dumps({"python": python}))
        made.writestr("wheels/a-1-py3-none-any.whl", "")
        made.writestr("wheels/../../escaped.whl", "")
        made.writestr("images.tar", "")
    return file


def test_the_wheels_and_nothing_else_are_unpacked(tmp_path: Path) -> None:
    folder = offline.wheels(bundle(tmp_path / "b.zip", offline.here()), tmp_path / "deep" / "scratch")
    assert [path.name for path in folder.glob("a-*")] == ["a-1-py3-none-any.whl"]
    assert not (tmp_path / "deep" / "scratch" / "images.tar").exists()
    assert (tmp_path / "deep" / "scratch") in next(tmp_path.rglob("escaped.whl")).parents, "no name leads out of the folder"


def test_a_bundle_for_another_python(tmp_path: Path) -> None:
    with pytest.raises(Trouble, match=r"was made for 3\.8 linux-x86_64"):
        offline.wheels(bundle(tmp_path / "b.zip", "3.8 linux-x86_64"), tmp_path / "scratch")


def test_no_bundle_and_half_a_bundle(tmp_path: Path) -> None:
    with pytest.raises(Trouble, match="There is no file"):
        offline.wheels(tmp_path / "none.zip", tmp_path / "scratch")
    (tmp_path / "half.zip").write_bytes(b"PK")
    with pytest.raises(Trouble, match="not a whole bundle"):
        offline.wheels(tmp_path / "half.zip", tmp_path / "scratch")


@pytest.mark.parametrize("uv", [None, "/bin/uv"])
def test_with_wheels_no_index_is_asked(uv: str | None, tmp_path: Path) -> None:
    for command in environment.commands(tmp_path, uv, fresh=False, wheels=tmp_path / "wheels"):
        assert {"--no-index", "--offline"} & set(command), command
