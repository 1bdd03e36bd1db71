"""All fields of an AnnData that are read or written; key strings occur only here.

A name may contain ``{key}`` (the velocity key, ``"velocity"`` by default) or ``{basis}``. Every
field reads, writes and removes itself, and refuses values without the declared form.
"""

from __future__ import annotations

from functools import partial

from ._adata._field import FIELDS, Field

__all__ = ["FIELDS", "Field", "colors_key", "sizes_key"]

_layer = partial(Field, "layers", "cells × genes", dtype="float32")
_obs = partial(Field, "obs", "cells")
_var = partial(Field, "var", "genes")
_obsm = partial(Field, "obsm", "cells × dimensions")
_category = partial(Field, "varm", "genes × categories")
_obsp = partial(Field, "obsp", "cells × cells", dtype="float32")
_mapping = partial(Field, "uns", "mapping", dtype="")
_table = partial(Field, "uns", "table", dtype="")

SPLICED = _layer("spliced", "spliced molecules; read only", dtype="counts")
UNSPLICED = _layer("unspliced", "unspliced molecules; read only", dtype="counts")
MS = _layer("Ms", "smoothed spliced counts, divided by size factors")
AMBIGUOUS = _layer(
    "ambiguous", "ambiguous molecules, also if they are counted in another layer", dtype="counts"
)
MU = _layer("Mu", "smoothed unspliced counts, divided by size factors")
VELOCITY = _layer("{key}", "u − γs − o, molecules per splicing time")
WEIGHTS_LAYER = _layer("{key}_weights", "weights in the fit, if they were given", dtype="as given")

SPLICED_TOTAL = _obs("n_counts_spliced", "spliced library size, over all genes")
UNSPLICED_TOTAL = _obs("n_counts_unspliced", "unspliced library size, over all genes")
AMBIGUOUS_TOTAL = _obs("n_counts_ambiguous", "ambiguous molecules, over all genes")
SPLICED_FACTOR = _obs("size_factor_spliced", "size factor by which spliced counts are divided")
UNSPLICED_FACTOR = _obs(
    "size_factor_unspliced", "size factor by which unspliced counts are divided"
)
COUNTS_ATTACHED = _obs("counts_attached", "whether attach_counts found counts of the cell", "bool")
CELLS_USED = _obs("cells_used", "whether the cell is used in smoothing and fits", "bool")
CELLS_REASON = _obs("cells_reason", "the reason if it is not used, otherwise empty", "category")
SELF_TRANSITION = _obs(
    "{key}_self_transition", "clip(P98(c) − c, 0, 1), c the cell's largest correlation"
)
LENGTH = _obs("{key}_length", "length of the velocity, ‖v − v̄‖, molecules per splicing time")
CONFIDENCE = _obs("{key}_confidence", "mean correlation with the velocities of neighbours")
CONFIDENCE_TRANSITION = _obs(
    "{key}_confidence_transition", "correlation with the expected change under transitions"
)
ROOT_CELLS = _obs("{key}_root_cells", "how much the cell is a start of random walks, 0 to 1")
END_POINTS = _obs("{key}_end_points", "how much the cell is an end of random walks, 0 to 1")
WALK = _obs("{key}_walk", "probability that a random walk is in the cell after its steps")
FLOW_CLUSTERS = _obs(
    "{key}_flow_cluster", "place of the cell's cluster in the cluster graph, or −1", "int32"
)
PSEUDOTIME = _obs("{key}_pseudotime", "distance from the root cells along the graph, 0 to 1")
WEIGHTS_COLUMN = _obs("{key}_weights", "weights in the fit, if they were given")

