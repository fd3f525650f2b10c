"""`python -m flows.cli` is `lienthong`."""

from flows.cli import main

if __name__ == "__main__":
    main(prog_name="lienthong")
