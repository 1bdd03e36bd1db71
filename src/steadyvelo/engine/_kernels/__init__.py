"""Compiled loops, in modules named like those that call them.

Each kernel processes the rows `start` to `stop` and is run in threads. Inputs are plain arrays and
CSR triples; results are written to arrays of the caller. Rows may be in another order than the
cells: row p of a block belongs to cell ``cell_of_row[p]``, and cell i is in row ``row_of_cell[i]``.
The tests contain a numpy version of each kernel.
"""
