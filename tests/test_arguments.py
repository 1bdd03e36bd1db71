"""Arguments are checked by their names, in one place, before a function begins."""

from __future__ import annotations

import inspect
import traceback

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

import steadyvelo as sv
from steadyvelo._arguments import ARGUMENTS, picture, public
from steadyvelo._arguments._shown import shown

NAN = float("nan")
# of one kind: what is taken, and what it becomes
TAKEN = [
    ("groupby", np.str_("clusters"), "clusters"),
    ("dense", np.True_, True),
    ("n_pcs", np.int64(3), 3),
    ("level", np.float32(0.5), 0.5),
    ("size", np.int16(3), 3),
    ("genes", "Ins2", "Ins2"),
    ("genes", ("Ins2", "Gcg"), ["Ins2", "Gcg"]),
    ("genes", pd.Index(["Ins2"]), ["Ins2"]),
    ("genes", np.array(["Ins2"]), ["Ins2"]),
    ("cells", pd.Series(["a"]), ["a"]),
    ("retain", (name for name in "ab"), ["a", "b"]),
    ("groups", [np.int64(1), "2"], ["1", "2"]),
    ("edges", np.array([["a", "b"]]), [("a", "b")]),
    ("expected", ["a", 2], ("a", "2")),
    ("min_average", [1, np.float32(0.5)], (1, 0.5)),
    ("within", np.str_("batch"), "batch"),
    ("components", [1, np.int64(2)], (1, 2)),
    ("gamma_bounds", [0, np.float32(20)], (0.0, 20.0)),
    ("offset_bounds", np.array([-np.inf, 2]), (-np.inf, 2.0)),
    ("bounds", np.str_("velocyto"), "velocyto"),
    ("start", "cell 1", "cell 1"),
    ("start", ("a", "b"), ["a", "b"]),
    ("start", [True, np.False_], [True, False]),
    ("root", ["a", "b"], ["a", "b"]),
    ("time", np.float64(2), 2.0),
    ("n_threads", np.int32(2), 2),
    ("max_memory", "8GB", 8_000_000_000),
    ("rng", np.int64(7), 7),
    ("offset", "nonnegative", "nonnegative"),
    ("uncertainty", "crossfit", "crossfit"),
    ("mode", "stochastic", "stochastic"),
    ("cmap", "magma", "magma"),
    ("legend_loc", "upper left", "upper left"),
    ("legend_loc", "right margin", "right margin"),
    ("legend_loc", "none", None),
]
REFUSED = [
    ("adata", "a.h5ad", TypeError, "adata must be an AnnData; it is 'a.h5ad'. Read the file first"),
    ("counts", [1], TypeError, "counts must be an AnnData, or a mapping"),
    (
        "groupby",
        ["a", "b"],
        TypeError,
        r"groupby must be .*one string.; it is \['a', 'b'\] \(a list",
    ),
    ("groupby", "", ValueError, "it is an empty string"),
    (
        "basis",
        None,
        TypeError,
        r"basis must be the name of an embedding \(one string\); it is None",
    ),
    ("root", 3, TypeError, "root must be names of cells or clusters: one string or a list"),
    (
        "start",
        3,
        TypeError,
        "start must be names of cells or clusters, or a mask of cells; it is 3",
    ),
    ("start", [[True]], TypeError, "start must be names of cells or clusters, or a mask"),
    ("time", -1, ValueError, "time must be finite and not negative; it is -1"),
    ("assumption", "II", ValueError, "assumption must be one of 'constant_velocity', 'constant_u"),
    ("dense", 1, TypeError, "dense must be True or False; it is 1"),
    ("dense", np.ones(5), TypeError, r"dense must be True or False; it is an array of shape \(5,"),
    ("dense", "yes", TypeError, "it is 'yes'"),
    ("n_pcs", 30.0, TypeError, "n_pcs must be a whole number; it is 30.0"),
    ("n_pcs", True, TypeError, "it is True"),
    ("n_pcs", np.array(3), TypeError, "n_pcs must be a whole number"),
    ("n_pcs", 0, ValueError, "n_pcs must be at least 1; it is 0"),
    ("level", 1, ValueError, "level must be between 0 and 1, such as 0.95 for 95 %; it is 1"),
    ("level", NAN, ValueError, "level must be between 0 and 1"),
    ("level", "0.9", TypeError, "level must be a number"),
    ("scale", 0, ValueError, "scale must be positive and finite; it is 0"),
    ("scale", float("inf"), ValueError, "scale must be positive and finite"),
    ("alpha", 1.5, ValueError, "alpha must be from 0 to 1; it is 1.5"),
    ("min_r2", NAN, ValueError, "min_r2 must be a number, or -inf for no threshold; it is nan"),
    ("min_gamma", np.ones(2), TypeError, "min_gamma must be a number; it is an array"),
    ("genes", 3, TypeError, "genes must be names of genes: one string or a list of strings"),
    (
        "genes",
        np.array([True, False]),
        TypeError,
        r"Give names instead of a mask, .*var_names\[mask",
    ),
    ("genes", {"a": 1}, TypeError, "genes must be names of genes"),
    ("genes", pd.DataFrame({"a": ["b"]}), TypeError, r"a DataFrame of shape \(1, 1\)"),
    (
        "cells",
        [0, 1],
        TypeError,
        r"cells must be names of cells, or a file with them; it is \[0, 1\]",
    ),
    ("edges", [("a",)], TypeError, r"edges must be a list of pairs of clusters"),
    ("edges", "ab", TypeError, "edges must be a list of pairs"),
    ("expected", "ab", TypeError, "expected must be the names of two clusters"),
    ("min_average", 0.1, TypeError, "min_average must be two numbers, of spliced and of unspliced"),
    ("min_average", (1, 2, 3), TypeError, r"it is \(1, 2, 3\) \(a tuple\)"),
    ("min_average", (1, -1), ValueError, "min_average must be finite and not negative; it is -1"),
    ("metric", "manhattan", ValueError, "metric must be one of 'euclidean', 'cosine', 'corr"),
    ("diffusion", 1.5, ValueError, "diffusion must be from 0 to 1; it is 1.5"),
    ("min_shared_cells", -1, ValueError, "min_shared_cells must be at least 0; it is -1"),
    ("components", (0, 1, 2), TypeError, "components must be two whole numbers"),
    ("components", (0, -1), ValueError, "components must not be negative"),
    ("gamma_bounds", 20, TypeError, r"gamma_bounds must be two numbers \(low, high\), such as"),
    ("gamma_bounds", (0, 1, 2), TypeError, "gamma_bounds must be two numbers"),
    ("gamma_bounds", (0, True), TypeError, "gamma_bounds must be two numbers"),
    ("gamma_bounds", (2, 1), ValueError, r"with low ≤ high; it is \(2, 1\)"),
    ("offset_bounds", (0, NAN), ValueError, r"it is \(0, nan\)"),
    ("offset_bounds", (np.inf, np.inf), ValueError, r"it is \(inf, inf\)"),
    ("bounds", "scvelo", ValueError, "bounds must be one of 'velocyto'; it is 'scvelo'"),
    ("palette", ["red"], TypeError, "palette must be a mapping from groups to colours"),
    ("ax", "axes", TypeError, "ax must be axes of matplotlib"),
    ("ax", [], TypeError, "ax must be axes of matplotlib"),
    ("path", b"a.h5ad", TypeError, "path must be the path of a file or folder"),
    ("path", "", ValueError, "path is an empty string"),
    ("n_threads", NAN, TypeError, "n_threads must be a whole number of threads, or None for all"),
    ("n_threads", 2.0, TypeError, "it is 2.0"),
    ("n_threads", True, TypeError, "it is True"),
    ("n_threads", 0, ValueError, "n_threads must be at least 1, or None for all processors"),
    (
        "max_memory",
        8,
        ValueError,
        "max_memory=8 means 8 bytes, which is too little; for gigabytes write '8GB'",
    ),
    ("progress", "bar", TypeError, "progress must be True, False, or a function of the share"),
    ("progress", 1, TypeError, "progress must be True, False"),
    (
        "rng",
        np.random.RandomState(0),
        TypeError,
        "numpy.random.Generator, or None .* a RandomState",
    ),
    ("rng", 0.0, TypeError, "rng must be a whole number"),
    ("rng", True, TypeError, "it is True"),
    ("rng", -1, ValueError, "rng must be a whole number from 0 to 4,294,967,295; it is -1"),
    ("rng", 2**32, ValueError, "rng must be a whole number from 0"),
    ("offset", 1, ValueError, "offset must be one of False, True, 'nonnegative'; it is 1"),
    ("offset", np.ones(3), TypeError, "offset must be one of"),
    ("ambiguous", "lose", ValueError, "ambiguous must be one of 'default', 'drop'"),
    ("method", ["common"], TypeError, "method must be one of 'per_layer', 'common'"),
    ("uncertainty", "bootstrap", ValueError, "uncertainty must be one of 'crossfit', 'sandwich'"),
    ("uncertainty", {"level": 0.9}, TypeError, "uncertainty must be 'crossfit', .*Sandwich"),
    ("mode", "dynamical", ValueError, "mode must be one of 'deterministic', 'stochastic'"),
    ("mode", {"moments": "exact"}, TypeError, "mode must be 'deterministic', .*Stochastic"),
    ("moments", "second", ValueError, "moments must be one of 'scvelo', 'exact'"),
    ("weights", 3, TypeError, "weights must be 'extremes', 'all', Extremes"),
    ("cmap", "virids", ValueError, "cmap='virids' is not a colour map of .*, which has 'viridis'"),
    ("cmap", "nope", ValueError, "cmap='nope' is not a colour map of matplotlib"),
    ("cmap", 3, TypeError, "cmap must be the name of a colour map"),
    ("legend_loc", "nope", ValueError, "legend_loc must be one of 'auto', 'on data', .*'best'"),
]


