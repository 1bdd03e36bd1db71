"""What a program that uses the package sees of its types: calls that are right, and wrong ones.

Read by pyright in `make lint`, never run. Where `ignore` is said a mistake must be found.
"""

from __future__ import annotations

import steadyvelo as sv

adata = sv.io.read_h5ad("counts.h5ad")
print(adata.n_obs)
sv.pp.size_factors(adata)
sv.pp.filter_genes(adata, min_shared_counts=20)
sv.pp.neighbors(adata, n_neighbors=30)
sv.pp.qc(adata)
sv.tl.velocity(adata, uncertainty="crossfit", offset="nonnegative")
sv.tl.velocity(adata, mode=sv.Stochastic(moments="exact"))
sv.tl.velocity_graph(adata)
sv.tl.velocity_embedding(adata, basis="umap")
sv.tl.velocity_confidence(adata)
sv.tl.reliability(adata, "clusters", basis="umap")
sv.get.velocity(adata, genes=["Sulf2"]).to_csv("velocity.csv")
sv.pl.velocity_stream(adata, basis="umap", color="clusters").get_title()
sv.report.write(adata, "report.html")
result = sv.run(adata)
print(result.n_obs)

sv.pp.neighbors(adata, n_neighbors="30")  # pyright: ignore[reportArgumentType]
sv.pp.size_factors(adata, method="total")  # pyright: ignore[reportArgumentType]
sv.tl.velocity(adata, uncertainty="bootstrap")  # pyright: ignore[reportArgumentType]
sv.tl.velocity(adata, offset="positive")  # pyright: ignore[reportArgumentType]
sv.tl.velocity(adata, mode="dynamical")  # pyright: ignore[reportArgumentType]
sv.tl.velocity(adata, n_threads="two")  # pyright: ignore[reportArgumentType]
sv.tl.velocity_graph(adata, velocity_kay="velocity")  # pyright: ignore[reportCallIssue]
sv.pl.velocity_stream(adata, basis=3)  # pyright: ignore[reportArgumentType]
sv.get.velocity("counts.h5ad")  # pyright: ignore[reportArgumentType]
sv.tl.velocty(adata)  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
