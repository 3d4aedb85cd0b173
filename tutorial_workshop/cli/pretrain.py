"""``tutorial pretrain``: one of the kit's own language models, from nothing."""

from __future__ import annotations

from pathlib import Path

from tutorial_lib.data.shipped import ship


def pretrain_model(
    name: str,
    out: Path,
    *,
    seed: int = 0,
    documents: int | None = None,
    width: int | None = None,
    ship_it: bool = False,
) -> None:
    """Train, print the loss on the way, and save.

    Args:
        name: kit-gpt, kit-bert or kit-t5.
        out: folder of the model.
        seed: of the texts and weights.
        documents: texts to read; default: the kit's recipe.
        width: of the hidden states; default: that of the kit's models.
        ship_it: also put the model among the files that ship with the kit.
    """
    from tutorial_recipes.pretraining import WIDTH, pretrain

    def on_step(read: int, of: int, loss: float, seconds: float) -> None:
        left = f", about {seconds / read * (of - read) / 60:.0f} min left" if read else ""
        print(f"{read:,} of {of:,} documents, loss {loss:.3f}, {seconds:.0f} s{left}", flush=True)

    folder = pretrain(
        name, out, seed=seed, documents=documents, width=width or WIDTH, on_step=on_step
    )
    if ship_it:
        ship_checkpoint(folder, name)
    print(f"saved in {folder}: load_language_model({str(folder)!r})")


def ship_checkpoint(folder: Path, name: str, data: Path | None = None) -> None:
    """Copy a checkpoint below ``data/checkpoints/`` and enter its files in the manifest.

    Args:
        folder: of the checkpoint.
        name: below ``data/checkpoints/``.
        data: as in `shipped.ship`.
    """
    files = {
        f"checkpoints/{name}/{path.name}": path.read_bytes()
        for path in sorted(folder.iterdir())
        if path.is_file()
    }
    ship(files, f"tutorial pretrain {name} --ship", data)