@pytest.mark.parametrize(("name", "value", "becomes"), TAKEN)
def test_what_is_taken(name, value, becomes):
    found = ARGUMENTS[name](name, value)
    assert found == becomes
    assert type(found) is type(becomes)


@pytest.mark.parametrize(("name", "value", "error", "message"), REFUSED)
def test_what_is_refused(name, value, error, message):
    with pytest.raises(error, match=message):
        ARGUMENTS[name](name, value)


def test_arrays_are_weights():
    for weights in (np.ones(3), sp.eye_array(3), pd.Series([1.0, 2.0])):
        assert ARGUMENTS["weights"]("weights", weights) is weights


def test_axes_are_taken_one_or_several():
    figure, pair = plt.subplots(1, 2)
    assert ARGUMENTS["ax"]("ax", pair) is pair
    assert ARGUMENTS["ax"]("ax", pair[0]) is pair[0]
    plt.close(figure)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("x" * 100, f"'{'x' * 60}…'"),
        (list(range(100)), "a list"),
        (object(), "an object"),
        (np.float64(0.5), "0.5"),
        (sp.eye_array(3), "a dia_array of shape (3, 3)"),
        (("a",), "('a',) (a tuple)"),
    ],
)
def test_values_in_messages_are_short(value, text):
    assert shown(value) == text


