"""Import contracts by subtree, for import-linter: what is added to a subtree is held to its rule unnamed."""

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output


class SubtreesImportOnly(Contract):
    """Modules of some subtrees import, of the package, nothing but these subtrees and what is allowed."""

    subtrees = fields.ListField(subfield=fields.StringField())
    allowed = fields.ListField(subfield=fields.StringField())

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        """Look at every import of every module of the subtrees."""
        package = self.session_options["root_packages"][0]
        allowed = [*self.subtrees, *self.allowed]
        broken = sorted(
            f"{module} -> {imported}"
            for module in graph.modules
            if _under(module, self.subtrees)
            for imported in graph.find_modules_directly_imported_by(module)
            if _under(imported, [package]) and not _under(imported, allowed)
        )
        return ContractCheck(kept=not broken, metadata={"broken": broken})

    def render_broken_contract(self, check: ContractCheck) -> None:
        """A line for each import."""
        _print(check)


class RestNeverReaches(Contract):
    """No module of the package but those of some subtrees imports certain packages, not even by way of another."""

    packages = fields.ListField(subfield=fields.StringField())
    subtrees = fields.ListField(subfield=fields.StringField())

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        """Look for a chain of imports from every module of the rest."""
        package = self.session_options["root_packages"][0]
        broken = sorted(
            " -> ".join(chain)
            for module in graph.modules
            if _under(module, [package]) and not _under(module, self.subtrees)
            for forbidden in self.packages
            if forbidden in graph.modules and (chain := graph.find_shortest_chain(module, forbidden))
        )
        return ContractCheck(kept=not broken, metadata={"broken": broken})

    def render_broken_contract(self, check: ContractCheck) -> None:
        """A line for each chain."""
        _print(check)


def _under(module: str, subtrees: list[str]) -> bool:
    return any(module == root or module.startswith(f"{root}.") for root in subtrees)


def _print(check: ContractCheck) -> None:
    for line in check.metadata["broken"]:
        output.print_error(line)
