package trace

// Tail is the end of the log so far, limit bytes at most, as the server will have it. It is empty where the spool cannot be
// read.
func (t *Trace) Tail(limit int64) []byte {
	t.mu.Lock()
	size := t.spool.sum.Size
	begin := size - min(size, limit)
	from := t.spool.place(begin)
	t.mu.Unlock()
	tail := make([]byte, size-begin)
	if err := t.spool.readAt(tail, begin, from); err != nil {
		return nil
	}
	return tail
}