GENES_ATTACHED = _var("counts_attached", "whether attach_counts found counts of the gene", "bool")
GENES_USED = _var("genes_used", "whether the gene is used", "bool")
GENES_REASON = _var("genes_reason", "the reason if it is not used, otherwise empty", "category")
SHARED_COUNTS = _var("shared_counts", "molecules in cells with spliced and unspliced ones")
HIGHLY_VARIABLE = _var("highly_variable", "whether scanpy marked the gene; read only", "bool")
GAMMA = _var("{key}_gamma", "steady-state ratio γ; NaN without a fit")
OFFSET = _var("{key}_offset", "offset o of the steady-state line")
R2 = _var("{key}_r2", "1 − Σ(u − γs − o)² / Σ(u − ū)² over all cells")
VELOCITY_GENES = _var("{key}_genes", "whether the gene meets all criteria", "bool")
REASON = _var(
    "{key}_reason", "the first criterion that the gene does not meet, or empty", "category"
)
R2_PASSES = _var("{key}_r2_passes", "whether R² is above min_r2", "bool")
GAMMA_PASSES = _var("{key}_gamma_passes", "whether γ is above min_gamma", "bool")
SPLICED_SEEN = _var("{key}_spliced_seen", "whether some Ms are above 0", "bool")
UNSPLICED_SEEN = _var("{key}_unspliced_seen", "whether some Mu are above 0", "bool")
VARIABLE_PASSES = _var(
    "{key}_highly_variable", "whether the gene is highly variable, if required", "bool"
)
FIT_CELLS = _var("{key}_fit_cells", "number of cells with a weight above 0 in the fit", "int64")
REFITTED = _var("{key}_refitted", "whether γ was fitted again with second moments", "bool")
OFFSET2 = _var("{key}_offset2", "offset of second moments; NaN if γ was not fitted again")
AT_BOUND = _var("{key}_at_bound", "whether the line is at a bound, if the fit has bounds", "bool")
GAMMA_SE = _var("{key}_gamma_se", "standard error of γ; NaN below 10 effective molecules")
OFFSET_SE = _var("{key}_offset_se", "standard error of the offset; 0 without an offset")
LINE_COVARIANCE = _var("{key}_gamma_offset_covariance", "covariance of γ and offset")
GAMMA_LOW = _var("{key}_gamma_low", "lower end of the interval of γ")
GAMMA_HIGH = _var("{key}_gamma_high", "upper end of the interval of γ; infinite if unbounded")
GAMMA_MOLECULES = _var(
    "{key}_gamma_molecules", "effective number of unspliced molecules, (Σhu)² / Σh²u"
)
EFFECTIVE_CELLS = _var(
    "{key}_effective_cells", "effective number of cells, (Σh²)² / Σh⁴, or number of samples"
)
OFFSET_P = _var("{key}_offset_p", "p-value of the test that o is 0")
OFFSET_FDR = _var("{key}_offset_fdr", "the same, adjusted for the false discovery rate")
BOOST = _var("{key}_boost", "part of γ by which it is too large, because upper cells still rise")
BOOST_P = _var("{key}_boost_p", "p-value of the test that this is not more than 0.15")
BOOST_FDR = _var("{key}_boost_fdr", "the same, adjusted for the false discovery rate")
SPLICED_DISPERSION = _var(
    "{key}_spliced_overdispersion", "φ in the variance μ + φμ² of spliced counts"
)
UNSPLICED_DISPERSION = _var("{key}_unspliced_overdispersion", "the same for unspliced counts")
UPPER_CLUSTER = _var("{key}_upper_cluster", "cluster with most weight at the upper end", "category")
UPPER_SHARE = _var("{key}_upper_share", "share of this cluster in the weight there")
LOWER_CLUSTER = _var("{key}_lower_cluster", "cluster with most weight at the lower end", "category")
LOWER_SHARE = _var("{key}_lower_share", "share of this cluster in the weight there")
MODEL = _var("{key}_model", "the model checks that fail; `holds` if none fails", "category")

SPLICED_CHECKSUM = _var(
    "{key}_spliced_checksum", "checksum of the spliced layer at the time of smoothing"
)
UNSPLICED_CHECKSUM = _var("{key}_unspliced_checksum", "the same for the unspliced layer")
WEIGHTS_CHECKSUM = _var("{key}_weights_checksum", "checksum of the weights, if they were given")
GRAPH_GENES = _var(
    "{key}_graph_genes", "genes of the velocity graph, if it is that of a gene programme", "bool"
)

