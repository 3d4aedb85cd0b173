"""Data sets by name, and the ways to split them."""

from tutorial_lib.data.dataset import Dataset, DatasetCard
from tutorial_lib.data.loading import list_datasets, load_dataset
from tutorial_lib.data.splits import (
    Split,
    hold_out_k,
    leave_last_out,
    random_hold_out,
    temporal_split,
)

__all__ = [
    "Dataset",
    "DatasetCard",
    "Split",
    "hold_out_k",
    "leave_last_out",
    "list_datasets",
    "load_dataset",
    "random_hold_out",
    "temporal_split",
]
