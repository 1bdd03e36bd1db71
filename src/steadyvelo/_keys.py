"""Every AnnData field that is read or written: the only place with key strings.

A name may hold ``{key}`` (the velocity key, ``"velocity"`` unless the user names another) or
``{basis}``; every field reads, writes and drops itself, and refuses what is not as declared.
"""

from __future__ import annotations

from functools import partial

from ._adata._field import FIELDS, Field

__all__ = ["FIELDS", "Field", "colors_key"]

_layer = partial(Field, "layers", "cells × genes", dtype="float32")
_obs = partial(Field, "obs", "cells")
_var = partial(Field, "var", "genes")
_obsm = partial(Field, "obsm", "cells × dimensions")
_obsp = partial(Field, "obsp", "cells × cells", dtype="float32")
_mapping = partial(Field, "uns", "mapping", dtype="")
_table = partial(Field, "uns", "table", dtype="")

SPLICED = _layer("spliced", "spliced molecules; read only", dtype="counts")
UNSPLICED = _layer("unspliced", "unspliced molecules; read only", dtype="counts")
MS = _layer("Ms", "smoothed, size-normalised spliced counts")
AMBIGUOUS = _layer("ambiguous", "ambiguous molecules, where kept", dtype="counts")
MU = _layer("Mu", "smoothed, size-normalised unspliced counts")
VELOCITY = _layer("{key}", "u − γs − o, molecules per splicing time")
WEIGHTS_LAYER = _layer(
    "{key}_weights", "weights in the fit, where the user gave them", dtype="as given"
)

SPLICED_TOTAL = _obs("n_counts_spliced", "spliced molecules of the cell over all genes")
UNSPLICED_TOTAL = _obs("n_counts_unspliced", "unspliced molecules of the cell over all genes")
SPLICED_FACTOR = _obs("size_factor_spliced", "divisor of the cell's spliced counts")
UNSPLICED_FACTOR = _obs("size_factor_unspliced", "divisor of the cell's unspliced counts")
COUNTS_ATTACHED = _obs("counts_attached", "the cell was found by attach_counts", "bool")
CELLS_USED = _obs("cells_used", "the cell enters smoothing and fits", "bool")
CELLS_REASON = _obs("cells_reason", "why not; empty where it does", "category")
SELF_TRANSITION = _obs("{key}_self_transition", "clip(P98(c) − c, 0, 1), c largest cosine")
LENGTH = _obs("{key}_length", "‖v − v̄‖, molecules per splicing time")
CONFIDENCE = _obs("{key}_confidence", "mean correlation with neighbours' velocities")
CONFIDENCE_TRANSITION = _obs(
    "{key}_confidence_transition", "correlation with the expected change under the transitions"
)
ROOT_CELLS = _obs("{key}_root_cells", "how long walks against the arrows stay, 0 to 1")
END_POINTS = _obs("{key}_end_points", "how long walks along the arrows stay, 0 to 1")
PSEUDOTIME = _obs("{key}_pseudotime", "distance from the root along the graph, 0 to 1")
WEIGHTS_COLUMN = _obs("{key}_weights", "weights in the fit, where the user gave them")

