"""Every AnnData field that is read or written: the only place with key strings.

A name may hold ``{key}`` (the velocity key, ``"velocity"`` unless the user names another) or
``{basis}``; every field reads, writes and drops itself, and refuses what is not as declared.
"""

from __future__ import annotations

from ._adata._field import FIELDS, Field

__all__ = ["FIELDS", "Field", "colors_key"]

_CELLS, _GENES, _BOTH = "cells", "genes", "cells × genes"

SPLICED = Field("layers", "spliced", _BOTH, "counts", "spliced molecules; read only")
UNSPLICED = Field("layers", "unspliced", _BOTH, "counts", "unspliced molecules; read only")
MS = Field("layers", "Ms", _BOTH, "float32", "smoothed, size-normalised spliced counts")
AMBIGUOUS = Field("layers", "ambiguous", _BOTH, "counts", "ambiguous molecules, where kept")
MU = Field("layers", "Mu", _BOTH, "float32", "smoothed, size-normalised unspliced counts")
VELOCITY = Field("layers", "{key}", _BOTH, "float32", "u − γs − o, molecules per splicing time")
WEIGHTS_LAYER = Field(
    "layers", "{key}_weights", _BOTH, "as given", "weights in the fit, where the user gave them"
)

SPLICED_TOTAL = Field(
    "obs", "n_counts_spliced", _CELLS, "float64", "spliced molecules of the cell over all genes"
)
UNSPLICED_TOTAL = Field(
    "obs", "n_counts_unspliced", _CELLS, "float64", "unspliced molecules of the cell over all genes"
)
SPLICED_FACTOR = Field(
    "obs", "size_factor_spliced", _CELLS, "float64", "divisor of the cell's spliced counts"
)
UNSPLICED_FACTOR = Field(
    "obs", "size_factor_unspliced", _CELLS, "float64", "divisor of the cell's unspliced counts"
)
COUNTS_ATTACHED = Field(
    "obs", "counts_attached", _CELLS, "bool", "the cell was found by attach_counts"
)
CELLS_USED = Field("obs", "cells_used", _CELLS, "bool", "the cell enters smoothing and fits")
CELLS_REASON = Field("obs", "cells_reason", _CELLS, "category", "why not; empty where it does")
SELF_TRANSITION = Field(
    "obs", "{key}_self_transition", _CELLS, "float64", "clip(P98(c) − c, 0, 1), c largest cosine"
)
LENGTH = Field("obs", "{key}_length", _CELLS, "float64", "‖v − v̄‖, molecules per splicing time")
CONFIDENCE = Field(
    "obs", "{key}_confidence", _CELLS, "float64", "mean correlation with neighbours' velocities"
)
CONFIDENCE_TRANSITION = Field(
    "obs",
    "{key}_confidence_transition",
    _CELLS,
    "float64",
    "correlation with the expected change under the transitions",
)
ROOT_CELLS = Field(
    "obs", "{key}_root_cells", _CELLS, "float64", "how long walks against the arrows stay, 0 to 1"
)
END_POINTS = Field(
    "obs", "{key}_end_points", _CELLS, "float64", "how long walks along the arrows stay, 0 to 1"
)
PSEUDOTIME = Field(
    "obs", "{key}_pseudotime", _CELLS, "float64", "distance from the root along the graph, 0 to 1"
)
WEIGHTS_COLUMN = Field(
    "obs", "{key}_weights", _CELLS, "float64", "weights in the fit, where the user gave them"
)