@public
def measure(
    adata,
    *,
    groupby=None,
    level=0.95,
    n_threads=None,
    max_memory=None,
    progress=None,
    rng=0,
):
    """Return what arrives."""
    return {
        "groupby": groupby,
        "level": level,
        "n_threads": n_threads,
        "max_memory": max_memory,
        "progress": progress,
        "rng": rng,
    }


def test_a_function_keeps_its_name_words_and_signature():
    assert measure.__name__ == "measure"
    assert measure.__doc__ == "Return what arrives."
    assert list(inspect.signature(measure).parameters)[:3] == ["adata", "groupby", "level"]


def test_none_is_taken_where_the_annotation_says_so(counts):
    @public
    def draw(adata, groupby: str, *, color: str | None = "auto"):
        return color

    assert draw(counts, "clusters", color=None) is None
    with pytest.raises(TypeError, match=r"groupby must be the name .*; it is None"):
        draw(counts, None)


def test_the_argument_comes_first_then_the_settings_then_the_default(counts):
    asked = {"n_threads": 3, "max_memory": 2e9, "progress": True}
    of_settings = {"n_threads": 2, "max_memory": 10**9, "progress": True}
    none = {"n_threads": None, "max_memory": None, "progress": False}
    assert measure(counts).items() >= none.items()
    with sv.settings.override(**of_settings):
        assert measure(counts).items() >= of_settings.items()
        assert measure(counts, **dict.fromkeys(none)).items() >= of_settings.items()
        assert measure(counts, **asked).items() >= asked.items()
        assert measure(counts, progress=False)["progress"] is False