GENES_USED = _var("genes_used", "the gene passed filter_genes", "bool")
GENES_REASON = _var("genes_reason", "why not; empty where it did", "category")
SHARED_COUNTS = _var("shared_counts", "molecules in cells that hold both kinds")
HIGHLY_VARIABLE = _var("highly_variable", "marked by scanpy; read only", "bool")
GAMMA = _var("{key}_gamma", "steady-state ratio γ; NaN without a fit")
OFFSET = _var("{key}_offset", "offset o of the steady-state line")
R2 = _var("{key}_r2", "1 − Σ(u − γs − o)² / Σ(u − ū)² over all cells")
VELOCITY_GENES = _var("{key}_genes", "all criteria are met", "bool")
REASON = _var("{key}_reason", "first criterion that failed, or empty", "category")
R2_PASSES = _var("{key}_r2_passes", "R² is above min_r2", "bool")
GAMMA_PASSES = _var("{key}_gamma_passes", "γ is above min_gamma", "bool")
SPLICED_SEEN = _var("{key}_spliced_seen", "some Ms is above 0", "bool")
UNSPLICED_SEEN = _var("{key}_unspliced_seen", "some Mu is above 0", "bool")
VARIABLE_PASSES = _var("{key}_highly_variable", "highly variable, where that was asked for", "bool")
FIT_CELLS = _var("{key}_fit_cells", "cells with weight in the fit", "int64")
GAMMA_SE = _var("{key}_gamma_se", "standard error of γ; NaN under 10 molecules")
OFFSET_SE = _var("{key}_offset_se", "standard error of the offset; 0 without one")
LINE_COVARIANCE = _var("{key}_gamma_offset_covariance", "covariance of γ and offset")
GAMMA_LOW = _var("{key}_gamma_low", "lower end of the interval of γ")
GAMMA_HIGH = _var("{key}_gamma_high", "upper end; infinite where nothing bounds γ")
GAMMA_MOLECULES = _var(
    "{key}_gamma_molecules", "effective number of unspliced molecules behind γ, (Σhu)² / Σh²u"
)
EFFECTIVE_CELLS = _var(
    "{key}_effective_cells", "effective number of cells behind γ, (Σh²)² / Σh⁴, or of batches"
)
OFFSET_P = _var("{key}_offset_p", "p-value of the test that o is 0")
OFFSET_FDR = _var("{key}_offset_fdr", "the same, adjusted for false discoveries")
CURVATURE = _var("{key}_curvature", "γ of the upper less γ of the lower half / γ")
CURVATURE_P = _var("{key}_curvature_p", "p-value of their equality")
CURVATURE_FDR = _var("{key}_curvature_fdr", "the same, adjusted")
PATH_CHANGE = _var("{key}_path_change", "range of γ over 2 to 20 % of the cells / γ")
SPLICED_DISPERSION = _var("{key}_spliced_overdispersion", "φ of variance μ + φμ²")
UNSPLICED_DISPERSION = _var("{key}_unspliced_overdispersion", "the same of unspliced counts")
UPPER_CLUSTER = _var("{key}_upper_cluster", "cluster with most weight at the upper end", "category")
UPPER_SHARE = _var("{key}_upper_share", "its share of that weight")
LOWER_CLUSTER = _var("{key}_lower_cluster", "at the lower end", "category")
LOWER_SHARE = _var("{key}_lower_share", "its share of that weight")
MODEL = _var("{key}_model", "the model holds, or which checks fail", "category")
GAMMA_PATH = Field("varm", "genes × 7", "{key}_gamma_path", "γ over shares of the cells at an end")

SPLICED_CHECKSUM = _var("{key}_spliced_checksum", "weighted sum of the layer when it was smoothed")
UNSPLICED_CHECKSUM = _var("{key}_unspliced_checksum", "the same of the other layer")

PCA = Field("obsm", "cells × components", "X_pca", "principal components", "float32")
EMBEDDING = _obsm("X_{basis}", "an embedding; read only", "float")
VELOCITY_EMBEDDING = _obsm("{key}_{basis}", "arrows; NaN for cells without one")
RANDOMIZED = _obsm("{key}_randomized_{basis}", "arrows of a control")

DIRECTION = _obsm("{key}_direction_{basis}", "linear arrows")
DIRECTION_P = _obs("{key}_{basis}_p", "p-value of the test that there is no direction")
DETERMINED = _obs("{key}_{basis}_determined", "the direction is determined", "bool")
ANGLE = _obs("{key}_{basis}_angle", "direction, radians")
ANGLE_LOW = _obs("{key}_{basis}_angle_low", "lower end of its interval")
ANGLE_HIGH = _obs("{key}_{basis}_angle_high", "upper end")
AGREEMENT = _obs("{key}_{basis}_agreement", "cosine of linear and drawn arrow")

