"""What the launcher of the Flex Template starts: the main job, its workers from the image that this one is built on."""

import os
import sys

from pipelines.categorize_tracks import main

if __name__ == "__main__":
    sys.argv.insert(1, f"--sdk_container_image={os.environ['EARMARK_WORKER_IMAGE']}")
    main()
