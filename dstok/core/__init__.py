"""The compiled core: everything that runs per byte or per piece. It knows no files and no models."""
