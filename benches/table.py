"""A table of figures against their budgets."""

from dataclasses import dataclass
from statistics import median

HEAD = ("", "slim", "full", "floor", "ratio", "budget", "")


@dataclass(frozen=True)
class Budget:
    text: str
    kept: bool

    def __and__(self, other):
        return Budget(self.text or other.text, self.kept and other.kept)


@dataclass(frozen=True)
class Row:
    """Formats a figure: a number, the list of a measurement in turns, or None."""

    name: str
    slim: object
    full: object
    floor: object
    ratio: float | None
    budget: Budget | None
    note: str = ""

    def cells(self):
        times = "" if self.ratio is None else f"{self.ratio:.2f} ×"
        budget, kept = (self.budget.text, "ok" if self.budget.kept else "OVER") if self.budget else (self.note, "")
        return (self.name, *map(figure, (self.slim, self.full, self.floor)), times, budget, kept)


def at_most(value, limit, text):
    return Budget(text and f"≤ {text}", value <= limit)


def at_least(value, limit, text):
    return Budget(text and f"≥ {text}", value >= limit)


def figure(value):
    if value is None:
        return ""
    if isinstance(value, (list, tuple)):
        value = median(value)
    return f"{value:,.0f}" if abs(value) >= 1000 or value == int(value) else f"{value:.3g}"


def show(rows):
    """Prints each row once it is measured. Returns whether all rows keep their budgets."""
    over = kept = 0
    print_cells(HEAD)
    for row in rows:
        print_cells(row.cells())
        kept += row.budget is not None and row.budget.kept
        over += row.budget is not None and not row.budget.kept
    # .ci/run counts this line.
    print(f"\ntest result: {'FAILED' if over else 'ok'}. {kept} passed; {over} failed; of the budgets", flush=True)
    return not over


def print_cells(cells, widths=(50, 10, 10, 10, 7, 0, 0)):
    name, *figures, budget, kept = cells
    first, *rest = widths
    line = [name.ljust(first), *(cell.rjust(width) for cell, width in zip(figures, rest)), " " + budget, kept]
    print("  ".join(line).rstrip(), flush=True)
