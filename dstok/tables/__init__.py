"""A model's description, or an image, -> flat tables, checked -> the objects of the core."""
