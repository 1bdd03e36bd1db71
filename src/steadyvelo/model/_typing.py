"""Array types used by the model and the engine."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

Float64Array: TypeAlias = NDArray[np.float64]
Float32Array: TypeAlias = NDArray[np.float32]
# genes × cells; kernels sum in float64 for both types
GeneRows: TypeAlias = NDArray[np.float32] | NDArray[np.float64]
BoolArray: TypeAlias = NDArray[np.bool_]
IntArray: TypeAlias = NDArray[np.int64]
# indptr and indices of a CSR matrix
Pattern: TypeAlias = tuple[NDArray[np.int64], NDArray[np.int32]]
TextArray: TypeAlias = NDArray[np.object_]
SparseMatrix: TypeAlias = sp.csr_matrix | sp.csc_matrix | sp.csr_array | sp.csc_array
Matrix: TypeAlias = NDArray[Any] | SparseMatrix
