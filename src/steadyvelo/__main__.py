"""``python -m steadyvelo``."""

from steadyvelo.cli import main

main()
