"""Networks: the segmentation model a configuration describes."""
