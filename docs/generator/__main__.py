"""`python -m docs.generator`: bring the generated pages up to date, and name those that changed."""

from docs.generator import write_all

if __name__ == "__main__":
    print("\n".join(write_all()) or "nothing changed")  # noqa: T201 - a script
