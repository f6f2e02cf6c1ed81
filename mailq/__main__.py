"""`python -m mailq` is mailqctl."""

from mailq.cli import main

if __name__ == "__main__":
    main(prog_name="mailqctl")
