"""The kit's tokenizer: byte-level byte-pair encoding (Sennrich et al. 2016), trained by the
`tokenizers` library on the kit's corpus.
"""

from __future__ import annotations

from collections.abc import Iterable

PAD, START, END, MASK = "<pad>", "<s>", "</s>", "<mask>"
SENTINELS = tuple(f"<extra_id_{i}>" for i in range(16))  # gaps in the span corruption of kit-t5
SPECIAL = (PAD, START, END, MASK, *SENTINELS)


def train_tokenizer(texts: Iterable[str], size: int = 3072):
    """A `transformers` fast tokenizer with at most ``size`` tokens; any text can be written with
    it, since it falls back to bytes.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=list(SPECIAL),
        initial_alphabet=alphabet,
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    special = {
        "pad_token": PAD,
        "bos_token": START,
        "eos_token": END,
        "mask_token": MASK,
        "cls_token": START,
        "sep_token": END,
    }
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        extra_special_tokens=list(SENTINELS),
        clean_up_tokenization_spaces=False,
        model_max_length=512,
        **special,
    )
