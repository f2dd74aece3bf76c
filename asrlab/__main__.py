"""`python -m asrlab` is the command line."""

import sys

from asrlab.cli import main

sys.exit(main())
