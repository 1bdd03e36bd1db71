"""Print the oldest versions that pyproject.toml allows, as constraints for pip."""

import re
import sys
import tomllib
from pathlib import Path

project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))
tested = project["project"]["optional-dependencies"]["test"]
for dependency in [*project["project"]["dependencies"], *tested]:
    found = re.fullmatch(r"([\w.-]+)>=([\d.]+)(,.*)?", dependency)
    if found is None:
        sys.exit(f"pyproject.toml does not say the oldest version of {dependency!r}: name>=version")
    print(f"{found[1]}=={found[2]}")
