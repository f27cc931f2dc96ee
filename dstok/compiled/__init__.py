"""A model's description, or an image -> checked flat tables -> the objects of the core."""