CONNECTIVITIES = _obsp("connectivities", "neighbour weights")
DISTANCES = _obsp("distances", "distances to neighbours", dtype="float64")
GRAPH = _obsp("{key}_graph", "positive cosines of the edges")
GRAPH_NEG = _obsp("{key}_graph_neg", "negative cosines")
TRANSITIONS = _obsp("{key}_transitions", "transition probabilities")

NEIGHBORS = _mapping("neighbors", "scanpy's: keys and parameters of the graph")
SIZE_PARAMS = _mapping("size_factor_params", "how size factors were made")
MOMENTS_PARAMS = _mapping("moments_params", "what Ms and Mu were smoothed from")
PARAMS = _mapping("{key}_params", "every parameter, version, hashes of inputs")
IMPORT = _mapping("import", "tool, source and ambiguous molecules of a reader")
ATTACHED = _mapping("attached_counts", "what attach_counts matched")
QC_PARAMS = _mapping("qc_params", "how the quality checks were made")
QC = _table("qc", "verdict, reason and remedy of every quality check")
QC_PROPORTIONS = _table("qc_proportions", "molecules per group and kind")
ALL_GENES = _table("{key}_all_genes", "every gene of the input of `run` and why it was left")
RUN = _mapping("{key}_run", "seconds per step of `run`, its choice of genes, the command")
CLUSTER_DIRECTIONS = _table("{key}_direction_{basis}", "summed arrow of every cluster and its test")
GENE_CONTRIBUTIONS = _table(
    "{key}_direction_{basis}_genes", "what each gene says along these arrows"
)
RELIABILITY = _table("{key}_reliability", "verdict and reason of every cluster")
RELIABILITY_CHECKS = _table(
    "{key}_reliability_checks", "verdict and reason of every check of the data"
)
SENSITIVITY = _table("{key}_sensitivity", "cosines of arrows under other choices")
RANKED_GENES = _table(
    "{key}_ranked_genes", "velocity genes of each group, ranked by their velocity"
)
RATIO_DIFFERENCES = _table("{key}_ratio_differences", "tests of ratios between conditions")

TRUE_GAMMA = _var("true_gamma", "ratio γ/β of simulated data")
TRUE_VELOCITY = _layer("true_velocity", "noiseless u − (γ/β) s")
TRUE_SPLICED = _layer("true_spliced", "noiseless s, library size 1")
TRUE_UNSPLICED = _layer("true_unspliced", "noiseless u, library size 1")
TRUE_EDGES = Field("uns", "edges × 2", "true_edges", "clusters that follow each other", "str")


def _span(first: Field, last: Field) -> tuple[Field, ...]:
    return tuple(FIELDS[FIELDS.index(first) : FIELDS.index(last) + 1])


# what is removed together when what it follows from is made anew
ERROR_FIELDS = _span(GAMMA_SE, OFFSET_FDR)
CHECK_FIELDS = _span(CURVATURE, GAMMA_PATH)
GRAPH_FIELDS = (*_span(SELF_TRANSITION, PSEUDOTIME), *_span(GRAPH, TRANSITIONS))
DIRECTION_FIELDS = (*_span(DIRECTION, AGREEMENT), CLUSTER_DIRECTIONS, GENE_CONTRIBUTIONS)
RELIABILITY_FIELDS = _span(RELIABILITY, SENSITIVITY)

# columns of `obs` in which clusters usually are
CLUSTER_COLUMNS = ("clusters", "leiden", "louvain", "cell_type", "celltype", "cell_types")

# names of embeddings that pictures are usually drawn on, the first choice first
EMBEDDINGS = ("umap", "tsne", "draw_graph_fa", "draw_graph_fr", "phate", "pacmap", "mde")

# columns of `var` in which readers and other tools keep names of genes
GENE_NAME_COLUMNS = ("gene_name", "gene_names", "gene_symbols", "feature_name")


def colors_key(column: str) -> str:
    """Return the key in `uns` of scanpy's colours for a column of `obs`."""
    return f"{column}_colors"
