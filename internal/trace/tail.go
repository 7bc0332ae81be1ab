package trace

// Tail is the end of the log so far, limit bytes at most, as the server will have it. It is empty where the spool cannot be
// read.
func (t *Trace) Tail(limit int64) []byte {
	sum := t.sum()
	tail := make([]byte, min(sum.Size, limit))
	if _, err := t.spool.file.ReadAt(tail, sum.Size-int64(len(tail))); err != nil {
		return nil
	}
	return tail
}
