# Python finds nothing here: importing the module hands the implementations to cpu/level.pyx.
