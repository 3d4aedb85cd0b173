"""Free text for many prompts at once, such as an explanation for each of a hundred recommendations."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from tutorial_lib.models.beams import write_text
from tutorial_lib.models.language_models import LanguageModel


def write_texts(
    lm: LanguageModel, prompts: Sequence[str], *, longest: int = 60, size: int = 64
) -> list[str]:
    """What `write_text` writes after each prompt (greedy), many times faster: ``size`` prompts go
    through the model together.

    longest: most tokens of a text. A model with a soft prompt or deep prefix writes one text after
        another.

    >>> from tutorial_lib.models import load_language_model
    >>> lm, prompts = load_language_model("kit-gpt"), ["Hushed Pearl Blocks, 5 stars, because of the size:", "Review:"]
    >>> write_texts(lm, prompts, longest=5) == [write_text(lm, prompt, longest=5) for prompt in prompts]
    True
    """
    lm.require("causal", "seq2seq", what="writing text")
    if lm.prefix_length:
        return [write_text(lm, prompt, longest=longest) for prompt in prompts]
    end, out = [lm.end_id] if lm.kind == "seq2seq" else [], []
    order = sorted(
        range(len(prompts)), key=lambda row: len(prompts[row])
    )  # texts of like length share a batch: less padding
    for start in range(0, len(order), size):
        rows = [
            [*lm.prompt_ids(prompts[row], longest + 1), *end] for row in order[start : start + size]
        ]
        width = max(map(len, rows))
        pads = [
            0 if lm.kind == "seq2seq" else width - len(row) for row in rows
        ]  # what is continued must end at the right-hand side
        ids, mask = (
            torch.full((len(rows), width), fill, device=lm.device) for fill in (lm.end_id, 0)
        )
        for line, (row, pad) in enumerate(zip(rows, pads, strict=True)):
            ids[line, pad : pad + len(row)], mask[line, pad : pad + len(row)] = (
                torch.tensor(row, device=lm.device),
                1,
            )
        with torch.inference_mode():
            ends = {"eos_token_id": lm.end_id, "pad_token_id": lm.end_id}
            found = lm.model.generate(
                input_ids=ids,
                attention_mask=mask,
                max_new_tokens=longest,
                do_sample=False,
                num_beams=1,
                **ends,
            )
        written = found[:, 1 if lm.kind == "seq2seq" else width :]
        out += [
            text.strip() for text in lm.tokenizer.batch_decode(written, skip_special_tokens=True)
        ]
    return [out[place] for place in sorted(range(len(order)), key=order.__getitem__)]
