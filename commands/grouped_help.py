"""The help of a command with many options: in groups, with examples.

Without Rich, which would cost more than the rest of the start.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from typer.core import TyperCommand

REST, ALL = "Other", "Options"


class GroupedCommand(TyperCommand):
    """A command whose help lists its options by `groups`, and its `examples` at the end."""

    groups: ClassVar[Mapping[str, Sequence[str]]] = {}
    """The names of the parameters by the heading of their group."""
    examples: ClassVar[Sequence[tuple[str, str]]] = ()
    """Command lines, and what they do."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the arguments, then the options of each group in the order of the group."""
        records = {str(each.name): each.get_help_record(ctx) for each in self.get_params(ctx)}
        arguments = [each for each in self.get_params(ctx) if each.param_type_name == "argument"]
        grouped = {name for names in self.groups.values() for name in names}
        known = {str(each.name) for each in arguments}
        rest = [name for name in records if name not in grouped | known]
        sections = {"Arguments": [*sorted(known)], **self.groups, REST if grouped else ALL: rest}
        for heading, names in sections.items():
            shown = [record for name in names if (record := records.get(name))]
            if shown:
                with formatter.section(heading):
                    formatter.write_dl(shown)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Write the examples, each on a line that can be copied."""
        if self.examples:
            with formatter.section("Examples"):
                for command, words in self.examples:
                    formatter.write(f"{'':{formatter.current_indent}}{command}\n")
                    formatter.write(f"{'':{formatter.current_indent + 4}}{words}\n")


def grouped(
    groups: Mapping[str, Sequence[str]], *examples: tuple[str, str]
) -> type[GroupedCommand]:
    """The class of a command with these groups of options and examples."""
    return type("Grouped", (GroupedCommand,), {"groups": groups, "examples": examples})
