package dind

import "bytes"

// MayPass says whether another start may help a daemon that ended, by the last lines of its log: it gives its containerd 15 s to
// start, which a board that does much else at the time may not manage.
func MayPass(logTail []byte) bool {
	return bytes.Contains(logTail, []byte("timeout waiting for containerd to start"))
}
