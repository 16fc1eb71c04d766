"""`python -m analysis`: the command line."""

from analysis.cli.main import run

if __name__ == "__main__":
    run()