CATEGORY_GAMMA = _category("{key}_category_gamma", "γ of every category (gamma_by) of cells")
CATEGORY_OFFSET = _category("{key}_category_offset", "offset of every category")
CATEGORY_COMMON = _category(
    "{key}_category_common", "whether the category gets the common line", dtype="bool"
)
CATEGORY_R2 = _category(
    "{key}_category_r2", "R² of its fit over its cells; NaN with the common line"
)
CATEGORY_SE = _category("{key}_category_gamma_se", "standard error of γ; NaN with the common line")
CATEGORY_MOLECULES = _category(
    "{key}_category_molecules", "effective number of unspliced molecules in its fit"
)
CATEGORY_CELLS = _category(
    "{key}_category_fit_cells",
    "number of its cells with a weight above 0 in its fit",
    dtype="int64",
)

PCA = Field("obsm", "cells × components", "X_pca", "principal components", "float32")
PCS = Field("varm", "genes × components", "PCs", "loadings of principal components", "float32")
EMBEDDING = _obsm("X_{basis}", "an embedding; read only", "float")
VELOCITY_EMBEDDING = _obsm("{key}_{basis}", "arrows; NaN for cells without an arrow")
ARROWS_ON = _obs("{key}_{basis}_on", "fingerprint of the coordinates of these arrows", "int32")
RANDOMIZED = Field(
    "obsm",
    "cells × controls × dimensions",
    "{key}_randomized_{basis}",
    "arrows of sign-flipped controls",
)
FIDELITY = _obs(
    "{key}_{basis}_fidelity", "correlation of weights of edges with cosines to the drawn arrow"
)
FIDELITY_Z = _obs("{key}_{basis}_fidelity_z", "the same, multiplied by √(number of edges − 1)")

DIRECTION = _obsm("{key}_direction_{basis}", "linear arrows")
DIRECTIONS_ON = _obs(
    "{key}_direction_{basis}_on", "fingerprint of the coordinates of the linear arrows", "int32"
)
TESTED_CLUSTERS = _obs(
    "{key}_direction_{basis}_cluster", "place of the cell's cluster in the table, or −1", "int32"
)
DIRECTION_P = _obs("{key}_{basis}_p", "p-value of the test that the linear arrow is zero")
DETERMINED = _obs("{key}_{basis}_determined", "whether the direction is significant", "bool")
DETERMINED_IN_CONTROLS = Field(
    "obsm",
    "cells × controls",
    "{key}_{basis}_determined_in_controls",
    "whether it is significant in each sign-flipped control",
    "bool",
)
ANGLE = _obs("{key}_{basis}_angle", "angle of the linear arrow, radians")
ANGLE_LOW = _obs("{key}_{basis}_angle_low", "lower end of the interval of the angle")
ANGLE_HIGH = _obs("{key}_{basis}_angle_high", "upper end of the interval of the angle")
AGREEMENT = _obs("{key}_{basis}_agreement", "cosine between linear and drawn arrow")

CONNECTIVITIES = _obsp("connectivities", "weights of neighbours")
DISTANCES = _obsp("distances", "distances to neighbours", dtype="float64")
GRAPH = _obsp("{key}_graph", "positive correlations of edges")
GRAPH_NEG = _obsp("{key}_graph_neg", "negative correlations of edges")
TRANSITIONS = _obsp("{key}_transitions", "transition probabilities")

