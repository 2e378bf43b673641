"""The on-disk layouts of labelled images, one module each."""
