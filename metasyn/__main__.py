"""Run the command line as `python -m metasyn`."""

from metasyn.cli import main

main()
