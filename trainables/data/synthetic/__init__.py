"""Generated street scenes, written in the Cityscapes layout."""
