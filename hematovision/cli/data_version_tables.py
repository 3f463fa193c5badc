"""Data versions on a terminal."""

from typing import Any


def show_versions(console: Any, document: Any) -> None:
    """A row a version, the earliest first."""
    from rich.table import Table

    if not document["versions"]:
        console.print("No data version is kept yet: `hematovision run` or `ingest` keeps what it reads.")
    else:
        table = Table(title=f"Data versions in {document['folder']}", title_justify="left")
        for name in ("version", "name", "kept"):
            table.add_column(name)
        for name in ("cells", "MB"):
            table.add_column(name, justify="right")
        table.add_column("models", overflow="fold")
        for kept in document["versions"]:
            row = [kept["version"][:19] + "…", kept["name"], kept["ingestions"][0]["time"][:10]]
            table.add_row(*row, str(kept["cells"]), f"{kept['size'] / 1e6:.1f}", ", ".join(kept["models"]) or "–")
        console.print(table, markup=False)
        console.print(f"`hematovision data push` copies them to {document['remote']}", markup=False, soft_wrap=True)
    for lost in document["not_kept"]:
        models = ", ".join(lost["models"])
        console.print(f"not kept here: {lost['version']}, of {models}", markup=False, soft_wrap=True)


def show_checkout(console: Any, document: Any) -> None:
    """Where it lies now."""
    console.print(
        f"{document['version']}: {document['cells']} cells, {document['files']} files in {document['folder']}, "
        "every byte checked",
        markup=False,
        soft_wrap=True,
    )


def show_moved(console: Any, document: Any) -> None:
    """How much travelled."""
    way = "to" if document["direction"] == "push" else "from"
    console.print(
        f"{len(document['versions'])} data versions, {document['files']} files copied {way} {document['remote']}",
        markup=False,
        soft_wrap=True,
    )
