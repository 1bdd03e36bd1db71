"""List the public names of scVelo and velocyto and their parameters: facts for coming_from.md.

python docs/coming_from/signatures.py scvelo FOLDER > docs/coming_from/scvelo.json
python docs/coming_from/signatures.py velocyto FOLDER > docs/coming_from/velocyto.json

FOLDER contains the package: the site-packages of an environment, or an unpacked archive of sources.
Sources are read and not imported, because velocyto cannot be installed with today's Python. A name
is public if it is in `__all__` of a public module or, without `__all__`, if it is defined there or
imported from the package, and does not begin with an underscore.
"""

from __future__ import annotations

import ast
import json
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path

# public modules, with the names under which their functions are called
MODULES = {
    "scvelo": {
        "": "scvelo",
        "pp": "scvelo.preprocessing",
        "tl": "scvelo.tools",
        "pl": "scvelo.plotting",
        "utils": "scvelo.utils",
        "datasets": "scvelo.datasets",
        "settings": "scvelo.settings",
        "logging": "scvelo.logging",
        "core": "scvelo.core",
        "inference": "scvelo.inference",
    },
    "velocyto": {
        "": "velocyto",
        "analysis": "velocyto.analysis",
        "estimation": "velocyto.estimation",
        "neighbors": "velocyto.neighbors",
        "diffusion": "velocyto.diffusion",
        "serialization": "velocyto.serialization",
        "commands.run": "velocyto.commands.run",
        "commands.run10x": "velocyto.commands.run10x",
        "commands.run_dropest": "velocyto.commands.run_dropest",
        "commands.run_smartseq2": "velocyto.commands.run_smartseq2",
        "commands.dropest_bc_correct": "velocyto.commands.dropest_bc_correct",
    },
}
# modules whose variables can be set by users
SETTINGS = ("scvelo.settings",)


@dataclass
class Module:
    """What a module defines and imports."""

    name: str
    defined: dict[str, ast.AST] = field(default_factory=dict)
    # local name: module, and name there
    imported: dict[str, tuple[str, str]] = field(default_factory=dict)
    stars: list[str] = field(default_factory=list)
    listed: list[str] | None = None


