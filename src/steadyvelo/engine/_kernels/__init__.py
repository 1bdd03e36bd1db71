"""Compiled loops, by what they work on.

Each works on the rows `start` to `stop` and is run by a thread pool. Plain arrays and CSR triples
in; results are written into arrays that the caller made. Cells may stand in an order of their
own: row p of a block holds cell ``cell_of_row[p]``, and cell i stands in row ``row_of_cell[i]``.
The tests hold a numpy twin of each.
"""