def test_the_settings_show_no_progress_if_nothing_is_reported(counts):
    with sv.settings.override(progress=True, verbosity=0):
        assert measure(counts)["progress"] is False
        assert measure(counts, progress=True)["progress"] is True


def test_a_random_generator_gives_one_integer_and_none_draws_one(counts):
    first = measure(counts, rng=np.random.default_rng(1))["rng"]
    assert first == measure(counts, rng=np.random.default_rng(1))["rng"]
    generator = np.random.default_rng(1)
    assert measure(counts, rng=generator)["rng"] != measure(counts, rng=generator)["rng"]
    assert type(first) is int
    assert measure(counts, rng=None)["rng"] != measure(counts, rng=None)["rng"]
    assert measure(counts)["rng"] == 0


def test_a_default_of_none_draws_a_number_too(counts):
    @public
    def draw(adata, *, rng=None):
        return rng

    assert type(draw(counts)) is int


def test_the_traceback_ends_where_the_call_was_wrong(counts):
    with pytest.raises(TypeError, match="groupby") as refused:
        measure(counts, groupby=3)
    frames = [frame.name for frame in traceback.extract_tb(refused.value.__traceback__)]
    assert frames == ["test_the_traceback_ends_where_the_call_was_wrong", "checked"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"group_by": "a"}, r"measure\(\) has no argument 'group_by'; did you mean groupby\?"),
        ({"n_jobs": 2}, r"no argument 'n_jobs'; did you mean n_threads\?"),
        ({"vkey": "v"}, r"no argument 'vkey'; it takes adata, groupby, level"),
    ],
)
def test_an_unknown_argument_is_refused_with_what_was_meant(counts, given, message):
    with pytest.raises(TypeError, match=message):
        measure(counts, **given)


@pytest.mark.parametrize(
    ("call", "given", "meant"),
    [
        (sv.tl.velocity, "quantiles", r"did you mean weights=sv.Extremes\(low, high\)\?"),
        (sv.tl.velocity, "n_splits", r"did you mean uncertainty=sv.CrossFit\(n_repeats=\)\?"),
        (sv.tl.velocity, "n_repeats", r"did you mean uncertainty=sv.CrossFit\(n_repeats=\)\?"),
        (sv.tl.velocity, "level", r"did you mean uncertainty=sv.CrossFit\(level=\)\?"),
        (sv.tl.velocity, "batch_key", r"did you mean sample_key\?"),
        (sv.run, "clusters", r"did you mean groupby\?"),
        (sv.run, "report", r"did you mean progress\?"),
        (sv.run, "n_pcs", r"did you mean neighbors=sv.Neighbors\(...\)\?"),
        (sv.run, "within", r"did you mean neighbors=sv.Neighbors\(...\)\?"),
        (sv.pp.neighbors, "batch_key", r"did you mean within\?"),
        (sv.run, "size_factor_method", r"did you mean size_factors\?"),
        (sv.run, "spliced_size", r"did you mean size_factors=sv.SizeFactors\(...\)\?"),
        (sv.tl.velocity, "fit_offset", r"did you mean offset\?"),
        (sv.tl.velocity, "fit_offset2", r"did you mean mode=sv.Stochastic\(fit_offset2=\)\?"),
        (sv.CrossFit, "n_splits", r"^CrossFit\(\) has no argument 'n_splits'; .* n_repeats\?"),
        (sv.Sandwich, "n_repeats", r"^Sandwich\(\) has no argument 'n_repeats'; it takes level"),
        (sv.Neighbors, "neighbours", r"^Neighbors\(\) .* did you mean n_neighbors\?"),
    ],
)
def test_names_of_earlier_versions_and_options_of_choices_are_known(call, given, meant):
    with pytest.raises(TypeError, match=meant):
        call(**{given: 5})


def test_a_call_without_the_data_is_refused_as_python_does():
    with pytest.raises(TypeError, match=r"measure\(\) missing 1 required positional .*'adata'"):
        measure()


def test_pictures_are_drawn_in_the_style_of_the_settings(counts):
    @picture
    def size_of_text(adata):
        return mpl.rcParams["font.size"]

    before = mpl.rcParams["font.size"]
    with sv.settings.override(figure_style=["ggplot", {"font.size": 17}]):
        assert size_of_text(counts) == 17
    assert size_of_text(counts) == mpl.rcParams["font.size"] == before