class Package:
    """The sources of a package."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder, self.name = folder, name
        self._modules: dict[str, Module] = {}

    def module(self, name: str) -> Module:
        """Parse a module once."""
        if name not in self._modules:
            path = self.folder / Path(*name.split("."))
            file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
            self._modules[name] = self._parsed(file, name)
        return self._modules[name]

    def _parsed(self, file: Path, name: str) -> Module:
        inside = name if file.name == "__init__.py" else name.rpartition(".")[0]
        found = Module(name)
        for node in ast.parse(file.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                found.defined[node.name] = node
            elif isinstance(node, ast.ImportFrom):
                self._note_import(found, node, inside)
            elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                target = node.targets[0].id
                if target == "__all__":
                    found.listed = ast.literal_eval(node.value)
                else:
                    found.defined[target] = node
        return found

    def _note_import(self, found: Module, node: ast.ImportFrom, inside: str) -> None:
        parents = inside.split(".")[: len(inside.split(".")) - max(0, node.level - 1)]
        source = ".".join(
            [*(parents if node.level else []), *([node.module] if node.module else [])]
        )
        for alias in node.names:
            if alias.name == "*":
                found.stars.append(source)
            else:
                found.imported[alias.asname or alias.name] = (source, alias.name)

    def names(self, module: Module) -> list[str]:
        """Return the public names of a module."""
        stars = [
            name
            for star in module.stars
            if star.startswith(self.name)
            for name in self.module(star).defined
            if not name.startswith("_")
        ]
        if module.listed is not None:
            return [*module.listed, *stars]
        # elsewhere, names are listed where they are defined
        first = module.name == self.name
        own = [name for name, (source, _) in module.imported.items() if first and self.has(source)]
        return [n for n in [*module.defined, *own, *stars] if not n.startswith("_")]

    def has(self, source: str) -> bool:
        """Tell whether a module is in the package."""
        return source == self.name or source.startswith(f"{self.name}.")

    def is_module(self, source: str, name: str) -> bool:
        """Tell whether what is imported is a module."""
        path = self.folder / Path(*source.split(".")) / name
        return path.is_dir() or path.with_suffix(".py").exists()

    def find(self, module: Module, name: str) -> tuple[Module, ast.AST] | None:
        """Return the definition of a name, and its module; None if it is from another package."""
        if name in module.defined:
            node = module.defined[name]
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Name):
                return self.find(module, node.value.id) or (module, node)
            return module, node
        if name in module.imported:
            source, there = module.imported[name]
            known = self.has(source) and not self.is_module(source, there)
            return self.find(self.module(source), there) if known else None
        for star in module.stars:
            if self.has(star) and name in self.module(star).defined:
                return self.module(star), self.module(star).defined[name]
        return None

    def base(self, module: Module, node: ast.ClassDef) -> tuple[Module, ast.ClassDef] | None:
        """Return the first base of a class that is in the package."""
        for each in node.bases:
            found = self.find(module, each.id) if isinstance(each, ast.Name) else None
            if found is not None and isinstance(found[1], ast.ClassDef):
                return found[0], found[1]
        return None


def parameters(node: ast.FunctionDef, *, bound: bool = False) -> list[str]:
    """Return the names of the parameters of a function; without the first of a method."""
    of = node.args
    plain = [each.arg for each in (*of.posonlyargs, *of.args)][1 if bound else 0 :]
    stars = [f"*{of.vararg.arg}"] if of.vararg else []
    double = [f"**{of.kwarg.arg}"] if of.kwarg else []
    return [*plain, *stars, *(each.arg for each in of.kwonlyargs), *double]


def members(package: Package, module: Module, node: ast.ClassDef) -> dict[str, list[str]]:
    """Return the parameters of a class (under the empty name) and of its public methods."""
    base = package.base(module, node)
    found = {"": []} if base is None else members(package, *base)
    fields = [
        each.target.id
        for each in node.body
        if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name)
    ]
    if fields:
        found[""] = [*found[""], *fields]
    for each in node.body:
        if not isinstance(each, ast.FunctionDef):
            continue
        decorators = {d.id for d in each.decorator_list if isinstance(d, ast.Name)}
        static = "staticmethod" in decorators
        if each.name == "__init__":
            found[""] = parameters(each, bound=True)
        elif not each.name.startswith("_") and "property" not in decorators:
            settable = any(isinstance(d, ast.Attribute) for d in each.decorator_list)
            if not settable:
                found[each.name] = parameters(each, bound=not static)
    return found


def listing(package: Package, modules: dict[str, str]) -> dict[str, list[str]]:
    """Return the parameters of every public name, by the name that is called."""
    found: dict[str, list[str]] = {}
    # a definition is listed where it is first
    seen: set[int] = set()
    for prefix, path in modules.items():
        module = package.module(path)
        for name in dict.fromkeys(package.names(module)):
            public = f"{prefix}.{name}" if prefix else name
            place = package.find(module, name)
            if place is None:
                # modules are listed by themselves; others are of another package
                if not package.is_module(*module.imported[name]):
                    found[public] = []
                continue
            at, node = place
            again = id(node) in seen and package.name == "velocyto"
            seen.add(id(node))
            if again:
                continue
            if isinstance(node, ast.FunctionDef):
                found[public] = parameters(node)
            elif isinstance(node, ast.ClassDef):
                for member, names in members(package, at, node).items():
                    found[f"{public}.{member}" if member else public] = names
            elif path in SETTINGS:
                found[public] = []
    return found


def main(name: str, folder: str) -> None:
    """Print the list of a package as JSON, one name in a line."""
    root = Path(folder)
    package = Package(root, name)
    found = listing(package, MODULES[name])
    rows = [f"  {json.dumps(key)}: {json.dumps(found[key])}" for key in sorted(found)]
    # of an installed package, or of an archive of sources
    about = next(root.glob(f"{name}-*.dist-info/METADATA"), root / "PKG-INFO")
    version = re.search(r"^Version: (.*)$", about.read_text(encoding="utf-8"), re.MULTILINE)[1]
    sys.stdout.write(
        f'{{\n "package": "{name}",\n "version": "{version}",\n "names": {{\n'
        + ",\n".join(rows)
        + "\n }\n}\n"
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
