"""Private code that works on an AnnData: checks, groups of cells, a fit and its blocks."""
