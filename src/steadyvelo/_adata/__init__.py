"""What knows an AnnData and is not public: checks, groups of cells, a fit and its blocks."""
