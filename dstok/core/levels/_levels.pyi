# Python finds nothing here: importing the module hands the implementations to simd/_level.pyx.
