"""A name that is not there is explained: what it is, why it was left out, or what may be meant."""

from __future__ import annotations

import pytest

import steadyvelo as sv


@pytest.fixture(scope="module")
def result():
    adata = sv.datasets.simulate(n_cells=300, n_genes=60, rng=0)
    adata.var["gene_id"] = [f"ENSG{i:05}" for i in range(adata.n_vars)]
    return sv.run(adata, basis="pca", uncertainty=None, min_shared_counts=200)


def left_out(result):
    table = result.uns["velocity_all_genes"]
    return str(table.index[~table["genes_used"]][0])


NAMES = {
    "left out": (left_out, r"was left out by the run \(fewer than 200 shared counts\); keep it by"),
    "capitals": (lambda r: r.var_names[0].upper(), r"perhaps 'gene \d+' is meant"),
    "typing error": (lambda r: r.var_names[0].replace("gene", "gnee"), "perhaps 'gene "),
    "cell": (lambda r: r.obs_names[0], "is the name of a cell"),
    "column": (lambda _: "branch", "is a column of obs"),
    "id": (lambda r: r.var["gene_id"].iloc[0], r"is in var\['gene_id'\]; the name of this gene is"),
    "unknown": (lambda _: "xyz", "no genes of adata: 'xyz'"),
}
READERS = {
    "get": lambda adata, name: sv.get.velocity(adata, genes=[name]),
    "portrait": lambda adata, name: sv.pl.phase_portrait(adata, [adata.var_names[0], name]),
    "heatmap": lambda adata, name: sv.pl.heatmap(adata, [name], sortby="true_time"),
    "velocity": lambda adata, name: sv.pl.gene_velocity(adata, name, basis="pca"),
    "retain": lambda adata, name: sv.pp.filter_genes(adata, retain=name),
}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("reader", READERS)
def test_a_gene_that_is_not_there(result, reader, name):
    make, message = NAMES[name]
    with pytest.raises(KeyError, match=message):
        READERS[reader](result.copy(), make(result))


def test_a_gene_that_was_left_out_is_kept_by_the_remedy(result):
    name = left_out(result)
    adata = sv.datasets.simulate(n_cells=300, n_genes=60, rng=0)
    again = sv.run(adata, basis="pca", uncertainty=None, min_shared_counts=200, retain=[name])
    sv.pl.phase_portrait(again, name)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (None, "is the name of a gene"),
        ("branch", "is a column of obs"),
        ("trunk", r"is a value of obs\['branch'\], not a cell"),
        ("Cell 1", "perhaps 'cell 1' is meant"),
    ],
)
def test_a_cell_that_is_not_there(result, name, message):
    adata = result.copy()
    name = name or adata.var_names[0]
    adata.obs["branch"] = adata.obs["branch"].astype("category")
    for read in (
        lambda: sv.get.velocity(adata, cells=name),
        lambda: sv.pl.velocity_graph(adata, cells=[name], basis="pca"),
    ):
        with pytest.raises(KeyError, match=message):
            read()
    # functions that take clusters say how
    if name == "trunk":
        message = r"names of clusters, 'trunk', and not of cells; add groupby='branch'"
    for read in (
        lambda: sv.tl.velocity_pseudotime(adata, root=name),
        lambda: sv.tl.walk(adata, name),
        lambda: sv.tl.paths(adata, [name]),
    ):
        with pytest.raises(KeyError, match=message):
            read()


def test_an_empty_list(result):
    for read in (
        lambda: sv.pl.phase_portrait(result, []),
        lambda: sv.get.velocity(result, genes=[]),
    ):
        with pytest.raises(KeyError, match="genes is empty; name at least one gene"):
            read()
    with pytest.raises(KeyError, match="cells is empty; name at least one cell"):
        sv.pl.velocity_graph(result, cells=[], basis="pca")
