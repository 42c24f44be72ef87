"""Statistics of initialized weights that the q3 checks rest on."""

from __future__ import annotations

from inithw.records import LayerTask

NETWORKS = 256
LAYER_TASKS = (
    LayerTask(64, 64, 16),
    LayerTask(64, 1024, 2),
    LayerTask(1024, 64, 2),
    LayerTask(16, 256, 8),
    LayerTask(256, 16, 8),
)
