"""Data shared by the tests."""

from __future__ import annotations

import sys
from pathlib import Path

import anndata as ad
import matplotlib as mpl
import numpy as np
import pytest
import scipy.sparse as sp

import steadyvelo as sv
from steadyvelo._log import heard_by

mpl.use("agg")

# run by other packages' interpreters, or read by a type checker alone
collect_ignore_glob = ["data/*/make_*.py", "interop/*_reads.py", "typing/*"]

SHARED = Path(__file__).parents[2] / "shared"

# what other Pythons and older dependencies may break; `make test-compat` runs these
COMPAT = {"interop", "io", "pl", "pp", "run"}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Mark the tests of some folders before tests are chosen by their marks."""
    for item in items:
        if item.path.parent.name in COMPAT:
            item.add_marker(pytest.mark.compat)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real data and other packages' numbers that lies beside the project."""
    if not SHARED.is_dir():
        pytest.skip("real data and reference numbers (../shared) are not beside the project")
    return SHARED


@pytest.fixture(scope="session")
def counters() -> Path:
    """What upstream counters write for reads with known molecules; see data/README.md."""
    return Path(__file__).parent / "data" / "counters"


@pytest.fixture(scope="session")
def _reference_input(shared):
    return ad.read_h5ad(shared / "reference" / "pancreas" / "input.h5ad")


@pytest.fixture
def reference_input(_reference_input):
    """scVelo's input on the pancreas: size-normalised layers and its neighbour graph."""
    return _reference_input.copy()


@pytest.fixture(scope="session")
def reference(shared):
    """Load one of the reference tables by name."""

    def load(name: str) -> dict[str, np.ndarray]:
        with np.load(shared / "reference" / "pancreas" / f"{name}.npz") as table:
            return dict(table)

    return load


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    # only if a test has drawn
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


@pytest.fixture
def said():
    """What is said while a test runs, line by line."""
    lines = []
    with heard_by(lines.append, lines.append):
        yield lines


@pytest.fixture(scope="session")
def _counts():
    return sv.datasets.simulate(n_cells=240, n_genes=60, depth=2.5, rng=3)


@pytest.fixture
def counts(_counts):
    """Simulated raw counts, 240 cells × 60 genes."""
    return _counts.copy()


@pytest.fixture(scope="session")
def _prepared(_counts):
    adata = _counts.copy()
    sv.pp.size_factors(adata)
    sv.pp.filter_genes(adata)
    sv.pp.neighbors(adata, n_neighbors=15, n_pcs=10)
    return adata


@pytest.fixture
def prepared(_prepared):
    """The same with size factors, marked genes and neighbours."""
    return _prepared.copy()


@pytest.fixture(scope="session")
def _fitted(_prepared):
    adata = _prepared.copy()
    sv.tl.velocity(adata)
    sv.tl.velocity_graph(adata)
    sv.tl.velocity_embedding(adata, basis="pca")
    return adata


@pytest.fixture
def fitted(_fitted):
    """The same with velocities, graph and arrows on principal components."""
    return _fitted.copy()


def _unsorted(matrix):
    """The same matrix with the entries of every row backwards."""
    rows = sp.csr_matrix(matrix, copy=True)
    for start, stop in zip(rows.indptr[:-1], rows.indptr[1:], strict=True):
        rows.indices[start:stop] = rows.indices[start:stop][::-1].copy()
        rows.data[start:stop] = rows.data[start:stop][::-1].copy()
    rows.has_sorted_indices = False
    return rows


ARRAY_TYPES = {
    "dense": lambda x: sp.csr_matrix(x).toarray(),
    "fortran": lambda x: np.asfortranarray(sp.csr_matrix(x).toarray()),
    "csr": sp.csr_matrix,
    "csc": sp.csc_matrix,
    "csr_array": sp.csr_array,
    "unsorted": _unsorted,
}


@pytest.fixture(params=ARRAY_TYPES)
def array_type(request):
    """What makes one of the kinds of arrays that may hold counts of any other kind."""
    return ARRAY_TYPES[request.param]
