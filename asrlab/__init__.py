"""asrlab: a readable, tested speech recogniser."""

import os

# Torch reads these when it first computes. Batches of speech come in hundreds of shapes, and for each of them oneDNN
# makes kernels, which it forgets after 1024 others; and memory that comes in large pages is had sooner.
os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "16384")
os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
