#!/bin/sh
echo "the image's entrypoint ran"
export FROM_ENTRYPOINT=yes
exec "$@"
