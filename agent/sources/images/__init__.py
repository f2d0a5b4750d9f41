"""`type = "images"`: a folder of pictures in the order of their names, or one picture."""
