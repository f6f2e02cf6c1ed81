"""The web: parse, call what producers and operators call, render. It decides nothing."""