GENES_USED = Field("var", "genes_used", _GENES, "bool", "the gene passed filter_genes")
GENES_REASON = Field("var", "genes_reason", _GENES, "category", "why not; empty where it did")
SHARED_COUNTS = Field(
    "var", "shared_counts", _GENES, "float64", "molecules in cells that hold both kinds"
)
HIGHLY_VARIABLE = Field("var", "highly_variable", _GENES, "bool", "marked by scanpy; read only")
GAMMA = Field("var", "{key}_gamma", _GENES, "float64", "steady-state ratio γ; NaN without a fit")
OFFSET = Field("var", "{key}_offset", _GENES, "float64", "offset o of the steady-state line")
R2 = Field("var", "{key}_r2", _GENES, "float64", "1 − Σ(u − γs − o)² / Σ(u − ū)² over all cells")
VELOCITY_GENES = Field("var", "{key}_genes", _GENES, "bool", "all criteria are met")
REASON = Field("var", "{key}_reason", _GENES, "category", "first criterion that failed, or empty")
R2_PASSES = Field("var", "{key}_r2_passes", _GENES, "bool", "R² is above min_r2")
GAMMA_PASSES = Field("var", "{key}_gamma_passes", _GENES, "bool", "γ is above min_gamma")
SPLICED_SEEN = Field("var", "{key}_spliced_seen", _GENES, "bool", "some Ms is above 0")
UNSPLICED_SEEN = Field("var", "{key}_unspliced_seen", _GENES, "bool", "some Mu is above 0")
VARIABLE_PASSES = Field(
    "var", "{key}_highly_variable", _GENES, "bool", "highly variable, where that was asked for"
)
FIT_CELLS = Field("var", "{key}_fit_cells", _GENES, "int64", "cells with weight in the fit")
GAMMA_SE = Field(
    "var", "{key}_gamma_se", _GENES, "float64", "standard error of γ; NaN under 10 molecules"
)
OFFSET_SE = Field(
    "var", "{key}_offset_se", _GENES, "float64", "standard error of the offset; 0 without one"
)
LINE_COVARIANCE = Field(
    "var", "{key}_gamma_offset_covariance", _GENES, "float64", "covariance of γ and offset"
)
GAMMA_LOW = Field("var", "{key}_gamma_low", _GENES, "float64", "lower end of the interval of γ")
GAMMA_HIGH = Field(
    "var", "{key}_gamma_high", _GENES, "float64", "upper end; infinite where nothing bounds γ"
)
GAMMA_MOLECULES = Field(
    "var",
    "{key}_gamma_molecules",
    _GENES,
    "float64",
    "effective number of unspliced molecules behind γ, (Σhu)² / Σh²u",
)
EFFECTIVE_CELLS = Field(
    "var",
    "{key}_effective_cells",
    _GENES,
    "float64",
    "effective number of cells behind γ, (Σh²)² / Σh⁴, or of batches",
)
OFFSET_P = Field("var", "{key}_offset_p", _GENES, "float64", "p-value of the test that o is 0")
OFFSET_FDR = Field(
    "var", "{key}_offset_fdr", _GENES, "float64", "the same, adjusted for false discoveries"
)
ERROR_FIELDS = (
    GAMMA_SE,
    OFFSET_SE,
    LINE_COVARIANCE,
    GAMMA_LOW,
    GAMMA_HIGH,
    GAMMA_MOLECULES,
    EFFECTIVE_CELLS,
    OFFSET_P,
    OFFSET_FDR,
)
CURVATURE = Field(
    "var", "{key}_curvature", _GENES, "float64", "γ of the upper less γ of the lower half / γ"
)
CURVATURE_P = Field("var", "{key}_curvature_p", _GENES, "float64", "p-value of their equality")
CURVATURE_FDR = Field("var", "{key}_curvature_fdr", _GENES, "float64", "the same, adjusted")
PATH_CHANGE = Field(
    "var", "{key}_path_change", _GENES, "float64", "range of γ over 2 to 20 % of the cells / γ"
)
SPLICED_DISPERSION = Field(
    "var", "{key}_spliced_overdispersion", _GENES, "float64", "φ of variance μ + φμ²"
)
UNSPLICED_DISPERSION = Field(
    "var", "{key}_unspliced_overdispersion", _GENES, "float64", "the same of unspliced counts"
)
UPPER_CLUSTER = Field(
    "var", "{key}_upper_cluster", _GENES, "category", "cluster with most weight at the upper end"
)
UPPER_SHARE = Field("var", "{key}_upper_share", _GENES, "float64", "its share of that weight")
LOWER_CLUSTER = Field("var", "{key}_lower_cluster", _GENES, "category", "at the lower end")
LOWER_SHARE = Field("var", "{key}_lower_share", _GENES, "float64", "its share of that weight")
MODEL = Field("var", "{key}_model", _GENES, "category", "the model holds, or which checks fail")
GAMMA_PATH = Field(
    "varm", "{key}_gamma_path", "genes × 7", "float64", "γ over shares of the cells at an end"
)
CHECK_FIELDS = (
    CURVATURE,
    CURVATURE_P,
    CURVATURE_FDR,
    PATH_CHANGE,
    SPLICED_DISPERSION,
    UNSPLICED_DISPERSION,
    UPPER_CLUSTER,
    UPPER_SHARE,
    LOWER_CLUSTER,
    LOWER_SHARE,
    MODEL,
    GAMMA_PATH,
)

SPLICED_CHECKSUM = Field(
    "var",
    "{key}_spliced_checksum",
    _GENES,
    "float64",
    "weighted sum of the layer when it was smoothed",
)
UNSPLICED_CHECKSUM = Field(
    "var", "{key}_unspliced_checksum", _GENES, "float64", "the same of the other layer"
)

PCA = Field("obsm", "X_pca", "cells × components", "float32", "principal components")
EMBEDDING = Field("obsm", "X_{basis}", "cells × dimensions", "float", "an embedding; read only")
VELOCITY_EMBEDDING = Field(
    "obsm", "{key}_{basis}", "cells × dimensions", "float64", "arrows; NaN for cells without one"
)
RANDOMIZED = Field(
    "obsm", "{key}_randomized_{basis}", "cells × dimensions", "float64", "arrows of a control"
)

