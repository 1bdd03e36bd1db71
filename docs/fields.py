"""Print the table of fields in `anndata.md`: python docs/fields.py."""

from __future__ import annotations

from steadyvelo import _keys


def table() -> str:
    """Return a Markdown table of every field that is read or written."""
    rows = ["| field | shape | dtype | meaning |", "|---|---|---|---|"]
    rows += [
        f'| `{f.slot}["{f.of("velocity", "umap")}"]` | {f.shape} | {f.dtype} | {f.meaning} |'
        for f in _keys.FIELDS
    ]
    return "\n".join(rows)


if __name__ == "__main__":
    print(table())
