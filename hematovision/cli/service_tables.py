"""The service and its keys as a person reads them."""

from typing import Any


def show_service(console: Any, document: Any) -> None:
    """Where it listens and what answers."""
    console.print(f"Serving {document['model']} at {document['address']}", highlight=False)
    if document["shadow"]:
        console.print(f"{document['shadow']} answers in its shadow", highlight=False)
    if not document["keys"]:
        console.print("Nobody has a key yet: `hematovision keys add NAME --role ROLE` makes one", highlight=False)
    console.print("Not a medical device: the final word is a person's. Ctrl-C stops.", style="dim")


def show_key(console: Any, document: Any) -> None:
    """A new key, the only time it is seen."""
    console.print(document["key"], highlight=False, soft_wrap=True)
    console.print(
        f"The key of {document['name']} ({document['role']}), id {document['id']}. It is not shown again.",
        style="dim",
        markup=False,
    )


def show_keys(console: Any, document: Any) -> None:
    """Whose keys there are."""
    from rich.table import Table

    table = Table("id", "name", "role", "made", "revoked")
    for key in document["keys"]:
        table.add_row(key["id"], key["name"], key["role"], key["created"][:19], (key["revoked"] or "")[:19])
    console.print(table)


def show_revoked(console: Any, document: Any) -> None:
    """A key that has ended."""
    console.print(f"Revoked: {document['id']}, {document['name']} ({document['role']}).", markup=False)
