"""What a mask file means: labels, colours, ignored values, EXIF orientation."""