DIRECTION = Field(
    "obsm", "{key}_direction_{basis}", "cells × dimensions", "float64", "linear arrows"
)
DIRECTION_P = Field(
    "obs", "{key}_{basis}_p", _CELLS, "float64", "p-value of the test that there is no direction"
)
DETERMINED = Field("obs", "{key}_{basis}_determined", _CELLS, "bool", "the direction is determined")
ANGLE = Field("obs", "{key}_{basis}_angle", _CELLS, "float64", "direction, radians")
ANGLE_LOW = Field("obs", "{key}_{basis}_angle_low", _CELLS, "float64", "lower end of its interval")
ANGLE_HIGH = Field("obs", "{key}_{basis}_angle_high", _CELLS, "float64", "upper end")
AGREEMENT = Field(
    "obs", "{key}_{basis}_agreement", _CELLS, "float64", "cosine of linear and drawn arrow"
)

CONNECTIVITIES = Field("obsp", "connectivities", "cells × cells", "float32", "neighbour weights")
DISTANCES = Field("obsp", "distances", "cells × cells", "float64", "distances to neighbours")
GRAPH = Field("obsp", "{key}_graph", "cells × cells", "float32", "positive cosines of the edges")
GRAPH_NEG = Field("obsp", "{key}_graph_neg", "cells × cells", "float32", "negative cosines")
TRANSITIONS = Field(
    "obsp", "{key}_transitions", "cells × cells", "float32", "transition probabilities"
)

GRAPH_FIELDS = (
    SELF_TRANSITION,
    LENGTH,
    CONFIDENCE,
    CONFIDENCE_TRANSITION,
    ROOT_CELLS,
    END_POINTS,
    PSEUDOTIME,
    GRAPH,
    GRAPH_NEG,
    TRANSITIONS,
)

NEIGHBORS = Field("uns", "neighbors", "mapping", "", "scanpy's: keys and parameters of the graph")
SIZE_PARAMS = Field("uns", "size_factor_params", "mapping", "", "how size factors were made")
MOMENTS_PARAMS = Field("uns", "moments_params", "mapping", "", "what Ms and Mu were smoothed from")
PARAMS = Field("uns", "{key}_params", "mapping", "", "every parameter, version, hashes of inputs")
IMPORT = Field("uns", "import", "mapping", "", "tool, source and ambiguous molecules of a reader")
ATTACHED = Field("uns", "attached_counts", "mapping", "", "what attach_counts matched")
QC = Field("uns", "qc", "table", "", "verdict, reason and remedy of every quality check")
QC_PROPORTIONS = Field("uns", "qc_proportions", "table", "", "molecules per group and kind")
ALL_GENES = Field(
    "uns", "{key}_all_genes", "table", "", "every gene of the input of `run` and why it was left"
)
RUN = Field(
    "uns", "{key}_run", "mapping", "", "seconds per step of `run`, its choice of genes, the command"
)
CLUSTER_DIRECTIONS = Field(
    "uns", "{key}_direction_{basis}", "table", "", "summed arrow of every cluster and its test"
)
GENE_CONTRIBUTIONS = Field(
    "uns", "{key}_direction_{basis}_genes", "table", "", "what each gene says along these arrows"
)
RELIABILITY = Field("uns", "{key}_reliability", "table", "", "verdict and reason of every cluster")
RELIABILITY_CHECKS = Field(
    "uns", "{key}_reliability_checks", "table", "", "verdict and reason of every check of the data"
)
SENSITIVITY = Field(
    "uns", "{key}_sensitivity", "table", "", "cosines of arrows under other choices"
)
RELIABILITY_FIELDS = (RELIABILITY, RELIABILITY_CHECKS, SENSITIVITY)
DIRECTION_FIELDS = (
    DIRECTION,
    DIRECTION_P,
    DETERMINED,
    ANGLE,
    ANGLE_LOW,
    ANGLE_HIGH,
    AGREEMENT,
    CLUSTER_DIRECTIONS,
    GENE_CONTRIBUTIONS,
)

TRUE_GAMMA = Field("var", "true_gamma", _GENES, "float64", "ratio γ/β of simulated data")
TRUE_VELOCITY = Field("layers", "true_velocity", _BOTH, "float32", "noiseless u − (γ/β) s")
TRUE_SPLICED = Field("layers", "true_spliced", _BOTH, "float32", "noiseless s, library size 1")
TRUE_UNSPLICED = Field("layers", "true_unspliced", _BOTH, "float32", "noiseless u, library size 1")
TRUE_EDGES = Field("uns", "true_edges", "edges × 2", "str", "clusters that follow each other")

# columns of `obs` in which clusters usually are
CLUSTER_COLUMNS = ("clusters", "leiden", "louvain", "cell_type", "celltype", "cell_types")

# columns of `var` in which readers and other tools keep names of genes
GENE_NAME_COLUMNS = ("gene_name", "gene_names", "gene_symbols", "feature_name")


def colors_key(column: str) -> str:
    """Return the key in `uns` of scanpy's colours for a column of `obs`."""
    return f"{column}_colors"
