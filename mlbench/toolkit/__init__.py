"""Building blocks for the authors of fast plugins, as public as ``mlbench`` itself.

- ``mlbench.toolkit.boosting``: boosting of many labels by a library of boosted trees
- ``mlbench.toolkit.split_gains``: which features a label can be split by
- ``mlbench.toolkit.labels``: shares of known labels, and labels that are known in the same rows
- ``mlbench.toolkit.scaling``: centring and scaling of features
- ``mlbench.toolkit.conjugate_gradients``: linear systems of many columns, solved side by side
- ``mlbench.toolkit.moments``: means and spreads in double precision
- ``mlbench.toolkit.blocks``: rows in blocks
- ``mlbench.toolkit.imports``: importing a heavy library without the parts that a job does not use

What a module documents stays as it is within one ``VERSION``; a change that a plugin would notice raises it.
"""

VERSION = 1
