"""The wheels of a bundle: an environment without a package index."""

from __future__ import annotations

import json
import platform
import shutil
import sysconfig
import zipfile
from pathlib import Path

from servicelab_start.steps import Trouble


def wheels(bundle: Path, folder: Path) -> Path:
    """Unpack the wheels of BUNDLE into FOLDER, emptied before. Raises ``Trouble`` where it is none, or made for another machine."""
    shutil.rmtree(folder, ignore_errors=True)
    try:
        with zipfile.ZipFile(bundle) as file:
            made_for = json.loads(file.read("manifest.json"))["python"]
            if made_for != here():
                raise Trouble(
                    f"The bundle {bundle.name} was made for {made_for}; this is {here()}.",
                    "make one on a machine like this one (servicelab bundle save FILE), or take a Python of that version.",
                )
            names = [name for name in file.namelist() if name.startswith("wheels/") and name.endswith(".whl")]
            file.extractall(folder, names)
    except FileNotFoundError:
        raise Trouble(f"There is no file {bundle}.", "name the bundle that `servicelab bundle save FILE` wrote.") from None
    except (zipfile.BadZipFile, KeyError, ValueError):
        raise Trouble(f"{bundle.name} is not a whole bundle.", "copy it again: the transfer may have been cut.") from None
    return folder / "wheels"


def here() -> str:
    """The Python and the machine that wheels have to fit, as in "3.11 linux-x86_64"."""
    return f"{'.'.join(platform.python_version_tuple()[:2])} {sysconfig.get_platform()}"
