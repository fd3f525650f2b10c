"""`python -m demo` is `lienthong demo`."""

import sys

from demo.run import main

sys.exit(main())
