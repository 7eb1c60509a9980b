"""What `metasyn verify` can say, with the page of each: what is looked for, and what to do."""

from metasyn.errors import Severity

VERIFY: dict[str, tuple[Severity, str]] = {
    "not-printed": (
        "error",
        """A recorded number that is not in the paper's text.

Dashes, decimal points, thin spaces and ligatures of the text have one form; .03 and 0.03 are the same number, 0.7 and 0.70
are not. A number that differs by one slip (a digit, two digits exchanged, the decimal point) and stands near the row's
other numbers or words is suggested.

Cause: a typing error; or the number stands in a figure, a supplement or a table that the text does not hold.
What to do: look it up. If it is only in a figure or a supplement, accept it with that place as the reason.
""",
    ),
    "printed-with-other-digits": (
        "warning",
        """A recorded number whose value is in the text with other decimals: 0.7 where the paper prints 0.70.

Decimals say how precisely a number is known, and metasyn's arithmetic carries them.

What to do: type the digits that the paper prints.
""",
    ),
    "printed-apart": (
        "warning",
        """A recorded number that is in the text, but not beside the numbers it belongs to.

An estimate, its interval and its p stand together, as do a count and its percent, a median and its interval: within 110
characters, or in one row of a table.

Cause: a number of another row was typed; or the paper prints them in different places.
What to do: look at the snippet. If the paper does print them apart, accept the finding with both places.
""",
    ),
    "other-time": (
        "warning",
        """A time that the text gives in another unit, or a rate without its time near it.

A median is followed by its unit; a rate at 12 months stands near 12 months, 12-month or 1-year.

Cause: months for years, a wrong time, or a record with the wrong time_unit.
What to do: look at the snippet.
""",
    ),
    "arms-reversed": (
        "warning",
        """Two arms whose numbers stand in the other order than the paper's other pairs.

Within one table, columns keep their order; in the text, `x vs. y` mostly does. A pair that is the other way round than at
least three quarters of the pairs (four or more) is told; several such pairs of a text are a note.

Cause: the arms of two rows or cells were swapped; or the paper turns the order round here.
What to do: look at the snippet. If the paper turns round, accept the finding.
""",
    ),
}