NEIGHBORS = _mapping("neighbors", "keys and parameters of the neighbour graph, as in scanpy")
SIZE_PARAMS = _mapping("size_factor_params", "options and sources of size factors")
MOMENTS_PARAMS = _mapping("moments_params", "record of what Ms and Mu were smoothed from")
PARAMS = _mapping("{key}_params", "all parameters, version, hashes of inputs")
IMPORT = _mapping("import", "counting program, source and ambiguous molecules")
ATTACHED = _mapping("attached_counts", "numbers of cells and genes that attach_counts matched")
QC_PARAMS = _mapping("qc_params", "column of groups, version and cells of the quality checks")
QC = _table("qc", "verdict, reason and remedy of every quality check")
QC_PROPORTIONS = _table("qc_proportions", "spliced, unspliced and ambiguous molecules per group")
ALL_GENES = _table("{key}_all_genes", "all genes of the input of `run`, and why some were left out")
RUN = _mapping("{key}_run", "seconds per step of `run`, its choice of genes, the command")
CLUSTER_DIRECTIONS = _table(
    "{key}_direction_{basis}", "summed arrow of every cluster, with its test"
)
GENE_CONTRIBUTIONS = _table(
    "{key}_direction_{basis}_genes", "contribution of each gene to these arrows"
)
RELIABILITY = _table("{key}_reliability", "verdict and reason of every cluster")
RELIABILITY_CHECKS = _table(
    "{key}_reliability_checks", "verdict and reason of every check of all cells"
)
SENSITIVITY = _table("{key}_sensitivity", "cosines between arrows under other settings")
RANKED_GENES = _table(
    "{key}_ranked_genes", "velocity genes of each group, ranked by their velocity"
)
RATIO_DIFFERENCES = _table("{key}_ratio_differences", "tests of ratios between conditions")
CLUSTER_GRAPH = _table("{key}_cluster_graph", "flows between clusters, with their tests")
PATHS = Field("uns", "paths × steps", "{key}_paths", "names of the cells of random paths", "str")
# scanpy's names
PAGA = _mapping("paga", "graph of clusters, in the format of scanpy")
GRAPH_IN_UNS = Field(
    "uns", "cells × cells", "{key}_graph", "the positive correlations again, on request", "float32"
)

TRUE_GAMMA = _var("true_gamma", "ratio γ/β of simulated data")
TRUE_VELOCITY = _layer("true_velocity", "true u − (γ/β) s of simulated data")
TRUE_SPLICED = _layer("true_spliced", "true s of simulated data at library size 1")
TRUE_UNSPLICED = _layer("true_unspliced", "true u of simulated data at library size 1")
TRUE_EDGES = Field(
    "uns", "edges × 2", "true_edges", "pairs of consecutive clusters of simulated data", "str"
)


def _span(first: Field, last: Field) -> tuple[Field, ...]:
    return tuple(FIELDS[FIELDS.index(first) : FIELDS.index(last) + 1])


# fields that are removed together when their inputs are computed again
ERROR_FIELDS = _span(GAMMA_SE, OFFSET_FDR)
CHECK_FIELDS = _span(BOOST, MODEL)
CATEGORY_FIELDS = _span(CATEGORY_GAMMA, CATEGORY_CELLS)
GRAPH_FIELDS = (
    *_span(SELF_TRANSITION, PSEUDOTIME),
    *_span(GRAPH, TRANSITIONS),
    *(GRAPH_GENES, CLUSTER_GRAPH, PATHS, GRAPH_IN_UNS),
)
DIRECTION_FIELDS = (*_span(DIRECTION, AGREEMENT), CLUSTER_DIRECTIONS, GENE_CONTRIBUTIONS)
ARROW_FIELDS = (VELOCITY_EMBEDDING, ARROWS_ON, RANDOMIZED, FIDELITY, FIDELITY_Z, AGREEMENT)
RELIABILITY_FIELDS = _span(RELIABILITY, SENSITIVITY)

# usual names of columns of `obs` with clusters
CLUSTER_COLUMNS = ("clusters", "leiden", "louvain", "cell_type", "celltype", "cell_types")

# usual names of embeddings, in order of preference
EMBEDDINGS = ("umap", "tsne", "draw_graph_fa", "draw_graph_fr", "phate", "pacmap", "mde")

# names of columns of `var` with names of genes, as readers and other tools write them
GENE_NAME_COLUMNS = ("gene_name", "gene_names", "gene_symbols", "feature_name")


def colors_key(column: str) -> str:
    """Return the key in `uns` of scanpy's colours for a column of `obs`."""
    return f"{column}_colors"


def sizes_key(column: str) -> str:
    """Return the key in `uns` of the numbers of cells of each category, where scanpy keeps them."""
    return f"{column}_sizes"
